"""Columns of the integer tables that the solver hands to its compiled code and gets back."""

from __future__ import annotations

# Operands, one row each: range in units of 2**EXP; adder level; first bit above the excess code
# (EXP + bits of the code); first entry and number of entries of its linear form.
LO, HI, EXP, LEVEL, TOP, START, COUNT = range(7)
OPERAND_COLUMNS = 7

# Nodes: operands, left shifts (one of them 0), signs (1: subtracted).
A, B, SHIFT_A, SHIFT_B, NEG_A, NEG_B = range(6)
NODE_COLUMNS = 6

# Weights of a column: operand, output column, weight, number of digits that some shortest
# form has, place in the column's list, links of the list of the operand's entries (-1 ends it).
ENTRY_OP, ENTRY_COL, ENTRY_WEIGHT, ENTRY_WAYS, ENTRY_SLOT, ENTRY_NEXT, ENTRY_PREV = range(7)
ENTRY_COLUMNS = 7

# Outputs and terms of a column: operand (-1: none), power, sign.
TERM_OP, TERM_POW, TERM_NEG = range(3)
TERM_COLUMNS = 3

# Weights of a pattern's score: (overlap * bits in which the operands overlap + bits * cost + adder)
# * (count - first) + span * width of the sum - level_gap * difference of the operands' levels,
# times a pseudo-random factor of amplitude random. Waste: see `trees.pair_cost`.
OVERLAP, BITS, ADDER, FIRST, SPAN, LEVEL_GAP, RANDOM, WASTE = range(8)
WEIGHTS = 8

# Costs are integers in units of 1 / COST_UNIT LUT. A position of an adder's carry chain which only
# one operand reaches is a half adder: its carry input is the operand itself, which Yosys counts as
# no LUT, and which in silicon takes a LUT as a route-through. HALF is its price in those units.
COST_UNIT = 16
HALF = 4


def width_of(lo: int, hi: int) -> int:
    """Return the bits that hold every integer of lo..hi, a sign bit included where needed."""
    if lo >= 0:
        return hi.bit_length()
    return max(max(hi, 0).bit_length(), (-lo - 1).bit_length()) + 1
