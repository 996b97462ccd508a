"""The operands of a solution under construction: exact ranges, grids, levels, linear forms.

Every function here is compiled. An operand is an exact integer combination of the leaves (the
inputs), so its range is the sum of its leaves' ranges: tighter than interval arithmetic
node by node, which forgets that both sides of `8x - x` are the same `x`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba import njit

from gatewright.blocks.cmvm.layout import (
    COST_UNIT,
    COUNT,
    EXP,
    HALF,
    HI,
    LEVEL,
    LO,
    NEG_A,
    NEG_B,
    NODE_COLUMNS,
    SHIFT_A,
    SHIFT_B,
    START,
    TOP,
    A,
    B,
)

Int: TypeAlias = Any
"""A 64-bit integer of the compiled code."""

ZERO, ONE = np.int64(0), np.int64(1)
"""Arguments that are constant; a literal would compile the function called once more."""

LIMIT_BITS = 62


@njit()
def copy_rows(target: Any, source: Any, number: Int) -> None:
    """Copy the first rows. A slice assignment would compile for seconds: it can fail with text."""
    for row in range(number):
        for k in range(source.shape[1]):
            target[row, k] = source[row, k]


@njit()
def bit_length(value: Int) -> Int:
    """Return the number of bits of a non-negative integer."""
    bits = 0
    while value > 0:
        bits += 1
        value >>= 1
    return bits


@njit()
def overlap_of(table: Any, a: Int, b: Int, sa: Int, sb: Int) -> Int:
    """Return how many positions `a << sa` and `b << sb` share; 0: they are concatenated."""
    low = max(table[a, EXP] + sa, table[b, EXP] + sb)
    return max(min(table[a, TOP] + sa, table[b, TOP] + sb) - low, 0)


@njit()
def adder_cost(table: Any, a: Int, b: Int, sa: Int, sb: Int) -> Int:
    """Return the cost of `±a << sa ± b << sb` in units of 1 / COST_UNIT LUT.

    Operands are unsigned codes: the number less a known integer. Subtracting adds the complement,
    so that signs cost nothing. Bits below the coarser operand pass through, a position of both
    operands is a LUT, one above the top of either is a half adder, and the sum's top bit is the
    carry. Codes that share no position are concatenated.
    """
    low = max(table[a, EXP] + sa, table[b, EXP] + sb)
    top_a, top_b = table[a, TOP] + sa, table[b, TOP] + sb
    overlap = min(top_a, top_b) - low
    if overlap <= 0:
        return 0
    return COST_UNIT * overlap + HALF * (max(top_a, top_b) - low - overlap)


@njit()
def estimated_top(table: Any, a: Int, b: Int, sa: Int, sb: Int) -> Int:
    """Return the first bit above the code of `±a << sa ± b << sb`, `a` and `b` independent."""
    base = min(table[a, EXP] + sa, table[b, EXP] + sb)
    highest = max(table[a, TOP] + sa, table[b, TOP] + sb)
    if highest - base > LIMIT_BITS - 2:
        return highest + 1
    span_a = (table[a, HI] - table[a, LO]) << (table[a, EXP] + sa - base)
    span_b = (table[b, HI] - table[b, LO]) << (table[b, EXP] + sb - base)
    return base + bit_length(span_a + span_b)


@njit()
def sum_level(table: Any, a: Int, b: Int, sa: Int, sb: Int) -> Int:
    """Return the adder level of a sum: a concatenation takes no time."""
    level = max(table[a, LEVEL], table[b, LEVEL])
    return level + 1 if overlap_of(table, a, b, sa, sb) > 0 else level


@njit()
def room_taken(table: Any, a: Int, b: Int, sa: Int, sb: Int) -> float:
    """Return what adding `a` and `b` takes from a column's room under the depth limit.

    A column with terms at levels d_k has an adder tree of depth D if and only if the sum of
    2**d_k is at most 2**D (Kraft). A concatenation gives room back.
    """
    after = 2.0 ** sum_level(table, a, b, sa, sb)
    return float(after - 2.0 ** table[a, LEVEL] - 2.0 ** table[b, LEVEL])


@njit()
def with_room(forms: Any, end: Int, extra: Int) -> Any:
    """Return the table of linear forms, regrown where `extra` rows do not fit behind `end`."""
    if end + extra <= forms.shape[0]:
        return forms
    grown = np.empty((2 * (end + extra), 2), np.int64)
    copy_rows(grown, forms, end)
    return grown


@njit()
def merge_forms(
    forms: Any, table: Any, a: Int, b: Int, sa: Int, sb: Int, na: Int, nb: Int, start: Int
) -> Int:
    """Write the linear form of the sum at `start` of `forms`; return its end (-1: too wide)."""
    i, end_i = table[a, START], table[a, START] + table[a, COUNT]
    j, end_j = table[b, START], table[b, START] + table[b, COUNT]
    end = start
    while i < end_i or j < end_j:
        leaf_i = forms[i, 0] if i < end_i else np.int64(1) << 60
        leaf_j = forms[j, 0] if j < end_j else np.int64(1) << 60
        value = np.int64(0)
        if leaf_i <= leaf_j:
            if bit_length(abs(forms[i, 1])) + sa > LIMIT_BITS - 1:
                return -1
            value += -(forms[i, 1] << sa) if na != 0 else forms[i, 1] << sa
            i += 1
        if leaf_j <= leaf_i:
            if bit_length(abs(forms[j, 1])) + sb > LIMIT_BITS - 1:
                return -1
            value += -(forms[j, 1] << sb) if nb != 0 else forms[j, 1] << sb
            j += 1
        if value != 0:
            forms[end, 0] = min(leaf_i, leaf_j)
            forms[end, 1] = value
            end += 1
    return end


@njit()
def set_range(forms: Any, table: Any, node: Int) -> bool:
    """Fill in range, grid and top bit of `node` from its linear form; False: too wide."""
    start, end = table[node, START], table[node, START] + table[node, COUNT]
    if start == end:
        table[node, LO] = table[node, HI] = table[node, EXP] = table[node, TOP] = 0
        return True
    grid = np.int64(1) << 40
    for k in range(start, end):
        value = forms[k, 1]
        grid = min(grid, table[forms[k, 0], EXP] + bit_length(value & -value) - 1)
    lo, hi, magnitude = np.int64(0), np.int64(0), 0.0
    for k in range(start, end):
        leaf, value = forms[k, 0], forms[k, 1]
        shift = table[leaf, EXP] - grid
        reach = float(max(abs(table[leaf, LO]), abs(table[leaf, HI])))
        magnitude += reach * abs(float(value)) * 2.0**shift
        if magnitude >= 2.0 ** (LIMIT_BITS - 1):
            return False
        # The scale is exact: where the shift is negative, `value` has that many trailing zeros.
        scaled = value << shift if shift >= 0 else value >> -shift
        if scaled > 0:
            lo += scaled * table[leaf, LO]
            hi += scaled * table[leaf, HI]
        else:
            lo += scaled * table[leaf, HI]
            hi += scaled * table[leaf, LO]
    table[node, LO], table[node, HI], table[node, EXP] = lo, hi, grid
    table[node, TOP] = grid + bit_length(hi - lo)
    return True


@njit()
def make_node(
    table: Any, forms: Any, nodes: Any, n_leaf: Int, node: Int, spec: Any, start: Int
) -> Int:
    """Write operand `node` from `spec` (a row of the node table); return the end of its form.

    -1: some value of it would not fit.
    """
    a, b, sa, sb, na, nb = spec[A], spec[B], spec[SHIFT_A], spec[SHIFT_B], spec[NEG_A], spec[NEG_B]
    end = merge_forms(forms, table, a, b, sa, sb, na, nb, start)
    if end < 0:
        return -1
    for k in range(NODE_COLUMNS):
        nodes[node - n_leaf, k] = spec[k]
    table[node, START], table[node, COUNT] = start, end - start
    table[node, LEVEL] = sum_level(table, a, b, sa, sb)
    return end if set_range(forms, table, node) else -1
