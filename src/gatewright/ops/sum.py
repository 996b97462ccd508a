"""Add up the elements of a tensor along axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.arith import signed_sum
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints, require_exact


@dataclass(frozen=True, eq=False)
class Sum(Op):
    """Add up along `axes`, exactly.

    Attributes:
        axes: of the sample, counted from 0 without the batch, ascending.
        keepdims: leave each of them in place with length 1.
    """

    axes: tuple[int, ...]
    keepdims: bool = False
    growth = "grows"

    def _check(self, rank: int) -> None:
        if sorted(set(self.axes)) != list(self.axes) or not all(0 <= a < rank for a in self.axes):
            raise ModelError(
                "a sum names axes that are not there",
                found=f"axes {self.axes} of rank {rank}",
                supported=f"ascending axes, each from 0 to {rank - 1}",
            )

    def _sum(self, array: np.ndarray, skip: int) -> np.ndarray:
        self._check(array.ndim - skip)
        axes = tuple(a + skip for a in self.axes)
        return np.asarray(array.sum(axis=axes, keepdims=self.keepdims))

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the sum of one row, where the sum runs along the last axis and keeps it."""
        return Sum((0,), True) if self.keepdims and self.axes == (len(index),) else None

    def at_slab(self, axes: int) -> Op | None:
        """Return the sum behind some axes, where it runs along none of them."""
        if self.axes[0] < axes:
            return None
        return Sum(tuple(a - axes for a in self.axes), self.keepdims)

    def real(self, *x: Reals) -> Reals:
        """Add real numbers."""
        return self._sum(x[0], 1)

    def _grid(self, frac: Ints) -> Ints:
        """Return the finest grid of the summands of each result."""
        self._check(frac.ndim)
        return np.asarray(frac.max(axis=self.axes, keepdims=True))

    def infer(self, *x: Intervals) -> Intervals:
        """Return the exact range, on the finest grid of what is added; zeros count for nothing."""
        kind = x[0]
        moving = (kind.lo != 0) | (kind.hi != 0)
        live = np.where(moving, kind.frac, -(2**40))
        grid = self._grid(live)
        grid = np.where(grid == -(2**40), 0, grid)
        frac = np.where(moving, kind.frac, np.broadcast_to(grid, kind.shape))
        low, high = Intervals(kind.lo, kind.hi, frac).aligned(grid)
        bound = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
        require_exact(self._sum(bound, 0))
        fracs = grid if self.keepdims else grid.squeeze(self.axes)
        return Intervals.of(self._sum(low, 0), self._sum(high, 0), fracs)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Add integers on one grid."""
        point = int(np.max(x[0].frac, initial=-(2**40)))
        return FixedArray(self._sum(x[0].aligned(point), 1), np.asarray(point))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a tree of adders for each result."""
        signals = x[0].signals
        self._check(signals.ndim)
        kept = [a for a in range(signals.ndim) if a not in self.axes]
        rows = signals.transpose(*kept, *self.axes)
        shape = rows.shape[: len(kept)]
        sums = [signed_sum(module, row) for row in rows.reshape(int(np.prod(shape)), -1).tolist()]
        if self.keepdims:
            shape = tuple(1 if a in self.axes else n for a, n in enumerate(signals.shape))
        return x[0].with_signals(sums, shape)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count an adder of the result's width for each summand but one."""
        return float(y.width.sum() * (x[0].size / max(y.size, 1) - 1))

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return n u times the sum of the sizes, in whatever order it is added."""
        count = xs[0].size / max(y.size, 1)
        return self._sum(es[0] + count * u * (np.abs(xs[0]) + es[0]), 1)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give every summand the gradient of its sum."""
        axes = tuple(a + 1 for a in self.axes)
        shape = xs[0].shape

        def pull(dy: Reals) -> list[Reals]:
            wide = dy if self.keepdims else np.expand_dims(dy, axes)
            return [np.broadcast_to(wide, (len(dy), *shape[1:]))]

        return pull
