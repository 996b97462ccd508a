"""Return the sign of every element: binary or ternary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.hw import Module
from gatewright.ir import Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops.derivative import weighted
from gatewright.ops.elementwise import Unary
from gatewright.ops.jumps import slope_of


@dataclass(frozen=True, eq=False)
class Sign(Unary):
    """Return 1 for positive numbers, -1 for negative ones.

    Attributes:
        zero: the sign of 0: 0 (ternary, as `sign` of the frameworks) or 1 (binary).
    """

    zero: int = 0
    growth = "fixes"

    def __post_init__(self) -> None:
        if self.zero not in (0, 1):
            raise ModelError("the sign of 0 is not known", found=self.zero, supported="0 or 1")

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls."""
        return True

    def _signs(self, x: np.ndarray) -> Ints:
        return np.where(x == 0, self.zero, np.sign(x)).astype(np.int64)

    def real(self, *x: Reals) -> Reals:
        """Compute on real numbers."""
        return self._signs(x[0]).astype(np.float64)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the signs of both ends."""
        return Intervals.of(self._signs(x[0].lo), self._signs(x[0].hi), 0)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute on integers."""
        return FixedArray(self._signs(x[0].q), np.asarray(0))

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Choose by the sign bit, and by whether all bits are 0."""
        zero = m.constant(0)
        rest = m.constant(1)
        if self.zero == 0:
            rest = m.select(m.equal(a, zero), zero, rest)
        return m.select(m.less(a, zero), m.constant(-1), rest)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give the operand a slope in place of the jump; see `ops.jumps`."""
        return weighted([np.full(y.shape, 2 * slope_of(xs[0]))], xs)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a sixth of a LUT for each bit that is compared with 0."""
        return float(x[0].width.sum()) / 6 + y.size

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the whole step where the error reaches across 0."""
        return np.where((np.abs(xs[0]) <= es[0]) & (es[0] > 0), 2.0, 0.0)
