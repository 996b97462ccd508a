"""What reductions that choose one of their elements share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.arith import reduce_tree
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.derivative import scattered


@dataclass(frozen=True, eq=False)
class Reduction(Op):
    """Choose one element of those along `axes`.

    Attributes:
        axes: of the sample, counted from 0 without the batch, ascending.
        keepdims: leave each of them in place with length 1.
    """

    axes: tuple[int, ...]
    keepdims: bool = False
    growth = "keeps"

    def _arrange(self, array: np.ndarray, skip: int) -> np.ndarray:
        """Return the array as (batch..., kept..., elements to choose from)."""
        rank = array.ndim - skip
        if sorted(set(self.axes)) != list(self.axes) or not all(0 <= a < rank for a in self.axes):
            raise ModelError(
                f"a {self.kind.removeprefix('reduce_')} along axes that are not there",
                found=f"axes {self.axes} of rank {rank}",
                supported=f"ascending axes, each from 0 to {rank - 1}",
            )
        kept = [a + skip for a in range(rank) if a not in self.axes]
        turned = array.transpose(*range(skip), *kept, *(a + skip for a in self.axes))
        return turned.reshape(*(array.shape[a] for a in (*range(skip), *kept)), -1)

    def _shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.keepdims:
            return tuple(1 if a in self.axes else n for a, n in enumerate(shape))
        return tuple(n for a, n in enumerate(shape) if a not in self.axes)

    def at_row(self, index: tuple[int, ...]) -> Self | None:
        """Return the choice within one row, where it runs along the last axis and keeps it."""
        row = self.keepdims and self.axes == (len(index),)
        return replace(self, axes=(0,)) if row else None

    def at_slab(self, axes: int) -> Self | None:
        """Return the choice behind some axes, where it runs along none of them."""
        if self.axes[0] < axes:
            return None
        return replace(self, axes=tuple(a - axes for a in self.axes))

    def real(self, *x: Reals) -> Reals:
        """Choose among real numbers."""
        result = self.choose(self._arrange(x[0], 1))
        return np.asarray(result.reshape(len(x[0]), *self._shape(x[0].shape[1:])))

    def infer(self, *x: Intervals) -> Intervals:
        """Return the range that the ends of all elements give."""
        kind = x[0]
        rows = [self._arrange(v, 0) for v in (kind.lo, kind.hi, kind.frac)]
        parts = [Intervals(*(row[..., i] for row in rows)) for i in range(rows[0].shape[-1])]
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=False)
            parts = [self.join_types(a, b) for a, b in pairs] + parts[len(parts) // 2 * 2 :]
        return parts[0].map(lambda v: np.asarray(v).reshape(self._shape(kind.shape)))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Choose among integers on one grid."""
        point = int(np.max(x[0].frac, initial=-(2**40)))
        aligned = x[0].aligned(point)
        result = self.choose(self._arrange(aligned, 1))
        return FixedArray(
            np.asarray(result.reshape(len(aligned), *self._shape(aligned.shape[1:]))),
            np.asarray(point),
        )

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a tree of comparisons for each result."""
        rows = self._arrange(x[0].signals, 0)
        found = [
            reduce_tree(module, row, self.join_signals)
            for row in rows.reshape(-1, rows.shape[-1]).tolist()
        ]
        return x[0].with_signals(found, self._shape(x[0].signals.shape))

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a comparison and a choice of the result's width for each element but one."""
        return float(2 * y.width.sum() * (x[0].size / max(y.size, 1) - 1))

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give the elements that are chosen their gradient."""
        shape = xs[0].shape
        numbers = np.arange(int(np.prod(shape[1:]))).reshape(1, *shape[1:])
        where = self._arrange(numbers, 1)
        rows = self._arrange(xs[0], 1)
        chosen = rows == y.reshape(rows.shape[:-1])[..., None]
        share = chosen / chosen.sum(-1, keepdims=True)

        def pull(dy: Reals) -> list[Reals]:
            return [scattered(dy.reshape(rows.shape[:-1])[..., None] * share, where, shape)]

        return pull

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the largest bound among the elements: a choice adds no error."""
        worst = self._arrange(es[0], 1).max(-1)
        return np.asarray(worst.reshape(y.shape))

    @abstractmethod
    def choose(self, rows: np.ndarray) -> np.ndarray:
        """Choose along the last axis."""

    @abstractmethod
    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return the type of the choice between two elements."""

    @abstractmethod
    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build the choice between two elements."""
