"""Scale and offset each element by constants: what a batch normalisation is at inference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import multiply_constant
from gatewright.hw import Module
from gatewright.ir import Reals
from gatewright.num import FixedArray, Intervals, dyadic
from gatewright.ops.elementwise import Unary, pick


@dataclass(frozen=True, eq=False)
class Affine(Unary):
    """Return `x * scale + offset`; both broadcast against the sample."""

    scale: Reals
    offset: Reals

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls where no scale is negative."""
        return bool((np.asarray(self.scale) >= 0).all())

    @classmethod
    def of_batch_normalization(
        cls, gamma: Reals, beta: Reals, mean: Reals, variance: Reals, epsilon: float
    ) -> Affine:
        """Return `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, constants in float64."""
        scale = np.asarray(gamma, np.float64) / np.sqrt(np.asarray(variance, np.float64) + epsilon)
        return cls(scale, np.asarray(beta, np.float64) - np.asarray(mean, np.float64) * scale)

    def real(self, *x: Reals) -> Reals:
        """Compute on real numbers."""
        return x[0] * self.scale + self.offset

    def infer(self, *x: Intervals) -> Intervals:
        """Return the exact range."""
        shape = x[0].shape
        scale = Intervals.constant(np.broadcast_to(self.scale, shape).astype(np.float64))
        offset = Intervals.constant(np.broadcast_to(self.offset, shape).astype(np.float64))
        return x[0] * scale + offset

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute on integers."""
        scale, offset = dyadic(self.scale), dyadic(self.offset)
        return x[0] * FixedArray(*scale) + FixedArray(*offset)

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Multiply by shifts and additions, then add."""
        scale, offset = (pick(constant, index) for constant in (self.scale, self.offset))
        q, frac = dyadic(scale)
        product = multiply_constant(m, a, int(q), int(frac))
        q, frac = dyadic(offset)
        return m.add(product, m.constant(int(q), int(frac)))
