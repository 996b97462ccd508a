"""Quantize to integers times a scale that need be no power of two: QONNX `Quant`, ONNX QDQ.

The firmware never computes this operation: the pass `streamline` turns it, with what stands before
it, into an integer `Requantize`. Its real meaning is what a replay of the source computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from gatewright.base import UnsupportedError
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Rounding
from gatewright.ops.quantize import round_real, step_bound, straight_through


class Quotient(Enum):
    """How a source computes `x / scale`, before it is rounded to an integer."""

    EXACT = "exact"
    """Without rounding."""
    DIVIDED = "divided in float32"
    """The number, the quotient and its sum with a zero point are rounded to float32 each (ONNX,
    QONNX, Brevitas)."""
    RECIPROCAL = "multiplied by the reciprocal in float32"
    """The number, `1 / scale` and their product are rounded to float32 each (PyTorch)."""


def quotients(x: Reals, scale: Reals, zero_point: ArrayLike, quotient: Quotient) -> Reals:
    """Return `x / scale + zero_point` of real numbers, as a source computes it."""
    if quotient is Quotient.EXACT:
        return np.asarray(x / scale + np.asarray(zero_point, np.float64), np.float64)
    with np.errstate(over="ignore"):  # what passes float32 is infinite, and clipped
        single, divisor = np.asarray(x, np.float32), np.asarray(scale, np.float32)
        if quotient is Quotient.DIVIDED:
            result = single / divisor
        else:
            result = single * (np.float32(1) / divisor)
        return np.asarray(result + np.asarray(zero_point, np.float32), np.float64)


@dataclass(frozen=True, eq=False)
class ScaledQuantize(Op):
    """Return `(code - zero_point) * scale`, where the code is `x / scale` rounded and clipped.

    Attributes:
        scale: positive, broadcasts against the sample.
        zero_point: integer, broadcasts against the sample.
        low, high: limits of the code.
        rounding: how `x / scale` becomes an integer.
        shift_after: True (ONNX QDQ): `clip(round(x / s) + zp)`. False (QONNX): the zero point is
            added first and the clip comes first, `round(clip(x / s + zp))`. With a fractional
            limit or zero point, or a tie, the two differ.
        bipolar: code is +1 where `x >= 0`, else -1; scale applies, limits do not.
        quotient: how the source computes `x / scale`. Ties often hang on it: 0.35 / 0.1 is 3.5 in
            float32 only.
        unit: the result is `code - zero_point`, without the scale (integers that an operator of
            ONNX computes on).
    """

    scale: Reals
    zero_point: Reals
    low: int
    high: int
    rounding: Rounding = Rounding.RND_CONV
    shift_after: bool = False
    bipolar: bool = False
    quotient: Quotient = Quotient.EXACT
    unit: bool = False
    growth = "fixes"

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls."""
        return True

    def codes(self, x: Reals) -> Reals:
        """Return the integer codes of real numbers, as floats."""
        if self.bipolar:
            return np.where(x / self.scale + self.zero_point >= 0, 1.0, -1.0)
        if self.shift_after:
            steps = round_real(quotients(x, self.scale, 0.0, self.quotient), self.rounding)
            return np.clip(steps + self.zero_point, self.low, self.high)
        shifted = quotients(x, self.scale, self.zero_point, self.quotient)
        return round_real(np.clip(shifted, self.low, self.high), self.rounding)

    def code_of(self, x: Fraction, scale: Fraction, zero_point: int) -> int:
        """Return the code of one exact number, for the exact quotient."""
        if self.bipolar:
            return 1 if x / scale + zero_point >= 0 else -1
        if self.shift_after:
            code = round_fraction(x / scale, self.rounding) + zero_point
            return min(max(code, self.low), self.high)
        limited = min(max(x / scale + zero_point, Fraction(self.low)), Fraction(self.high))
        return round_fraction(limited, self.rounding)

    @property
    def code_limits(self) -> tuple[int, int]:
        """Smallest and largest code."""
        return (-1, 1) if self.bipolar else (self.low, self.high)

    def real(self, *x: Reals) -> Reals:
        """Quantize and bring back to real numbers, as the source does."""
        if self.bipolar:
            return self.codes(x[0]) * self.step
        return (self.codes(x[0]) - self.zero_point) * self.step

    @property
    def step(self) -> Reals:
        """What the result grows by from code to code."""
        return np.asarray(1.0) if self.unit else np.asarray(self.scale)

    def infer(self, *x: Intervals) -> Intervals:
        """Refuse: the result has no fixed-point type."""
        raise UnsupportedError(
            "a quantizer whose scale is no power of two is left where integers are needed",
            found=f"scale {np.unique(self.scale)[:4]}",
            supported="a quantizer behind dense, bias, normalisation and monotone activations",
            remedy="quantize all that enters a product, and give operands of a sum one scale",
        )

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Refuse, as `infer` does."""
        raise AssertionError("infer refuses this operation")

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Refuse, as `infer` does."""
        raise AssertionError("infer refuses this operation")

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the step that the operand's bound reaches, and the rounding of code times scale.

        A source that is run in float64 does not have the ties of its float32 quotient.
        """
        exact = self.quotient is Quotient.EXACT
        e = es[0] + (0.0 if exact else np.abs(xs[0]) * 2.0**-22)
        return np.asarray(step_bound(self, xs[0], e, y) + u * np.abs(y))

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count none: it is gone before a circuit is built."""
        return 0.0

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Pass the gradient through but where it clips."""
        return straight_through(xs[0], y)


def round_fraction(x: Fraction, mode: Rounding) -> int:
    """Round an exact number to an integer."""
    floor = x.numerator // x.denominator
    rest = x - floor
    half = Fraction(1, 2)
    up = {
        Rounding.TRN: False,
        Rounding.TRN_ZERO: rest > 0 and x < 0,
        Rounding.CEIL: rest > 0,
        Rounding.AWAY: rest > 0 and x > 0,
        Rounding.RND: rest >= half,
        Rounding.RND_ZERO: rest > half or (rest == half and x < 0),
        Rounding.RND_INF: rest > half or (rest == half and x > 0),
        Rounding.RND_MIN_INF: rest > half,
        Rounding.RND_CONV: rest > half or (rest == half and floor % 2 == 1),
    }[mode]
    return floor + int(up)
