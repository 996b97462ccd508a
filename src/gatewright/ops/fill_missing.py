"""Put a code word in the place of what is missing: done by the host, for forests to recognise."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatewright.hw import Module
from gatewright.ir import Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.elementwise import Unary


@dataclass(frozen=True, eq=False)
class FillMissing(Unary):
    """Replace NaN by `codes`, which broadcast against the sample; NaN there keeps it.

    Integers stand for numbers, so that nothing is left to do in a circuit. Where the input's format
    is known, a number that is there but would be rounded or clipped to the code goes to the one
    next to it.

    Attributes:
        codes: what stands for NaN.
        step: of the input's format; empty while that is not known.
        end: 1 where the code is the format's least number, -1 where it is its greatest, else 0.
    """

    codes: Reals
    step: Reals = field(default_factory=lambda: np.zeros(0))
    end: Reals = field(default_factory=lambda: np.zeros(0))
    growth = "keeps"

    def real(self, *x: Reals) -> Reals:
        """Replace what is not a number."""
        found = x[0]
        if self.step.size:
            with np.errstate(invalid="ignore"):
                apart = found - self.codes
                beside = (apart != 0) & (np.abs(apart) < self.step) | (apart * self.end < 0)
                side = np.where(self.end != 0, self.end, np.sign(apart))
                found = np.where(beside, self.codes + side * self.step, found)
        return np.where(np.isnan(x[0]), self.codes, found)

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
