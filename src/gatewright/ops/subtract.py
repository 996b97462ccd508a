"""Subtract the second tensor from the first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.hw import Module
from gatewright.ir import Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.elementwise import Binary


@dataclass(frozen=True, eq=False)
class Subtract(Binary):
    """Subtract the second tensor from the first."""

    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return the exact range."""
        return a - b

    def join_real(self, a: Reals, b: Reals) -> Reals:
        """Compute on real numbers."""
        return np.asarray(a - b)

    def join(self, a: FixedArray, b: FixedArray) -> FixedArray:
        """Compute on integers."""
        return a - b

    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build the circuit of one element."""
        return m.sub(a, b)
