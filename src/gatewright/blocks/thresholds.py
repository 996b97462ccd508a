"""Count the thresholds that a number reaches: by multiply and shift, by table, or by comparison."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from gatewright.blocks.arith import multiply_constant, signed_digits, signed_sum
from gatewright.blocks.lookup import lookup
from gatewright.hw import Module
from gatewright.num import Fixed, Ints

MAX_TABLE_BITS = 8
"""Widest index that is looked up rather than compared: four LUT6 a bit."""


def threshold_code(
    m: Module, a: int, thresholds: Ints, frac: int, *, first: int, step: int, falling: bool
) -> int:
    """Return `first + step * count`, the count of thresholds t with `a >= t` (falling: `-a >= t`).

    Thresholds are integers in units of `2**-frac`, the grid of `a` or a finer one.
    """
    lo, hi, point = m.range(a)
    lo, hi = lo << (frac - point), hi << (frac - point)
    if falling:
        lo, hi = -hi, -lo
    reachable = thresholds[(thresholds > lo) & (thresholds <= hi)]
    base = int((thresholds <= lo).sum())
    if not len(reachable):
        return m.constant(first + step * base)
    count = _count(m, a, reachable, frac, falling)
    scaled = multiply_constant(m, count, step)
    return m.add(scaled, m.constant(first + step * base))


def _count(m: Module, a: int, thresholds: Ints, frac: int, falling: bool) -> int:
    """Choose the cheapest of the three circuits."""
    compare_cost = len(thresholds) * m.width(a) / 2 + len(thresholds)
    if len(thresholds) > 3 and not falling:
        affine = multiply_shift(thresholds, *_range(m, a, frac))
        if affine is not None:
            multiplier, _, _ = affine
            if len(signed_digits(multiplier)) * m.width(a) < compare_cost:
                return _multiply_shift(m, a, affine, frac, len(thresholds))
    if m.width(a) <= MAX_TABLE_BITS:
        sign = -1 if falling else 1
        up = frac - m.frac[a]

        def count(q: Ints) -> Ints:
            return np.searchsorted(thresholds, sign * (q << up), side="right").astype(np.int64)

        return lookup(m, a, count, 0, "thresholds")
    reached = [_reaches(m, a, int(t), frac, falling) for t in thresholds]
    return signed_sum_of_bits(m, reached)


def _range(m: Module, a: int, frac: int) -> tuple[int, int]:
    """Return the range of a signal in units of `2**-frac`."""
    lo, hi, point = m.range(a)
    return lo << (frac - point), hi << (frac - point)


def _reaches(m: Module, a: int, threshold: int, frac: int, falling: bool) -> int:
    """Return 1 where a >= threshold (falling: -a >= threshold)."""
    if falling:
        return m.not_(m.less(m.constant(-threshold, frac), a))
    return m.not_(m.less(a, m.constant(threshold, frac)))


def signed_sum_of_bits(m: Module, bits: list[int]) -> int:
    """Return how many of some monotone bits are set."""
    return signed_sum(m, bits)


def multiply_shift(thresholds: Ints, lo: int, hi: int) -> tuple[int, int, int] | None:
    """Find (m, b, s) with `clip((m * q + b) >> s, 0, n) == count(q)` for every q in lo..hi.

    The count is a staircase, and so is the candidate (m > 0); two rising staircases agree on a
    range of integers where they agree just below and at every step. So the proof looks at two
    points a threshold, and at both ends of the range.
    """
    n = len(thresholds)
    first, last = int(thresholds[0]), int(thresholds[-1])
    if last == first:
        return None
    points = np.unique(np.concatenate([thresholds, thresholds - 1, [lo, hi]]))
    points = points[(points >= lo) & (points <= hi)]
    wanted = np.searchsorted(thresholds, points, side="right")
    slope = Fraction(n - 1, last - first)
    for shift in range(2, 25):
        for multiplier in {int(slope * 2**shift), int(slope * 2**shift) + 1}:
            if multiplier < 1:
                continue
            offset = _offset(thresholds, multiplier, shift)
            if offset is None:
                continue
            got = [min(max((multiplier * int(p) + offset) >> shift, 0), n) for p in points]
            if got == wanted.tolist():
                return multiplier, offset, shift
    return None


def _offset(thresholds: Ints, multiplier: int, shift: int) -> int | None:
    """Return an offset that puts every step in its place, or None where none does.

    Step k (from 1) must hold `m * t_k + b >= k << s` and `m * (t_k - 1) + b < k << s`.
    """
    lowest = max((k << shift) - multiplier * int(t) for k, t in enumerate(thresholds, 1))
    highest = min((k << shift) - multiplier * (int(t) - 1) for k, t in enumerate(thresholds, 1))
    if lowest >= highest:
        return None
    # The offset with the most trailing zeros in the allowed window makes the shortest adder.
    for zeros in range(40, -1, -1):
        candidate = -((-lowest) >> zeros) << zeros
        if candidate < highest:
            return candidate
    return None


def _multiply_shift(m: Module, a: int, affine: tuple[int, int, int], frac: int, n: int) -> int:
    """Build the proven affine staircase."""
    multiplier, offset, shift = affine
    scaled = multiply_constant(m, a, multiplier, -frac)
    summed = m.shift(m.add(scaled, m.constant(offset)), -shift)
    floor = m.floor(summed, 0)
    lo, hi, _ = m.range(floor)
    if lo < 0:
        floor = m.select(m.less(floor, m.constant(0)), m.constant(0), floor, within=(0, max(hi, 0)))
    if hi > n:
        floor = m.select(m.less(m.constant(n), floor), m.constant(n), floor, within=(0, n))
    assert m.fixed(floor).width <= Fixed.holding(0, n, 0).width
    return floor
