"""Add two tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.hw import Module
from gatewright.ir import Pull, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.derivative import weighted
from gatewright.ops.elementwise import Binary, sum_bounds


@dataclass(frozen=True, eq=False)
class Add(Binary):
    """Add two tensors."""

    growth = "grows"

    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return the exact range."""
        return a + b

    def join_real(self, a: Reals, b: Reals) -> Reals:
        """Compute on real numbers."""
        return np.asarray(a + b)

    def join(self, a: FixedArray, b: FixedArray) -> FixedArray:
        """Compute on integers."""
        return a + b

    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build the circuit of one element."""
        return m.add(a, b)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count an adder for each bit."""
        return float(y.width.sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return both operands' bounds and one rounding."""
        return np.asarray(sum_bounds(es, y.ndim) + u * np.abs(y))

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Pass the gradient to both."""
        return weighted([np.asarray(1.0), np.asarray(1.0)], xs)
