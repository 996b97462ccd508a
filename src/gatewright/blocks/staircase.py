"""Find a multiplication, an addition and a shift that give a staircase of thresholds exactly.

Three forms, the plain one first. `code = (multiplier * q + offset) >> shift` alone rounds ties in
one direction. Where ties go to the even code, an odd code that is less than `window` above its
step loses its lowest bit. Where ties go by the sign of q, each sign has its own offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.blocks.arith import signed_digits
from gatewright.num import Ints

MAX_SHIFT = 56
MAX_BITS = 60
"""Largest product, in bits: what a signal holds."""
MAX_PAIRED = 512
FINER = 4
"""Shifts that are tried beyond the first that fits: a finer slope can have fewer digits."""


@dataclass(frozen=True)
class Staircase:
    """`clip(code(q), first, first + n)` is `first` and one more for each threshold that q reaches.

    Attributes:
        multiplier: of q.
        offset: added to the product.
        shift: bits that are dropped.
        window: 0, or a power of two: odd codes whose dropped bits are below it become even.
        below: the offset for negative q; None: the same.
    """

    multiplier: int
    offset: int
    shift: int
    window: int = 0
    below: int | None = None

    def code(self, q: Ints) -> Ints:
        """Return codes, not yet limited."""
        offset = self.offset if self.below is None else np.where(q < 0, self.below, self.offset)
        product = self.multiplier * q + offset
        code = product >> self.shift
        tie = (product & ((1 << self.shift) - 1)) < self.window
        return np.asarray(np.where(tie, code & ~1, code), np.int64)


def affine_staircase(thresholds: Ints, lo: int, hi: int, first: int = 0) -> Staircase | None:
    """Return a staircase equal to the count for every q in lo..hi, or None where none is found.

    With slope s and start b, step k stands at its place t_k where `s * t_k + b >= k` and
    `s * (t_k - 1) + b < k`. Taken two by two, these bound the slope from both sides; in between, a
    dyadic slope with few signed digits is looked for, and its offset is proven at every step.
    Staircases that rise at the same places are equal, so the proof holds for every q.

    Args:
        thresholds: rising, all of them above `lo` and at most `hi`.
        lo: smallest number.
        hi: largest number.
        first: the code below all thresholds.
    """
    if thresholds[0] == thresholds[-1]:
        return None
    codes = first + np.arange(1, len(thresholds) + 1, dtype=np.int64)
    bound = max(abs(lo), abs(hi), 1)
    for form in (_Plain, _EvenTies, _SignedTies):
        found = _search(form(thresholds, codes), bound)
        if found is not None:
            return found
    return None


@dataclass(frozen=True, eq=False)
class _Plain:
    """One offset for all steps.

    Attributes:
        thresholds, codes: of the steps; code k is reached at threshold k.
    """

    thresholds: Ints
    codes: Ints

    @property
    def groups(self) -> NDArray[np.bool_]:
        """Return steps that are alike: their places bound the slope."""
        return np.zeros(len(self.codes), np.bool_)

    def fit(self, multiplier: int, shift: int) -> Staircase | None:
        """Return the staircase with a slope that puts every step in its place."""
        need = _needs(self, multiplier, shift)
        offset = _round_number(int(need.max()), int(need.min()) + multiplier)
        return None if offset is None else Staircase(multiplier, offset, shift)


class _EvenTies(_Plain):
    """Odd codes begin a window later than their step."""

    @property
    def groups(self) -> NDArray[np.bool_]:
        return np.asarray(self.codes % 2 != 0)

    def fit(self, multiplier: int, shift: int) -> Staircase | None:
        need, odd = _needs(self, multiplier, shift), self.groups
        for bits in (multiplier.bit_length() - 1, multiplier.bit_length() - 2):
            if not 0 <= bits < shift:
                continue
            moved = need + np.where(odd, 1 << bits, 0)
            offset = _round_number(int(moved.max()), int(moved.min()) + multiplier)
            if offset is not None:
                return Staircase(multiplier, offset, shift, 1 << bits)
        return None


class _SignedTies(_Plain):
    """Numbers from 0 on have another offset than those below."""

    @property
    def groups(self) -> NDArray[np.bool_]:
        return np.asarray(self.thresholds > 0)

    def fit(self, multiplier: int, shift: int) -> Staircase | None:
        need, above = _needs(self, multiplier, shift), self.groups
        if above.all() or not above.any():
            return None
        wanted = self.codes.astype(object) << shift
        # At 0 the steps below have been taken, at -1 none above has.
        lowest = max(int(need[above].max()), int(wanted[~above][-1]))
        upper = _round_number(lowest, int(need[above].min()) + multiplier)
        early = need[~above][self.thresholds[~above] < 0]
        least = [int(early.max())] if len(early) else []
        limit = min(int(need[~above].min()) + multiplier, int(wanted[above][0]) + multiplier)
        lower = _round_number(max([*least, limit - multiplier]), limit)
        if upper is None or lower is None:
            return None
        return Staircase(multiplier, upper, shift, below=lower)


def _needs(steps: _Plain, multiplier: int, shift: int) -> Any:
    """Return for each step the least offset that reaches it at its place.

    The offset must also be below that plus the multiplier, or the step comes too early.
    """
    large = int(abs(steps.thresholds).max()).bit_length() + multiplier.bit_length()
    wide = max(large, int(abs(steps.codes).max()).bit_length() + shift) >= MAX_BITS
    thresholds, codes = (
        v.astype(object) if wide else v for v in (steps.thresholds, steps.codes)
    )  # fmt: skip
    return (codes << shift) - multiplier * thresholds


def _search(steps: _Plain, bound: int) -> Staircase | None:
    """Return the staircase of one form with the fewest digits among those found first."""
    low, high = _slopes(steps)
    if not low < high:
        return None
    few = _some(steps)
    best: tuple[int, Staircase] | None = None
    limit, shift = MAX_SHIFT, 0
    while shift <= limit and high * 2.0**shift * bound < 2.0**MAX_BITS:
        for multiplier in _candidates(low * 2.0**shift, high * 2.0**shift):
            cost = len(signed_digits(multiplier))
            if best is not None and cost >= best[0]:
                continue
            if few is not None and few.fit(multiplier, shift) is None:
                continue
            found = steps.fit(multiplier, shift)
            if found is not None:
                best = cost, found
                limit = min(limit, shift + FINER)
        shift += 1
    return None if best is None else best[1]


def _some(steps: _Plain) -> _Plain | None:
    """Return a part of many steps, which refuses most slopes early."""
    if len(steps.codes) <= MAX_PAIRED:
        return None
    chosen = _spread(len(steps.codes))
    return type(steps)(steps.thresholds[chosen], steps.codes[chosen])


def _spread(n: int) -> Ints:
    """Return the places of some of n steps, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, MAX_PAIRED).round().astype(np.int64))


def _slopes(steps: _Plain) -> tuple[float, float]:
    """Return bounds of the slope; of many thresholds a part is looked at, which bounds less."""
    chosen = _spread(len(steps.codes))
    t, k, groups = steps.thresholds[chosen], steps.codes[chosen], steps.groups[chosen]
    run = (t[None, :] - 1 - t[:, None]).astype(np.float64)  # t_j - 1 - t_k, row k, column j
    rise = (k[None, :] - k[:, None]).astype(np.float64)
    alike = groups[None, :] == groups[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = rise / run
    low = float(np.max(slope, initial=0.0, where=(run < 0) & alike))
    high = float(np.min(slope, initial=np.inf, where=(run > 0) & alike))
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


def _round_number(lowest: int, limit: int) -> int | None:
    """Return a number from `lowest` on and below `limit`, or None where there is none.

    The one with the most trailing zeros makes the shortest adder.
    """
    if lowest >= limit:
        return None
    return next(_multiples(lowest, limit), lowest)


def _multiples(lowest: int, limit: int) -> Iterator[int]:
    for zeros in range(MAX_BITS + 2, -1, -1):
        candidate = -((-lowest) >> zeros) << zeros
        if candidate < limit:
            yield candidate
