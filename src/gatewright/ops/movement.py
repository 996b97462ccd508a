"""What operations that only move elements share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import prod

import numpy as np

from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.streams import Moves, Stream, Streams, elements_of, moved


@dataclass(frozen=True, eq=False)
class Movement(Op):
    """Take elements of one sample, in some order: wiring."""

    wiring = True
    growth = "keeps"

    @abstractmethod
    def move(self, sample: np.ndarray) -> np.ndarray:
        """Move the elements of one sample."""

    def _indices(self, shape: tuple[int, ...]) -> Ints:
        """Return, for each element of the result, its number in the flattened sample."""
        return self.move(np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape))

    def _take(self, batch: np.ndarray) -> np.ndarray:
        indices = self._indices(batch.shape[1:])
        return np.take(batch.reshape(len(batch), prod(batch.shape[1:])), indices, axis=1)

    def real(self, *x: Reals) -> Reals:
        """Move real numbers."""
        return self._take(x[0])

    def infer(self, *x: Intervals) -> Intervals:
        """Move types."""
        return x[0].map(self.move)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Move integers."""
        shape = x[0].q.shape[1:]
        frac = np.broadcast_to(x[0].frac, shape)
        return FixedArray(self._take(x[0].q), self.move(frac))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Move signals."""
        moved = self.move(x[0].signals)
        return x[0].with_signals(moved, moved.shape)

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Give elements in their new order as they come, or out of a memory."""
        source = self.move(elements_of(x[0].shape))
        moves = Moves(source, np.ones(source.shape, np.bool_), x[0].elements)
        return moved(to, x[0], moves, plan.beat or source.shape[-1])

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Move the bounds."""
        return self._take(es[0])

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Add up, for each element, the gradients of all that it went to."""
        shape = xs[0].shape
        size = int(np.prod(shape[1:]))
        where = self._indices(shape[1:]).ravel()
        if np.array_equal(np.sort(where), np.arange(size)):
            back = np.argsort(where)
            return lambda dy: [dy.reshape(len(dy), -1)[:, back].reshape(len(dy), *shape[1:])]

        def pull(dy: Reals) -> list[Reals]:
            flat = dy.reshape(len(dy), -1)
            rows = [np.bincount(where, row, minlength=size) for row in flat]
            return [np.asarray(rows, np.float64).reshape(len(dy), *shape[1:])]

        return pull
