"""Take the largest element along axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import maximum
from gatewright.hw import Module
from gatewright.num import Intervals
from gatewright.ops.reduce import Reduction


@dataclass(frozen=True, eq=False)
class ReduceMax(Reduction):
    """Take the largest element along `axes`."""

    def choose(self, rows: np.ndarray) -> np.ndarray:
        """Take the largest along the last axis."""
        return np.asarray(rows.max(-1))

    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return the exact range."""
        return a.maximum(b)

    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build the circuit of two elements."""
        return maximum(m, a, b)
