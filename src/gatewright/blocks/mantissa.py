"""Floating-point views of fixed-point numbers: find the leading one, shift by a signal."""

from __future__ import annotations

import math
from typing import NamedTuple

from gatewright.hw import Module
from gatewright.num import Fixed


class Normalised(NamedTuple):
    """A number brought to the top of its range.

    Attributes:
        signal: `value * 4**shift`, in `[4**(top - 1), 4**top)` unless it is zero.
        top: see there.
        bits: of the shift, lowest first.
    """

    signal: int
    top: int
    bits: list[int]


def exponent4(q: int, frac: int) -> int:
    """Return the k with `4**k <= q * 2**-frac < 4**(k + 1)`, q > 0."""
    return (q.bit_length() - 1 - frac) // 2


def normalise(m: Module, a: int, keep: int) -> Normalised:
    """Shift a number that is not negative left by whole pairs of bits until its top pair is not 0.

    A search in halves: each stage asks whether the upper half of what is left is zero. What the
    last stage would have below its `keep` highest bits is dropped, as early as no stage needs it.

    Args:
        m: where to build.
        a: not negative, not the constant zero.
        keep: bits of the result that matter.
    """
    lo, hi, frac = m.range(a)
    top = exponent4(hi, frac) + 1
    farthest = top - 1 - (exponent4(max(lo, 1), frac))
    stages = max(farthest, 0).bit_length()
    grid = keep - 2 * top
    bits: list[int] = []
    for j in reversed(range(stages)):
        step = 1 << j
        a = m.floor(a, grid + 2 * (2 * step - 1))
        small = m.less(a, m.constant(1, -2 * (top - step)))
        # Where it is shifted, nothing stands in the upper half: its wires are not needed.
        low = m.wrap(a, Fixed(False, max(2 * (top - step) + m.frac[a], 0), m.frac[a]))
        moved = m.shift(low, 2 * step)
        point = max(m.frac[a], m.frac[moved])
        within = (0, max((1 << max(2 * top + point, 0)) - 1, 0))
        a = m.select(small, moved, a, within=within)
        bits.insert(0, small)
    return Normalised(m.floor(a, grid), top, bits)


def shift_left(m: Module, a: int, bits: list[int], grid: int, most: float) -> int:
    """Return `a * 2**shift` floored to `2**-grid`, or exactly where that is not finer.

    Args:
        m: where to build.
        a: what is shifted.
        bits: of the shift, lowest first.
        grid: of the result.
        most: a bound on the size of `a` shifted by any part of `bits`, which the caller proves.
    """
    for j in reversed(range(len(bits))):
        a = m.floor(a, grid + (2 << j) - 1)
        dropped = 2.0 ** -(grid + (1 << j) - 1)  # a floor may have been so far below by now
        moved = m.shift(_low_bits(m, a, (most + dropped) * 2.0 ** -(1 << j)), 1 << j)
        point = max(m.frac[a], m.frac[moved])
        within = (-math.ceil((most + dropped) * 2.0**point), math.floor(most * 2.0**point))
        a = m.select(bits[j], moved, a, within=within)
    return m.floor(a, grid)


def _low_bits(m: Module, a: int, most: float) -> int:
    """Return the bits of `a` that hold it where its size is at most `most`."""
    bound = math.ceil(most * 2.0 ** m.frac[a]) + 1
    signed = m.lo[a] < 0
    return m.wrap(a, Fixed(signed, bound.bit_length() + signed, m.frac[a]))
