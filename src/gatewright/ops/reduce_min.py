"""Take the smallest element along axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import minimum
from gatewright.hw import Module
from gatewright.num import Intervals
from gatewright.ops.reduce import Reduction


@dataclass(frozen=True, eq=False)
class ReduceMin(Reduction):
    """Take the smallest element along `axes`."""

    def choose(self, rows: np.ndarray) -> np.ndarray:
        """Take the smallest along the last axis."""
        return np.asarray(rows.min(-1))

    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return the exact range."""
        return a.minimum(b)

    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build the circuit of two elements."""
        return minimum(m, a, b)
