"""Quantize to integers times a scale that need be no power of two: QONNX `Quant`, ONNX QDQ.

The firmware never computes this operation: the pass `streamline` turns it, with what stands before
it, into an integer `Requantize`. Its real meaning is what a replay of the source computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Rounding
from gatewright.ops.quantize import round_real, step_bound, straight_through


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
        inverse: what x is multiplied with in place of a division by the scale (PyTorch's way, with
            the reciprocal rounded to float32), broadcasts against the sample; None: the division.
        bipolar: code is +1 where `x >= 0`, else -1; scale applies, limits do not.
    """

    scale: Reals
    zero_point: Reals
    low: int
    high: int
    rounding: Rounding = Rounding.RND_CONV
    shift_after: bool = False
    bipolar: bool = False
    inverse: Reals | None = None
    growth = "fixes"

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls."""
        return True

    def _in_units(self, x: Reals) -> Reals:
        return x / self.scale if self.inverse is None else x * self.inverse

    def codes(self, x: Reals) -> Reals:
        """Return the integer codes of real numbers, as floats."""
        units = self._in_units(x)
        if self.bipolar:
            return np.where(units + self.zero_point >= 0, 1.0, -1.0)
        if self.shift_after:
            return np.clip(round_real(units, self.rounding) + self.zero_point, self.low, self.high)
        return round_real(np.clip(units + self.zero_point, self.low, self.high), self.rounding)

    def code_of(
        self, x: Fraction, scale: Fraction, zero_point: int, inverse: Fraction | None = None
    ) -> int:
        """Return the code of one exact number, in exact arithmetic."""
        units = x / scale if inverse is None else x * inverse
        if self.bipolar:
            return 1 if units + zero_point >= 0 else -1
        if self.shift_after:
            code = round_fraction(units, self.rounding) + zero_point
            return min(max(code, self.low), self.high)
        limited = min(max(units + zero_point, Fraction(self.low)), Fraction(self.high))
        return round_fraction(limited, self.rounding)

    @property
    def code_limits(self) -> tuple[int, int]:
        """Smallest and largest code."""
        return (-1, 1) if self.bipolar else (self.low, self.high)

    def real(self, *x: Reals) -> Reals:
        """Quantize and bring back to real numbers, as the source does."""
        if self.bipolar:
            return self.codes(x[0]) * self.scale
        return (self.codes(x[0]) - self.zero_point) * self.scale

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
        """Return the step that the operand's bound reaches, if any, and the product's rounding.

        A framework rounds `x / scale` as well, which may carry it over a threshold.
        """
        step = step_bound(self, xs[0], es[0] + 2 * u * np.abs(xs[0]), y)
        return np.asarray(step + 2 * u * np.abs(y))

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
