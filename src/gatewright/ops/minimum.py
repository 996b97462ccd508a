"""Return the smaller of two elements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import minimum
from gatewright.hw import Module
from gatewright.ir import Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.elementwise import Binary


@dataclass(frozen=True, eq=False)
class Minimum(Binary):
    """Return the smaller of two elements."""

    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return the exact range."""
        return a.minimum(b)

    def join_real(self, a: Reals, b: Reals) -> Reals:
        """Compute on real numbers."""
        return np.asarray(np.minimum(a, b))

    def join(self, a: FixedArray, b: FixedArray) -> FixedArray:
        """Compute on integers."""
        frac = np.maximum(a.frac, b.frac)
        return FixedArray(np.minimum(a.aligned(frac), b.aligned(frac)), frac)

    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build the circuit of one element."""
        return minimum(m, a, b)
