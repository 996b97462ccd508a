"""Put a code word in the place of what is missing: done by the host, for forests to recognise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.hw import Module
from gatewright.ir import Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.elementwise import Unary


@dataclass(frozen=True, eq=False)
class FillMissing(Unary):
    """Replace NaN by `codes`, which broadcast against the sample; NaN there keeps it.

    Integers stand for numbers, so that nothing is left to do in a circuit.
    """

    codes: Reals
    growth = "keeps"

    def real(self, *x: Reals) -> Reals:
        """Replace what is not a number."""
        return np.where(np.isnan(x[0]), self.codes, x[0])

    def infer(self, *x: Intervals) -> Intervals:
        """Return the operand's type."""
        return x[0]

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Return the operand."""
        return x[0]

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Return the operand."""
        return a

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count nothing."""
        return 0.0

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the operand's bound."""
        return es[0]
