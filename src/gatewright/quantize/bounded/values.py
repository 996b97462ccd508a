"""What is known of a value, and how fine constants and operands need to be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gatewright.ir import Reals
from gatewright.num import dyadic
from gatewright.ops import Function
from gatewright.quantize.bounded import functions

GUARD = 3
"""Binary digits of a constant behind those that the result needs."""

FLOAT = 1e-12
"""What float64 may be off, of the reference or of a table, relative to the largest value."""

WIDEST_TABLE = 16
"""Bits that address a table at most."""

WIDEST_POLYNOMIAL = 24
"""Bits of the operand of a piecewise polynomial at most."""


@dataclass(frozen=True, eq=False)
class Value:
    """What is known of a value.

    Attributes:
        lo, hi: what the real model reaches, (elements,).
        error: largest distance of the firmware, (elements,).
        point: binary point.
    """

    lo: Reals
    hi: Reals
    error: Reals
    point: int

    @property
    def far(self) -> Reals:
        """Largest magnitude of the real value."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    @property
    def bound(self) -> Reals:
        """Largest distance of the firmware from the real model computed in float64."""
        return np.asarray(self.error + FLOAT * self.far, np.float64)

    @property
    def is_signed(self) -> bool:
        """Whether the firmware has negative numbers there."""
        return bool((self.lo - self.error < 0).any())

    @property
    def width(self) -> float:
        """Bits of the widest element in the firmware."""
        return float(bits(self.lo - self.error, self.hi + self.error, self.point).max())


def bits(lo: Reals, hi: Reals, point: int) -> Reals:
    """Return the bits of integers of `2**-point` that hold a range."""
    top = np.maximum(np.maximum(hi, -lo), 2.0**-60)
    whole = np.ceil(np.log2(np.minimum(top, 1e300)) + point + 1e-9)
    return np.asarray(np.maximum(whole, 0) + (lo < 0), np.float64)


def half(point: int) -> float:
    """Return what rounding to a binary point moves a number by at most."""
    return math.ldexp(1.0, -point - 1)


def coefficient_points(values: Reals, reach: Reals, point: int) -> np.ndarray:
    """Return binary points of constants, each off by little once multiplied by what reaches far."""
    count = max(int((values != 0).sum()), 1)
    finest = point + GUARD + np.ceil(np.log2(np.maximum(reach * count, 2.0**-60)))
    own = dyadic(values)[1]
    return np.asarray(np.minimum(own, finest), np.int64)


def on_points(values: Reals, points: np.ndarray | int) -> Reals:
    """Round constants to binary points."""
    shift = np.broadcast_to(np.asarray(points, np.int32), values.shape)
    return np.asarray(np.ldexp(np.rint(np.ldexp(values, shift)), -shift))


def address_point(op: Function, x: Value, point: int) -> int:
    """Return the binary point to which a function's operand is rounded: no bit that would not tell.

    Rounding it moves the result by half a unit at most.
    """
    lo, hi = float((x.lo - x.error).min()), float((x.hi + x.error).max())
    if not functions.inside(op.name, op.parameters, np.asarray(lo), np.asarray(hi)):
        lo, hi = float(x.lo.min()), float(x.hi.max())
    steepest = functions.slope(op.name, op.parameters, np.asarray(lo), np.asarray(hi))
    if not math.isfinite(steepest):  # as sqrt at 0, which halves the digits of an error
        return min(x.point, 2 * point + 2)
    return min(x.point, point + math.ceil(math.log2(max(steepest, 2.0**-40))))


def limits_of(op: Function, x: Value, point: int) -> tuple[float, float] | None:
    """Return the least and largest operand whose answers are stored; None where one has none.

    Others are given the answers of these: to go back to what the real model reaches, up to the next
    number of the grid, never adds to an error.
    """
    lo, hi = functions.clipped(op.name, op.parameters, x.lo.min(), x.hi.max())
    low = math.ldexp(math.floor(math.ldexp(float(lo), point)), -point)
    high = math.ldexp(math.ceil(math.ldexp(float(hi), point)), -point)
    there = functions.inside(op.name, op.parameters, np.asarray(low), np.asarray(high))
    return (low, high) if there.all() else None


def prefers_polynomial(width: float, out: float) -> bool:
    """Say whether a piecewise polynomial is likely cheaper than a table."""
    return width > WIDEST_TABLE or polynomial_luts(width, out) < table_luts(width, out)


def table_luts(width: float, out: float) -> float:
    """Estimate a table."""
    return float(0.6 * 2.0 ** max(width - 6, 0) * out)


def polynomial_luts(width: float, out: float) -> float:
    """Estimate a piecewise polynomial of some 32 segments."""
    return 0.9 * max(width - 5, 1) * out + 3 * out
