"""Operations that follow each other and make one actor: paddings, windows, what they are turned to.

They are the lowering's own: `fuse` puts them into a graph that is about to become streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops import Pad, Windows
from gatewright.ops.movement import Movement
from gatewright.streams import (
    Moves,
    Raster,
    Stream,
    Streams,
    elements_of,
    moved,
    windowed,
)

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Chain(Op):
    """Operations of one operand, one after the other.

    Attributes:
        parts: in order of computation.
    """

    parts: tuple[Op, ...]

    def real(self, *x: Reals) -> Reals:
        """Compute one after the other."""
        (found,) = x
        for op in self.parts:
            found = op.real(found)
        return found

    def infer(self, *x: Intervals) -> Intervals:
        """Return the type of the last one's result."""
        (found,) = x
        for op in self.parts:
            found = op.infer(found)
        return found

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute one after the other."""
        (found,) = x
        for op in self.parts:
            found = op.evaluate(found)
        return found

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build one after the other."""
        (found,) = x
        for op in self.parts:
            found = op.lower(module, found, plan=plan)
        return found

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Add up what the operations take."""
        (found,), total = x, 0.0
        for op in self.parts:
            before, found = found, op.infer(found)
            total += op.luts(found, before) or 0.0
        return total


@dataclass(frozen=True, eq=False)
class MovedChain(Chain):
    """Movements; the first may be a `Pad`."""

    wiring = True

    def moves(self, shape: Shape) -> Moves:
        """Return where each element of the result comes from, for an operand of a shape."""
        return moves_of(self.parts, shape)

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Cut windows, or read elements out of a memory in their new order."""
        shape = x[0].shape
        found = raster_of(self.parts, shape)
        if found is None:
            moves = self.moves(shape)
            return moved(to, x[0], moves, plan.beat or moves.source.shape[-1])
        raster, rest, fill = found
        whole = len(raster.offsets) * shape[-1]
        beat = plan.beat or whole
        if not rest:
            return windowed(to, x[0], raster, beat, plan.memory, fill)
        moves = self.moves(shape)
        turned = moves_of(rest, (*raster.counts, whole))
        if turned.local(whole) is None:
            return moved(to, x[0], moves, beat)
        if beat < whole:
            read = moved(to, x[0], moves, beat)
            if read is not None:
                return read
        windows = windowed(to, x[0], raster, whole, plan.memory, fill)
        if windows is None:
            return None
        result = moved(to, windows, turned, whole)
        assert result is not None, "an order within windows needs no memory"
        return to.rebeat(result, beat)


def moves_of(parts: tuple[Op, ...], shape: Shape) -> Moves:
    """Return where each element of the result of movements comes from."""
    source, fill, elements = elements_of(shape), None, prod(shape)
    inside = np.ones(shape, np.bool_)
    if parts and isinstance(parts[0], Pad):
        pad, parts = parts[0], parts[1:]
        # Outside, numbers go on as if there were elements: windows then are in one pattern.
        steps = [prod(shape[i + 1 :]) for i in range(len(shape))]
        axes = [np.arange(-b, n + a) for n, b, a in zip(shape, pad.before, pad.after, strict=True)]
        grids = np.meshgrid(*axes, indexing="ij")
        source = np.asarray(sum(g * s for g, s in zip(grids, steps, strict=True)), np.int64)
        inside = np.pad(inside, list(zip(pad.before, pad.after, strict=True)))
        fill = constant_of(pad.value)
    for op in parts:
        assert isinstance(op, Movement)
        source, inside = op.move(source), op.move(inside)
    return Moves(source, inside, elements, fill)


def constant_of(value: float) -> Intervals:
    """Return the type of a constant."""
    own = FixedArray.exact(value)
    return Intervals.of(own.q.reshape(1), own.q.reshape(1), own.frac.reshape(1))


def raster_of(
    parts: tuple[Op, ...], shape: Shape
) -> tuple[Raster, tuple[Op, ...], Intervals | None] | None:
    """Return the windows that a chain begins with, what follows, and the constant around."""
    pad, rest, fill = None, parts, None
    if rest and isinstance(rest[0], Pad):
        pad, rest = rest[0], rest[1:]
        if pad.before[-1] or pad.after[-1]:
            return None
        fill = constant_of(pad.value)
    if not rest or not isinstance(rest[0], Windows):
        return None
    before, after = (None, None) if pad is None else (pad.before[:-1], pad.after[:-1])
    return rest[0].raster(shape, before, after), rest[1:], fill
