"""Give a tensor that never changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, dyadic
from gatewright.ops.derivative import nothing


@dataclass(frozen=True, eq=False)
class Constant(Op):
    """Give `values`, float64 of the sample's shape.

    It reads one value, of which it takes nothing but the number of samples (and, in a circuit,
    `valid`).
    """

    values: Reals
    wiring = True
    growth = "grows"
    constants = ("values",)

    def real(self, *x: Reals) -> Reals:
        """Repeat the values for each sample."""
        return np.broadcast_to(self.values, (len(x[0]), *self.values.shape)).copy()

    def infer(self, *x: Intervals) -> Intervals:
        """Return the points, each on the coarsest grid that holds it."""
        return Intervals.constant(self.values)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Repeat the integers for each sample."""
        q, frac = dyadic(self.values)
        return FixedArray(np.broadcast_to(q, (len(x[0].q), *q.shape)).copy(), frac)

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Return constant signals."""
        q, frac = dyadic(self.values)
        pairs = zip(q.ravel().tolist(), frac.ravel().tolist(), strict=True)
        return x[0].with_signals([module.constant(*pair) for pair in pairs], self.values.shape)

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return one rounding."""
        return u * np.abs(y)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Return nothing: the operand only counts samples."""
        return nothing(xs)
