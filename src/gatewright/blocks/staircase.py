"""Find a multiplication, an addition and a shift that give a staircase of thresholds exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import signed_digits
from gatewright.num import Ints

MAX_SHIFT = 40
MAX_PAIRED = 512


@dataclass(frozen=True)
class Staircase:
    """`clip((multiplier * q + offset) >> shift, 0, n)` counts the thresholds that q reaches."""

    multiplier: int
    offset: int
    shift: int


def affine_staircase(thresholds: Ints, lo: int, hi: int) -> Staircase | None:
    """Return a staircase equal to the count for every q in lo..hi, or None where there is none.

    With slope s and start b, step k (from 1) stands at its place t_k where `s * t_k + b >= k` and
    `s * (t_k - 1) + b < k`. Taken two by two, these bound the slope from both sides; in between, a
    dyadic slope with few signed digits is looked for, and its offset is proven at every step.
    Staircases that rise at the same places are equal, so the proof holds for every q.

    Args:
        thresholds: rising, all of them above `lo` and at most `hi`.
        lo: smallest number.
        hi: largest number.
    """
    low, high = _slopes(thresholds)
    if not low < high or thresholds[0] == thresholds[-1]:
        return None
    best: tuple[int, Staircase] | None = None
    limit = MAX_SHIFT
    bound = float(max(abs(lo), abs(hi), 1))
    shift = 0
    while shift <= limit and high * 2.0**shift * bound < 2.0**60:
        for multiplier in _candidates(low * 2.0**shift, high * 2.0**shift):
            offset = _offset(thresholds, multiplier, shift)
            if offset is None:
                continue
            cost = len(signed_digits(multiplier))
            if best is None or cost < best[0]:
                best = cost, Staircase(multiplier, offset, shift)
            # A finer slope can have fewer digits, but seldom far beyond the first that fits.
            limit = min(limit, shift + 4)
        shift += 1
    return None if best is None else best[1]


def _slopes(thresholds: Ints) -> tuple[float, float]:
    """Return bounds of the slope; of many thresholds a part is looked at, which bounds less."""
    n = len(thresholds)
    k = np.arange(1, n + 1)
    if n > MAX_PAIRED:
        k = np.unique(np.linspace(1, n, MAX_PAIRED).round().astype(np.int64))
    t = thresholds[k - 1]
    run = (t[None, :] - 1 - t[:, None]).astype(np.float64)  # t_j - 1 - t_k, row k, column j
    rise = (k[None, :] - k[:, None]).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = rise / run
    low = float(np.max(slope, initial=0.0, where=run < 0))
    high = float(np.min(slope, initial=np.inf, where=run > 0))
    # With two neighbours only nothing bounds the slope from above: one step a unit is steep enough.
    return low, min(high, 2.0 * max(low, 1.0) + 1)


def _candidates(low: float, high: float) -> list[int]:
    """Return some integers between two bounds, those with few signed digits first."""
    first, last = int(np.floor(low)), int(np.ceil(high))
    if last - first > 64:
        middle = (first + last) // 2
        zeros = max((last - first).bit_length() - 3, 0)
        coarse = range((first >> zeros) + 1, (last >> zeros) + 1)
        return [c << zeros for c in coarse if c > 0] + [middle]
    inside = [c for c in range(max(first, 1), last + 1) if c & 1]
    return sorted(inside, key=lambda c: len(signed_digits(c)))[:6]


def _offset(thresholds: Ints, multiplier: int, shift: int) -> int | None:
    """Return an offset that puts every step in its place, or None where none does.

    Step k must hold `m * t_k + b >= k << s` and `m * (t_k - 1) + b < k << s`.
    """
    wanted = np.arange(1, len(thresholds) + 1, dtype=np.int64) << shift
    need = wanted - multiplier * thresholds
    lowest, highest = int(need.max()), int(need.min()) + multiplier
    if lowest >= highest:
        return None
    # The offset with the most trailing zeros in the allowed window makes the shortest adder.
    for zeros in range(62, -1, -1):
        candidate = -((-lowest) >> zeros) << zeros
        if candidate < highest:
            return candidate
    return lowest
