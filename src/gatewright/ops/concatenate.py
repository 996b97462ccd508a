"""Join tensors along an axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals


@dataclass(frozen=True, eq=False)
class Concatenate(Op):
    """Join tensors along `axis`, counted without the batch (negative: from the end)."""

    axis: int
    wiring = True
    growth = "keeps"

    def _join(self, parts: list[np.ndarray], skip: int) -> np.ndarray:
        axis = self.axis + skip if self.axis >= 0 else self.axis
        try:
            return np.concatenate(parts, axis=axis)
        except ValueError:
            raise ModelError(
                "tensors to join do not fit together",
                found=" and ".join(str(p.shape[skip:]) for p in parts),
                supported=f"equal lengths but along axis {self.axis}",
            ) from None

    def at_slab(self, axes: int) -> Op | None:
        """Return how tensors are joined behind some axes, where they are joined along a later one.

        A negative axis keeps its number; that it lies behind is seen by the lengths before it.
        """
        if self.axis < 0:
            return self
        return Concatenate(self.axis - axes) if self.axis >= axes else None

    def real(self, *x: Reals) -> Reals:
        """Join real numbers."""
        return self._join(list(x), 1)

    def infer(self, *x: Intervals) -> Intervals:
        """Join types."""
        lo, hi, frac = (
            self._join([getattr(p, name) for p in x], 0) for name in ("lo", "hi", "frac")
        )
        return Intervals(lo, hi, frac)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Join integers."""
        fracs = [np.broadcast_to(p.frac, p.q.shape[1:]) for p in x]
        return FixedArray(self._join([p.q for p in x], 1), self._join(fracs, 0))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Join signals."""
        joined = self._join([bus.signals for bus in x], 0)
        return x[0].with_signals(joined, joined.shape)

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Join the bounds."""
        return self._join(es, 1)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Split the gradient."""
        axis = self.axis + 1 if self.axis >= 0 else self.axis
        stops = np.cumsum([x.shape[axis] for x in xs])[:-1]
        return lambda dy: list(np.split(dy, stops, axis=axis))
