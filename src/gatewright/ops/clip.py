"""Limit every element to constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import clip
from gatewright.hw import Module
from gatewright.ir import Pull, Reals
from gatewright.num import FixedArray, Intervals, dyadic
from gatewright.ops.elementwise import Unary


@dataclass(frozen=True, eq=False)
class Clip(Unary):
    """Limit every element to `low` and `high`; None is no limit."""

    low: float | None = None
    high: float | None = None
    growth = "keeps"

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls."""
        return True

    def real(self, *x: Reals) -> Reals:
        """Clip real numbers."""
        low, high = (
            -np.inf if self.low is None else self.low,
            np.inf if self.high is None else self.high,
        )
        return np.clip(x[0], low, high)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the range cut to the limits, on a grid that holds them."""
        kind = x[0]
        for limit, cut in ((self.low, Intervals.maximum), (self.high, Intervals.minimum)):
            if limit is not None:
                kind = cut(kind, Intervals.constant(np.full(kind.shape, limit)))
        return kind

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Clip integers on a grid that holds the limits."""
        limits = [FixedArray.exact(v) for v in (self.low, self.high) if v is not None]
        frac = np.max(np.stack(np.broadcast_arrays(x[0].frac, *(v.frac for v in limits))), axis=0)
        q = x[0].aligned(frac)
        if self.low is not None:
            q = np.maximum(q, FixedArray.exact(self.low).aligned(frac))
        if self.high is not None:
            q = np.minimum(q, FixedArray.exact(self.high).aligned(frac))
        return FixedArray(q, frac)

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Compare and choose; a limit that cannot be met costs nothing."""
        return clip(m, a, self._limit(self.low), self._limit(self.high))

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a bit's LUT for each limit that can be met; a ReLU's merges with what follows."""
        if (x[0].lo >= 0).all() and self.high is None and self.low == 0:
            return 0.0
        return float(y.width.sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the operand's bound: a limit adds no error."""
        return es[0]

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Pass the gradient where no limit is met."""
        inside = (y == xs[0]).astype(np.float64)
        return lambda dy: [dy * inside]

    @staticmethod
    def _limit(value: float | None) -> tuple[int, int] | None:
        if value is None:
            return None
        q, frac = dyadic(value)
        return int(q), int(frac)
