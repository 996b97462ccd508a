"""Change of format: rounding by an added constant and a floor, overflow by limits or wiring."""

from __future__ import annotations

import numpy as np

from gatewright.blocks.arith import clip
from gatewright.hw import Module
from gatewright.num import Fixed, Overflow, Rounding, round_shift


def round_to(m: Module, a: int, frac: int, rounding: Rounding) -> int:
    """Return `a` rounded to the grid `2**-frac`.

    Every mode is a floor of `a` plus something below one unit of the new grid (`unit`), in steps
    of the old one (`step`); what is added depends on the sign or on the bit that stays lowest.
    """
    drop = m.frac[a] - frac
    if drop <= 0:
        return a
    low, high = round_shift(np.asarray([m.lo[a], m.hi[a]]), drop, rounding).tolist()
    if low == high:
        return m.constant(low, frac)  # rounding never falls: all between the ends do the same
    old = m.frac[a]
    half, step, unit = 1 << (drop - 1), 1, 1 << drop
    nearest_below = half - step  # a tie stays below the next integer

    def plus(addend: int) -> int:
        # The interval alone forgets that the addend depends on `a`.
        within = low << drop, (high << drop) + unit - step
        return m.floor(m.add(a, addend, within), frac)

    if rounding is Rounding.TRN:
        return m.floor(a, frac)
    if rounding is Rounding.RND:
        return plus(m.constant(half, old))
    if rounding is Rounding.RND_MIN_INF:
        return plus(m.constant(nearest_below, old))
    if rounding is Rounding.CEIL:
        return plus(m.constant(unit - step, old))
    if rounding is Rounding.RND_CONV:
        odd = m.slice(a, drop, 1) if m.width(a) > drop else m.less(a, m.constant(0))
        return plus(m.add(m.constant(nearest_below, old), m.shift(odd, -old)))
    negative = m.less(a, m.constant(0))
    below_zero, above_zero = {
        Rounding.TRN_ZERO: (unit - step, 0),
        Rounding.AWAY: (0, unit - step),
        Rounding.RND_INF: (nearest_below, half),
        Rounding.RND_ZERO: (half, nearest_below),
    }[rounding]
    return plus(m.select(negative, m.constant(below_zero, old), m.constant(above_zero, old)))


def overflow_to(m: Module, a: int, to: Fixed, mode: Overflow) -> int:
    """Return `a`, already on the grid of `to` or a coarser one, brought into its width."""
    symmetric = mode is Overflow.SAT_SYM and to.signed and to.width > 0
    low = -to.high if symmetric else to.low
    lo, hi, frac = m.range(a)
    up = to.frac - frac
    assert up >= 0, "round before overflow"
    if low <= lo << up and hi << up <= to.high:
        return a
    if mode is Overflow.WRAP:
        return m.wrap(a, to)
    if mode is Overflow.SAT_ZERO:
        bad = m.or_(m.less(a, m.constant(low, to.frac)), m.less(m.constant(to.high, to.frac), a))
        within = (min(max(lo << up, low), 0), max(min(hi << up, to.high), 0))
        return m.select(bad, m.constant(0), m.wrap(a, to), within=within)
    return clip(m, a, (low, to.frac), (to.high, to.frac))


def quantize(m: Module, a: int, to: Fixed, rounding: Rounding, mode: Overflow) -> int:
    """Return `a` in the format `to`."""
    rounded = round_to(m, a, to.frac, rounding)
    if m.lo[rounded] == m.hi[rounded] == 0:
        return rounded  # zero is on every grid and in every format
    return overflow_to(m, rounded, to, mode)
