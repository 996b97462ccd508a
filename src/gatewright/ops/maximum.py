"""Return the larger of two elements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import maximum
from gatewright.hw import Module
from gatewright.ir import Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.elementwise import Binary, sum_bounds


@dataclass(frozen=True, eq=False)
class Maximum(Binary):
    """Return the larger of two elements."""

    growth = "keeps"

    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return the exact range."""
        return a.maximum(b)

    def join_real(self, a: Reals, b: Reals) -> Reals:
        """Compute on real numbers."""
        return np.asarray(np.maximum(a, b))

    def join(self, a: FixedArray, b: FixedArray) -> FixedArray:
        """Compute on integers."""
        frac = np.maximum(a.frac, b.frac)
        return FixedArray(np.maximum(a.aligned(frac), b.aligned(frac)), frac)

    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build the circuit of one element."""
        return maximum(m, a, b)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a comparison and a choice for each bit."""
        return 2 * float(y.width.sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return both operands' bounds: a choice adds no error."""
        return sum_bounds(es, y.ndim)
