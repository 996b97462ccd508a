"""Round numbers to few signed powers of two: what a shift-and-add circuit pays for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gatewright.blocks.cmvm.csd import count_digits
from gatewright.ir import Reals
from gatewright.num import Ints, dyadic

MOST_DIGITS = 7


def digits_of(values: Reals) -> Ints:
    """Return the number of non-zero canonical signed digits of dyadic numbers."""
    return count_digits(dyadic(values)[0])


def nearest_power(u: Reals) -> Reals:
    """Return the signed power of two nearest to each number, 0 for 0."""
    _, exponent = np.frexp(u * (2 / 3))
    # |u| in [0.75, 1.5) * 2**e is nearest to 2**e, and there |u| * 2/3 in [0.5, 1) * 2**e.
    return np.where(u == 0, 0.0, np.copysign(np.ldexp(1.0, exponent), u))


def cheapest(u: Reals, stiffness: Reals, price: Reals, finest: float = 0.0) -> Reals:
    """Return `v` that minimises `stiffness * (v - u)**2 + price * digits(v)`, greedily.

    Digits are taken from the most significant on, each the power of two nearest to what is left,
    which at least thirds the error. Digits below `finest` (0: none) are not used.

    Args:
        u: numbers to round.
        stiffness: cost of a squared error; broadcasts.
        price: cost of a digit; broadcasts.
        finest: the smallest power of two allowed.
    """
    best = np.zeros_like(u)
    value = np.zeros_like(u)
    least = stiffness * u * u
    for count in range(1, MOST_DIGITS + 1):
        digit = nearest_power(u - value)
        if finest:
            digit = np.where(np.abs(digit) >= finest, digit, 0.0)
        value = value + digit
        rest = u - value
        total = stiffness * rest * rest + price * count
        better = (total < least) & (digit != 0)
        if not better.any() and count > 2:
            break
        best = np.where(better, value, best)
        least = np.where(better, total, least)
    return best


def on_grid(
    u: Reals, frac: NDArray[np.int64] | int, low: Reals | float, high: Reals | float
) -> Reals:
    """Round to the grid `2**-frac` and clip to `low..high`, in units of the grid."""
    frac = np.asarray(frac, np.int32)
    q = np.clip(np.floor(np.ldexp(u, frac) + 0.5), low, high)
    return np.asarray(np.ldexp(q, -frac), np.float64)
