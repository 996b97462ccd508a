"""Divide by whole numbers that are known: the last step of an average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.hw import Module
from gatewright.ir import Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops.elementwise import Unary, pick


@dataclass(frozen=True, eq=False)
class DivideConstant(Unary):
    """Return `x / divisor`, the exact quotient.

    A product with the nearest float to 1 / 3 is not that: of 3 it gives a little less than 1, and
    a quantizer behind takes another step. A quotient that is no binary fraction exists as integers
    only together with the quantizer behind it: `streamline` turns the two into thresholds.

    Attributes:
        divisor: int64, from 1, broadcasts against the sample.
    """

    divisor: Ints
    growth = "keeps"

    @classmethod
    def of(cls, divisor: object) -> DivideConstant:
        """Build from anything that NumPy takes for integers; one number where all are equal.

        Raises:
            ModelError: a divisor is below 1.
        """
        array = np.asarray(divisor, np.int64)
        if array.size == 0 or array.min() < 1:
            raise ModelError(
                "a divisor is no positive number", found=array, supported="whole numbers from 1"
            )
        return cls(array.reshape(-1)[:1] if (array == array.flat[0]).all() else array)

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls."""
        return True

    @property
    def is_shift(self) -> bool:
        """Whether every divisor is a power of two."""
        return bool((self.divisor & (self.divisor - 1) == 0).all())

    def _exponents(self, shape: tuple[int, ...]) -> Ints:
        """Return by how many places the point moves."""
        if not self.is_shift:
            raise UnsupportedError(
                "an average over a number of elements that is no power of two is not quantized",
                found=f"a division by {int(self.divisor.max())}",
                supported="a quantizer behind the average, or windows of 2, 4, 8, ... elements",
                remedy="quantize the average in the model, directly behind it",
            )
        exponents = np.frexp(self.divisor.astype(np.float64))[1] - 1
        return np.broadcast_to(exponents, shape).astype(np.int64)

    def real(self, *x: Reals) -> Reals:
        """Divide real numbers."""
        return np.asarray(x[0] / self.divisor)

    def infer(self, *x: Intervals) -> Intervals:
        """Move the binary point."""
        kind = x[0]
        return Intervals.of(kind.lo, kind.hi, kind.frac + self._exponents(kind.shape))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Move the binary point."""
        return FixedArray(x[0].q, x[0].frac + self._exponents(x[0].q.shape[1:]))

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Move the binary point: wiring."""
        return m.shift(a, 1 - int(np.frexp(pick(self.divisor, index))[1]))

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Return none: a shift is wiring."""
        return 0.0

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the operand's bound, divided, and two roundings (some multiply by 1 / n)."""
        return np.asarray(es[0] / self.divisor + 2 * u * np.abs(y))
