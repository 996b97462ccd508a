"""Products of two signals as rows of a multiplicand, added on carry chains.

Synthesis builds `a * b` without DSP blocks from a bit product for each pair of bits and compressors
of two LUTs a bit: with Yosys 2 LUTs for each pair. Here two bits of the multiplier, with the bit
below them, are a digit from -2 to 2 (Booth 1951, MacSorley 1961). A bit of a row, which is a digit
times the multiplicand, is a function of five bits: the LUT that adds it to the other row computes
it too, so that half of the rows take no LUT at all.
"""

from __future__ import annotations

import math

from gatewright.hw import Module, Range
from gatewright.num import MAX_WIDTH, Fixed

NARROWEST = 4
"""Bits of each operand from which on rows are cheaper than what synthesis makes of `a * b`."""

WIDEST = MAX_WIDTH - 4
"""Bits of both operands together up to which no sum of rows is wider than we compute with."""

ROW_BIT = 1.65
"""LUTs for each bit of a row, adders included, as Yosys counts them."""


def has_rows(m: Module, a: int, b: int) -> bool:
    """Say whether a product is better built of rows."""
    return _has_rows(m.width(a), m.width(b))


def _has_rows(a: int, b: int) -> bool:
    return min(a, b) >= NARROWEST and a + b <= WIDEST


def product_luts(a: tuple[int, bool], b: tuple[int, bool]) -> float:
    """Estimate the LUTs of a product, each operand given as (bits, whether it is signed)."""
    if not _has_rows(a[0], b[0]):
        return float(a[0] * b[0])
    return ROW_BIT * min(row_count(*a) * b[0], row_count(*b) * a[0])


def row_count(width: int, signed: bool) -> int:
    """Return the digits of a multiplier."""
    return math.ceil((width + (not signed)) / 2)


def booth_product(m: Module, a: int, b: int, within: Range) -> int:
    """Return a * b, of a known range; the operand whose rows cost less becomes the multiplier."""
    lo, hi, frac = within
    x, y = ((m.width(s), m.lo[s] < 0) for s in (a, b))
    if row_count(*x) * y[0] < row_count(*y) * x[0]:
        a, b = b, a
    total = _added(m, _rows(m, m.shift(a, m.frac[a]), b))
    return m.wrap(m.shift(total, -frac), Fixed.holding(lo, hi, frac))


def _rows(m: Module, a: int, b: int) -> list[int]:
    """Return numbers whose sum is a times the code of b.

    A row is the complement of a multiple where its digit is negative; the 1 that is missing then
    stands in the next row, which begins two places higher.
    """
    width, signed = m.width(b), m.lo[b] < 0
    zero = m.constant(0)

    def bit(at: int) -> int:
        if at < 0 or (at >= width and not signed):
            return zero
        return m.slice(b, min(at, width - 1), 1)

    rows, missing, below = [], zero, 0
    for at in range(0, 2 * row_count(width, signed), 2):
        high, middle, low = bit(at + 1), bit(at), bit(at - 1)
        one = m.xor(middle, low)
        two = m.and_(m.xor(high, middle), m.not_(one))
        row = m.select(two, m.shift(a, 1), m.select(one, a, zero))
        if not m.is_constant(high):
            row = m.xor(row, m.wrap(high, Fixed(True, 1, 0)))
        rows.append(m.add(m.shift(row, at), m.shift(missing, below)))
        missing, below = high, at
    return rows if m.is_constant(missing) else [*rows, m.shift(missing, below)]


def _added(m: Module, rows: list[int]) -> int:
    """Return the sum, neighbours first: what stands below an adder's other operand is wiring."""
    while len(rows) > 1:
        pairs = zip(rows[::2], rows[1::2], strict=False)
        rest = rows[-1:] if len(rows) % 2 else []
        rows = [m.add(x, y) for x, y in pairs] + rest
    return rows[0]
