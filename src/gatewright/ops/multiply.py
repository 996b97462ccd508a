"""Multiply two tensors, element by element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import multiply
from gatewright.hw import Module
from gatewright.ir import Pull, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.derivative import weighted
from gatewright.ops.elementwise import Binary, pad_reals


@dataclass(frozen=True, eq=False)
class Multiply(Binary):
    """Multiply two tensors, element by element."""

    growth = "narrows"

    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return the exact range."""
        return a * b

    def join_real(self, a: Reals, b: Reals) -> Reals:
        """Compute on real numbers."""
        return np.asarray(a * b)

    def join(self, a: FixedArray, b: FixedArray) -> FixedArray:
        """Compute on integers."""
        return a * b

    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build the circuit of one element."""
        return multiply(m, a, b)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a full multiplier for each element."""
        shape = y.shape
        a, b = (np.broadcast_to(kind.width, shape).astype(np.float64) for kind in x)
        return float((a * b).sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return each operand's bound times the other operand, and one rounding."""
        rank = y.ndim - 1
        (a, b), (d, e) = ([pad_reals(v, rank) for v in part] for part in (xs, es))
        return np.asarray(np.abs(b) * d + np.abs(a) * e + d * e + u * np.abs(y))

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Multiply the gradient by the other operand."""
        a, b = (pad_reals(v, y.ndim - 1) for v in xs)
        return weighted([b, a], xs)
