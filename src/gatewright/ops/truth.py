"""What operations on truth values and on positions ask of their operands."""

from __future__ import annotations

import numpy as np

from gatewright.base import ModelError
from gatewright.num import Intervals

FAR = 1 << 40
"""Beyond every position."""


def require_truth(kind: Intervals, what: str) -> None:
    """Refuse a tensor that can hold anything but 0 and 1.

    Raises:
        ModelError: it can.
    """
    zero = (kind.lo == 0) & (kind.hi == 0)
    if not (zero | (kind.lo >= 0) & (kind.hi <= 1) & (kind.frac == 0)).all():
        raise ModelError(
            f"{what} is no truth value",
            found=described(kind),
            supported="0 and 1, as comparisons and logic give them",
            remedy="compare the tensor with a number first",
        )


def require_positions(kind: Intervals, low: int, high: int, what: str) -> Intervals:
    """Return the type of positions as integers, each from `low` to `high`.

    Raises:
        ModelError: the type allows another number.
    """
    whole = (kind.frac <= 0) | (kind.lo == 0) & (kind.hi == 0)
    if whole.all():
        lo, hi = kind.aligned(np.maximum(kind.frac, 0))
        if (lo >= low).all() and (hi <= high).all():
            return Intervals.of(lo, hi, 0)
    raise ModelError(
        f"{what} can be a number that is no position",
        found=described(kind),
        supported=f"integers from {low} to {high}",
        remedy="give the input that it comes from a format without fraction bits, and limit it "
        f"(clip) to {low} and {high}",
    )


def described(kind: Intervals) -> str:
    """Say from where to where the numbers of a type go, and on which grid."""
    low = float(kind.low_value.min(initial=np.inf))
    high = float(kind.high_value.max(initial=-np.inf))
    live = kind.frac[(kind.lo != 0) | (kind.hi != 0)]
    step = 2.0 ** -int(live.max(initial=0)) if live.size else 1.0
    return f"numbers from {low:g} to {high:g} in steps of {step:g}"
