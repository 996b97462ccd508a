"""The rules of rounding and overflow written again, on exact fractions, from their descriptions."""

from __future__ import annotations

import math
from fractions import Fraction

from gatewright.num import Overflow, Rounding

HALF = Fraction(1, 2)


def nearest(x: Fraction, tie) -> int:
    """Round to nearest; `tie` chooses between the two neighbours of a tie."""
    below = math.floor(x)
    if x - below == HALF:
        return tie(below, below + 1)
    return math.floor(x + HALF)


def rounded(x: Fraction, mode: Rounding) -> int:
    """Round to an integer."""
    rules = {
        Rounding.TRN: math.floor,
        Rounding.TRN_ZERO: math.trunc,
        Rounding.CEIL: math.ceil,
        Rounding.AWAY: lambda v: math.ceil(v) if v > 0 else math.floor(v),
        Rounding.RND: lambda v: nearest(v, max),
        Rounding.RND_MIN_INF: lambda v: nearest(v, min),
        Rounding.RND_INF: lambda v: nearest(v, lambda p, q: max(p, q, key=abs)),
        Rounding.RND_ZERO: lambda v: nearest(v, lambda p, q: min(p, q, key=abs)),
        Rounding.RND_CONV: round,  # Python rounds a Fraction's ties to even
    }
    return rules[mode](x)


def ends(signed: bool, width: int, mode: Overflow) -> tuple[int, int]:
    """Return the least and greatest integer."""
    if width == 0:
        return 0, 0
    if not signed:
        return 0, 2**width - 1
    high = 2 ** (width - 1) - 1
    return (-high if mode is Overflow.SAT_SYM else -high - 1), high


def contained(q: int, signed: bool, width: int, mode: Overflow) -> int:
    """Bring an integer into a width."""
    low, high = ends(signed, width, mode)
    if mode is Overflow.WRAP:
        q &= 2**width - 1
        return q - 2**width if signed and q > high else q
    if low <= q <= high:
        return q
    if mode is Overflow.SAT_ZERO:
        return 0
    return low if q < low else high


def power(frac: int) -> Fraction:
    """Return 2**-frac."""
    return Fraction(2) ** -frac
