"""Return the magnitude of every element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.hw import Module
from gatewright.ir import Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.elementwise import Unary


@dataclass(frozen=True, eq=False)
class Absolute(Unary):
    """Return |x|. The grid stays; the range has no negative half."""

    growth = "keeps"

    def real(self, *x: Reals) -> Reals:
        """Compute on real numbers."""
        return np.abs(x[0])

    def infer(self, *x: Intervals) -> Intervals:
        """Return the exact range: it begins at 0 where the input's spans 0."""
        a, b = np.abs(x[0].lo), np.abs(x[0].hi)
        spans = (x[0].lo <= 0) & (x[0].hi >= 0)
        return Intervals.of(np.where(spans, 0, np.minimum(a, b)), np.maximum(a, b), x[0].frac)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute on integers."""
        return FixedArray(np.abs(x[0].q), x[0].frac)

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Choose between the number and its negative by the sign."""
        lo, hi, frac = m.range(a)
        negative = m.neg(a)
        up = max(m.frac[negative] - frac, 0)  # `within` counts on the finer of the two grids
        least = 0 if lo <= 0 <= hi else min(abs(lo), abs(hi))
        within = (least << up, max(abs(lo), abs(hi)) << up)
        return m.select(m.less(a, m.constant(0)), negative, a, within=within)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count an adder for each bit where a number can be negative."""
        return float((y.width * x[0].signed).sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the operand's bound: a sign bit costs no rounding."""
        return es[0]
