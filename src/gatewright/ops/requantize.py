"""Map integers to codes by thresholds: a quantizer of any scale, exactly, on integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gatewright.blocks.phased import phased_code
from gatewright.blocks.thresholds import threshold_code
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops.derivative import nothing
from gatewright.ops.elementwise import Unary
from gatewright.ops.quantize import step_bound


@dataclass(frozen=True, eq=False)
class Requantize(Unary):
    """Return `first + step * (number of thresholds that the element reaches)`.

    Attributes:
        thresholds: shape (channels, levels), rising along levels, in units of the input's grid;
            the last axis of the sample has `channels` elements, or there is one channel for all.
            An element `q` reaches `t` where `q >= t`; with `falling` where `q <= -t`.
        falling: per channel, whether the source's rule falls (a negative scale in front).
        first: the code where no threshold is reached.
        step: the distance of neighbouring codes (2 for bipolar codes, else 1).
        frac: binary point of the input's grid, on which the thresholds stand.
    """

    thresholds: Ints
    falling: np.ndarray
    first: int
    step: int = 1
    frac: int = 0
    growth = "fixes"

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation itself: thresholds differ along the last axis only."""
        return self

    def at_part(self, part: slice) -> Op | None:
        """Return the operation with the thresholds of some channels."""
        if len(self.thresholds) == 1:
            return self
        return replace(self, thresholds=self.thresholds[part], falling=self.falling[part])

    def _count(self, q: Ints) -> Ints:
        """Count thresholds reached; `q` has shape (..., channels)."""
        channels = len(self.thresholds)
        flat = np.broadcast_to(q, np.broadcast_shapes(q.shape, (channels,))).reshape(
            -1, max(channels, 1)
        )
        flat = flat if channels > 1 else np.asarray(q).reshape(-1, 1)
        count = np.empty(flat.shape, np.int64)
        for c in range(channels):
            column = -flat[:, c] if self.falling[c] else flat[:, c]
            count[:, c] = np.searchsorted(self.thresholds[c], column, side="right")
        return count.reshape(q.shape)

    def real(self, *x: Reals) -> Reals:
        """Compute on numbers of the input's grid."""
        q = np.floor(np.ldexp(x[0], self.frac)).astype(np.int64)
        return (self.first + self.step * self._count(q)).astype(np.float64)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the codes of both ends of the range."""
        lo, hi = x[0].aligned(self.frac)
        ends = [self.first + self.step * self._count(end) for end in (lo, hi)]
        return Intervals.of(np.minimum(*ends), np.maximum(*ends), 0)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Count on integers."""
        return FixedArray(
            self.first + self.step * self._count(x[0].aligned(self.frac)), np.asarray(0)
        )

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Multiply and shift where that is proven equal, else compare or look up."""
        channel = index[-1] if len(self.thresholds) > 1 else 0
        return threshold_code(
            m,
            a,
            self.thresholds[channel],
            self.frac,
            first=self.first,
            step=self.step,
            falling=bool(self.falling[channel]),
        )

    def lower_phases(
        self, module: Module, *x: Bus, phase: int, parts: Sequence[Op]
    ) -> list[int] | None:
        """Search among thresholds that are looked up by the part's number."""
        found = []
        for i, a in enumerate(x[0].flat):
            own = [p for p in parts if isinstance(p, Requantize)]
            thresholds = np.stack([p.thresholds[i % len(p.thresholds)] for p in own])
            falling = np.stack([p.falling[i % len(p.falling)] for p in own]).astype(np.int64)
            found.append(
                phased_code(module, a, phase, thresholds, self.frac, self.first, self.step, falling)
            )
        return found

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a comparison for each threshold, up to those of an adder and a limiter."""
        levels = self.thresholds.shape[-1] if self.thresholds.size else 0
        return float((x[0].width * min(levels, 2)).sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the step that the operand's bound reaches, if any."""
        return step_bound(self, xs[0], es[0], y)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Return nothing: its thresholds stand on integers, and what is behind stays as it is."""
        return nothing(xs)
