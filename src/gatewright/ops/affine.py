"""Scale and offset each element by constants: what a batch normalisation is at inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import multiply_constant
from gatewright.blocks.cmvm.csd import count_digits
from gatewright.blocks.phased import phased_affine
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Pull, Reals
from gatewright.num import FixedArray, Intervals, dyadic
from gatewright.ops.derivative import weighted
from gatewright.ops.elementwise import Unary, pick

FEW = 3
"""Parts up to which a product with each one's constants is cheaper than one with any."""


@dataclass(frozen=True, eq=False)
class Affine(Unary):
    """Return `x * scale + offset`; both broadcast against the sample."""

    scale: Reals
    offset: Reals
    growth = "narrows"
    constants = ("scale", "offset")

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

    def lower_phases(
        self, module: Module, *x: Bus, phase: int, parts: Sequence[Op]
    ) -> list[int] | None:
        """Multiply by scales that are looked up, unless there are few."""
        if len(parts) <= FEW:
            return None
        found = []
        for i, a in enumerate(x[0].flat):
            scale, offset = (
                dyadic(np.asarray([pick(getattr(p, name), (i,)) for p in parts]))
                for name in ("scale", "offset")
            )
            found.append(phased_affine(module, a, phase, scale, offset))
        return found

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count an adder for each digit of the scale."""
        digits = count_digits(dyadic(np.broadcast_to(self.scale, y.shape))[0])
        return float((np.maximum(digits, 1) * y.width).sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the operand's bound times the scale, and 8 roundings.

        Scales of a normalisation come from a sum, a root, a quotient and a product in float32.
        """
        sizes = np.abs(xs[0] * self.scale) + 2 * np.abs(self.offset)
        return np.asarray(es[0] * np.abs(self.scale) + 8 * u * sizes)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Multiply the gradient by the scale."""
        return weighted([np.asarray(self.scale)], xs)
