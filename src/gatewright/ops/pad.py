"""Surround a tensor with a constant."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import ModelError
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.streams import Moves, Stream, Streams, elements_of, moved


@dataclass(frozen=True, eq=False)
class Pad(Op):
    """Put `before` and `after` elements of a constant around each axis of a sample.

    Attributes:
        before, after: a count for each axis, without the batch.
        value: the constant, a dyadic number once a model is quantized.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0.0
    wiring = True
    growth = "keeps"

    def _pad(self, array: np.ndarray, skip: int, value: float | int) -> np.ndarray:
        if len(self.before) != array.ndim - skip or min(*self.before, *self.after, 0) < 0:
            raise ModelError(
                "padding does not fit its input",
                found=f"{self.before} before, {self.after} after, for {array.shape[skip:]}",
                supported="a count of 0 or more for each axis",
            )
        around = [(0, 0)] * skip + list(zip(self.before, self.after, strict=True))
        return np.pad(array, around, constant_values=value)

    def at_slab(self, axes: int) -> Op | None:
        """Return the padding behind some axes, where nothing is around those."""
        if any(self.before[:axes] + self.after[:axes]):
            return None
        return replace(self, before=self.before[axes:], after=self.after[axes:])

    def real(self, *x: Reals) -> Reals:
        """Pad real numbers."""
        return self._pad(x[0], 1, self.value)

    def infer(self, *x: Intervals) -> Intervals:
        """Pad types; the constant has a range of its own."""
        own = FixedArray.exact(self.value)
        q, frac = int(own.q), int(own.frac)
        return Intervals.of(
            self._pad(x[0].lo, 0, q), self._pad(x[0].hi, 0, q), self._pad(x[0].frac, 0, frac)
        )

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Pad integers."""
        own = FixedArray.exact(self.value)
        fracs = np.broadcast_to(x[0].frac, x[0].q.shape[1:])
        return FixedArray(self._pad(x[0].q, 1, int(own.q)), self._pad(fracs, 0, int(own.frac)))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Set constants around signals."""
        own = FixedArray.exact(self.value)
        signals = self._pad(x[0].signals, 0, module.constant(int(own.q), int(own.frac)))
        return x[0].with_signals(signals, signals.shape)

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Put the constant between elements as they come."""
        shape = x[0].shape
        source = self._pad(elements_of(shape), 0, 0)
        inside = self._pad(np.ones(shape, np.int64), 0, 0).astype(np.bool_)
        own = FixedArray.exact(self.value)
        fill = Intervals.of(own.q.reshape(1), own.q.reshape(1), own.frac.reshape(1))
        moves = Moves(source, inside, x[0].elements, fill)
        return moved(to, x[0], moves, plan.beat or source.shape[-1])

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the operand's bound; a constant has none."""
        return self._pad(es[0], 1, 0.0)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Cut what was put around off."""
        cut = tuple(slice(b, b + n) for b, n in zip(self.before, xs[0].shape[1:], strict=True))
        return lambda dy: [dy[(slice(None), *cut)]]
