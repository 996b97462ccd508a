"""How long a cell takes: a stated model with a handful of constants per device family."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gatewright.blocks.booth import NARROWEST
from gatewright.hw import ADDED, Kind, Module
from gatewright.passes.netlist.bits import Bits

WIRES = frozenset(
    int(kind)
    for kind in (
        Kind.CONST, Kind.INPUT, Kind.SHIFT, Kind.WRAP, Kind.SLICE, Kind.CONCAT, Kind.REG,
        Kind.INSTANCE,
    )
)  # fmt: skip
"""Cells without a delay of their own."""
ADD = int(Kind.ADD)
SUMS = frozenset((ADD, int(Kind.SUB)))


@dataclass(frozen=True)
class DelayModel:
    """Delays in nanoseconds; an estimate, to be confirmed by a vendor's routed timing.

    Attributes:
        lut: through a lookup table and an average net behind it.
        carry: entering and leaving a carry chain, LUT and net included.
        carry_bit: per bit of the chain.
        mux: per further select level of a wide table or multiplexer.
        register: clock to output, set-up and clock uncertainty together.
        source: where the constants come from.
        lut_inputs: inputs of a lookup table; a wider table takes a select level for each more.
        spread: what nets grow by with the size of a design: per path, for 1,000 LUTs; as the
            distance between its parts, it goes with the root of their number.
        dsp: through a DSP block without registers in it, multiplier and adder, and the net behind.
        dsp_add: the part of it that is the adder, from the multiplier or from the block before.
    """

    lut: float
    carry: float
    carry_bit: float
    mux: float
    register: float
    source: str
    lut_inputs: int = 6
    spread: float = 0.0
    dsp: float = 3.4
    dsp_add: float = 1.5

    @property
    def dsp_slowest(self) -> float:
        """The longer part of a DSP block, with a register between multiplier and adder."""
        return max(self.dsp - self.dsp_add, self.dsp_add)

    def sized(self, luts: float) -> DelayModel:
        """Return the model for a design of so many LUTs: the spread is in `register` then."""
        return replace(self, register=self.register + self.spread * growth(luts), spread=0.0)


def growth(luts: float) -> float:
    """Return how often the spread of a delay model counts in a design of so many LUTs."""
    return math.sqrt(max(luts, 0.0) / 1000.0)


@dataclass(frozen=True)
class Clock:
    """A clock period in nanoseconds and the delay model it is met under."""

    period: float
    model: DelayModel

    @property
    def budget(self) -> float:
        """Time for logic between two registers."""
        return self.period - self.model.register


def cell_delay(m: Module, s: int, model: DelayModel, known: Bits | None = None) -> float:
    """Return the delay from the operands of a cell to its result, in nanoseconds."""
    kind = m.kind[s]
    if kind in WIRES:
        return 0.0
    if kind == ADD and m.imm[s]:
        return model.dsp_add
    if kind in SUMS:
        length = carry_length(m, s, known or Bits(m))
        return model.carry + model.carry_bit * length if length else 0.0
    if kind == Kind.LESS:
        if is_sign_test(m, s):
            return 0.0
        return model.carry + model.carry_bit * max(m.width(m.a[s]), m.width(m.b[s]))
    if kind == Kind.EQUAL:
        bits = max(m.width(m.a[s]), m.width(m.b[s]))
        return model.lut * max(1, math.ceil(math.log(max(bits, 2), 3)))
    if kind in (Kind.TABLE, Kind.READ):
        return model.lut + model.mux * max(0, m.width(m.a[s]) - model.lut_inputs)
    if kind == Kind.MUL and m.imm[s] & ADDED:
        return model.dsp - model.dsp_add  # what is left of the block is the adder behind it
    if kind == Kind.MUL and m.imm[s]:
        # The parts of a wide product are added in a tree.
        levels = math.ceil(math.log2(m.imm[s]))
        return model.dsp + levels * (model.carry + model.carry_bit * m.width(s))
    if kind == Kind.MUL:
        return product_delay(m.width(m.a[s]), m.width(m.b[s]), model)
    if is_complement(m, s):
        return 0.0
    return model.lut


def product_delay(a: int, b: int, model: DelayModel) -> float:
    """Return the delay of a product of a and b bits in LUTs: a tree of adders joins its rows.

    A row is a digit of two bits times the wider operand (`blocks.booth`), or a bit where the
    narrower one has few.
    """
    narrow = min(a, b)
    rows, digit = (narrow // 2 + 1, model.lut) if narrow >= NARROWEST else (max(narrow, 2), 0.0)
    levels = math.ceil(math.log2(rows))
    return digit + levels * (model.carry + model.carry_bit * (a + b) / 2)


def is_sign_test(m: Module, s: int) -> bool:
    """Whether a comparison only reads the sign bit: a < 0."""
    b = m.b[s]
    return m.kind[s] == Kind.LESS and m.kind[b] == Kind.CONST and m.imm[b] == 0


def is_complement(m: Module, s: int) -> bool:
    """Whether a cell only inverts bits, which the logic that reads them takes in."""
    return m.kind[s] == Kind.XOR and (m.is_constant(m.a[s]) or m.is_constant(m.b[s]))


def carry_length(m: Module, s: int, known: Bits) -> int:
    """Return the positions of a sum's carry chain, 0 where the sum is a concatenation.

    The chain starts at the lowest bit that both operands have (or a constant one below another's
    bit, or what a difference borrows from) and ends at the top of the sum. Constants that stand in
    gaps of the other operand need no chain.
    """
    if known.is_apart(s):
        return 0
    length = m.width(s) - known.start(s)
    # Of a sum with a constant that is the top bit alone, that bit is inverted: no chain.
    return 0 if length == 1 and (m.is_constant(m.a[s]) or m.is_constant(m.b[s])) else length
