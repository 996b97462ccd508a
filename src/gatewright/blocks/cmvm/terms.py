"""The operands of a solution under construction: exact ranges, grids, levels, linear forms.

Every function here is compiled. An operand is an exact integer combination of the leaves (inputs
and constants), so its range is the sum of its leaves' ranges: tighter than interval arithmetic
node by node, which forgets that both sides of `8x - x` are the same `x`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba import njit

from gatewright.blocks.cmvm.layout import (
    CONST,
    COUNT,
    EXP,
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
def width_of(lo: Int, hi: Int) -> Int:
    """Return the bits that hold every integer of lo..hi, a sign bit included where needed."""
    if lo >= 0:
        return bit_length(hi)
    return max(bit_length(max(hi, 0)), bit_length(-lo - 1)) + 1


@njit()
def adder_bits(table: Any, a: Int, b: Int, sa: Int, sb: Int, na: Int, nb: Int, top: Int) -> Int:
    """Return the result bits that need a LUT when `±a << sa` and `±b << sb` are added.

    `top` is the first bit above the result. Bits of the operand with the finer grid that lie below
    the other's grid pass through for nothing, unless that operand is subtracted (then its low bits
    are negated, in the same carry chain). A non-negative operand that lies wholly below the
    other's grid needs no adder: the two are concatenated. The sign of a constant is free.
    """
    low_a, low_b = table[a, EXP] + sa, table[b, EXP] + sb
    top_a, top_b = table[a, TOP] + sa, table[b, TOP] + sb
    if low_b < low_a:
        a, b, na, nb = b, a, nb, na
        low_a, low_b, top_a, top_b = low_b, low_a, top_b, top_a
    if na != 0 and table[a, CONST] == 0 and low_a < low_b:
        return max(top - low_a, 0)
    if top_a <= low_b and nb == 0 and na == 0 and table[a, LO] >= 0:
        return 0
    return max(top - low_b, 0)


@njit()
def estimated_top(table: Any, a: Int, b: Int, sa: Int, sb: Int, na: Int, nb: Int) -> Int:
    """Return the first bit above `±a << sa ± b << sb`, as if `a` and `b` were independent."""
    base = min(table[a, EXP] + sa, table[b, EXP] + sb)
    highest = max(table[a, TOP] + sa, table[b, TOP] + sb)
    if highest - base > LIMIT_BITS - 2:
        return highest + 1
    up_a, up_b = table[a, EXP] + sa - base, table[b, EXP] + sb - base
    lo_a, hi_a = table[a, LO] << up_a, table[a, HI] << up_a
    lo_b, hi_b = table[b, LO] << up_b, table[b, HI] << up_b
    if na != 0:
        lo_a, hi_a = -hi_a, -lo_a
    if nb != 0:
        lo_b, hi_b = -hi_b, -lo_b
    return base + width_of(lo_a + lo_b, hi_a + hi_b)


@njit()
def level_gap(table: Any, a: Int, b: Int) -> float:
    """Return what adding `a` and `b` takes from a column's room under the depth limit.

    A column with terms at levels d_k has an adder tree of depth D if and only if the sum of
    2**d_k is at most 2**D (Kraft). A sum one level above its later operand adds the difference.
    """
    return abs(float(2.0 ** table[a, LEVEL] - 2.0 ** table[b, LEVEL]))


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
    table[node, TOP] = grid + width_of(lo, hi)
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
    table[node, LEVEL] = max(table[a, LEVEL], table[b, LEVEL]) + 1
    table[node, CONST] = 0
    return end if set_range(forms, table, node) else -1
