"""Turn a position into a vector of 0 with a 1 there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops.truth import FAR, require_positions


@dataclass(frozen=True, eq=False)
class OneHot(Op):
    """Give along a new last axis of length `depth` a 1 at the position, 0 elsewhere.

    Attributes:
        depth: number of positions.
        wraps: positions from -depth to -1 count from the end. Without it, and beyond, a number
            that is no position gives zeros alone.
    """

    depth: int
    wraps: bool = False
    growth = "fixes"
    index_operands = (0,)
    slab_axes = 0

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ModelError(
                "a one-hot vector has no length", found=self.depth, supported="1 or more"
            )

    def _hot(self, q: np.ndarray) -> np.ndarray:
        """Return truth values with the new axis, of integers or of real numbers."""
        places = np.arange(self.depth)
        hot = q[..., None] == places
        return np.asarray(hot | (q[..., None] == places - self.depth) if self.wraps else hot)

    def at_slab(self, axes: int) -> Op | None:
        """Return the operation itself: each position has its own vector."""
        return self

    def real(self, *x: Reals) -> Reals:
        """Compare real numbers with each position."""
        return self._hot(x[0]).astype(np.float64)

    def infer(self, *x: Intervals) -> Intervals:
        """Return 0 to 1, or 0 where the position is out of range, 1 where it is known."""
        kind = require_positions(x[0], -FAR, FAR, "the operand of a one-hot vector")
        lo, hi = kind.lo[..., None], kind.hi[..., None]
        places = np.arange(self.depth)
        can = (lo <= places) & (places <= hi)
        if self.wraps:
            can |= (lo <= places - self.depth) & (places - self.depth <= hi)
        return Intervals.of((can & (lo == hi)).astype(np.int64), can.astype(np.int64), 0)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compare integers with each position."""
        grid: Ints = np.maximum(x[0].frac, 0)
        return FixedArray(self._hot(x[0].aligned(grid) >> grid).astype(np.int64), np.asarray(0))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a decoder for each element."""
        signals = [
            self._place(module, int(a), place)
            for a in x[0].signals.ravel()
            for place in range(self.depth)
        ]
        return x[0].with_signals(signals, (*x[0].shape, self.depth))

    def _place(self, m: Module, a: int, place: int) -> int:
        hot = m.equal(a, m.constant(place))
        if not self.wraps:
            return hot
        return m.select(hot, m.constant(1), m.equal(a, m.constant(place - self.depth)))

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a LUT for each six bits that are compared."""
        return float(np.ceil(x[0].width / 6).sum() * self.depth)

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the places of the vector."""
        return -self.depth if self.wraps else 0, self.depth - 1

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give the position what a step to the next one does."""
        step = np.roll(y, 1, axis=-1) - y
        return lambda dy: [(dy * step).sum(axis=-1)]

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return 1 where the position may be another."""
        return np.broadcast_to((es[0] > 0)[..., None], y.shape).astype(np.float64)
