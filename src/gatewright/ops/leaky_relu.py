"""Scale negative values by a slope: leaky ReLU and PReLU."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatewright.blocks.arith import multiply_constant
from gatewright.blocks.cmvm.csd import count_digits
from gatewright.hw import Module
from gatewright.ir import Pull, Reals
from gatewright.num import FixedArray, Intervals, dyadic
from gatewright.ops.derivative import weighted
from gatewright.ops.elementwise import Unary, pick


@dataclass(frozen=True, eq=False)
class LeakyRelu(Unary):
    """Return x where it is positive, else `slope * x`.

    `slope` is one number or, for a PReLU, an array that broadcasts against the sample.
    """

    slope: Reals = field(default_factory=lambda: np.asarray(0.0))
    growth = "grows"
    constants = ("slope",)

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls where no slope is negative."""
        return bool((np.asarray(self.slope) >= 0).all())

    def real(self, *x: Reals) -> Reals:
        """Compute on real numbers."""
        return np.where(x[0] > 0, x[0], x[0] * self.slope)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the union of both branches, exact where the slope is not negative."""
        kind = x[0]
        zero = Intervals.constant(np.zeros(kind.shape))
        slopes = Intervals.constant(np.broadcast_to(self.slope, kind.shape).astype(np.float64))
        negative, positive = kind.minimum(zero), kind.maximum(zero)
        scaled = negative * slopes
        only_negative, only_positive = kind.hi <= 0, kind.lo >= 0
        both = positive.union(scaled)
        parts = [np.broadcast_to(b.frac, kind.shape) for b in (both, kind, scaled)]
        frac = np.where(only_positive, parts[1], np.where(only_negative, parts[2], parts[0]))
        lo = np.where(only_positive, kind.lo, np.where(only_negative, scaled.lo, both.lo))
        hi = np.where(only_positive, kind.hi, np.where(only_negative, scaled.hi, both.hi))
        return Intervals.of(lo, hi, frac)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute on integers."""
        q, frac = dyadic(np.asarray(self.slope, np.float64))
        scaled = x[0] * FixedArray(q, frac)
        common = np.maximum(scaled.frac, x[0].frac)
        return FixedArray(
            np.where(x[0].q > 0, x[0].aligned(common), scaled.aligned(common)), common
        )

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Compare with zero and choose; a side that cannot occur costs nothing."""
        q, frac = dyadic(pick(self.slope, index))
        if m.lo[a] >= 0:
            return a
        scaled = multiply_constant(m, a, int(q), int(frac))
        if m.hi[a] <= 0:
            return scaled
        common = max(m.frac[a], m.frac[scaled])
        within = None
        if int(q) >= 0:
            low = m.lo[scaled] << (common - m.frac[scaled])
            within = (low, m.hi[a] << (common - m.frac[a]))
        return m.select(m.less(m.constant(0), a), a, scaled, within=within)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count an adder for each digit of the slope, and a choice."""
        digits = count_digits(dyadic(np.broadcast_to(self.slope, y.shape))[0])
        return float(((digits + 1) * y.width).sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the operand's bound times the steeper side, and the rounding of the product."""
        return np.asarray(es[0] * np.maximum(1, np.abs(self.slope)) + 2 * u * np.abs(y))

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Multiply the gradient by the slope where the operand is negative."""
        return weighted([np.where(xs[0] > 0, 1.0, self.slope)], xs)
