"""Operations that follow each other and make one actor: paddings, windows, what they are turned to.

They are the lowering's own: `fuse` puts them into a graph that is about to become streams.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import gcd, prod

import numpy as np

from gatewright.hw import Bus, Module
from gatewright.ir import PARALLEL, Op, Plan, Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops import Gather, Pad, Sum, Windows
from gatewright.ops.movement import Movement
from gatewright.ops.reduce import Reduction
from gatewright.streams import (
    Moves,
    Parts,
    Raster,
    Stream,
    Streams,
    beat_loops,
    collect,
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
        result = moved(to, windows, turned, whole)
        assert result is not None, "an order within windows needs no memory"
        return to.rebeat(result, beat)


@dataclass(frozen=True, eq=False)
class ReducedChain(Chain):
    """Movements, of which the first may be a `Pad`, a reduction, and perhaps a `Reshape`."""

    @property
    def _middle(self) -> int:
        return next(i for i, op in enumerate(self.parts) if isinstance(op, Sum | Reduction))

    @property
    def reduction(self) -> Sum | Reduction:
        """What joins the elements."""
        op = self.parts[self._middle]
        assert isinstance(op, Sum | Reduction)
        return op

    def rows(self, shape: Shape, parts: tuple[Op, ...]) -> Moves:
        """Return where the elements of each result come from, (results, elements)."""
        moves = moves_of(parts, shape)
        return replace(
            moves, source=self._rows(moves.source), inside=self._rows(moves.inside.astype(int)) > 0
        )

    def _rows(self, array: Ints) -> Ints:
        axes = self.reduction.axes
        kept = [a for a in range(array.ndim) if a not in axes]
        count = prod(array.shape[a] for a in axes)
        return array.transpose(*kept, *axes).reshape(-1, count)

    def targets(self, shape: Shape) -> Ints | None:
        """Return the result that each element of the operand is part of, -1 for none.

        None where one belongs to several, or what stands around the operand counts.
        """
        rows = self.rows(shape, self.parts[: self._middle])
        adds = isinstance(self.reduction, Sum)
        no_zero = rows.fill is not None and bool((rows.fill.lo != 0).any())
        if not rows.inside.all() and (not adds or no_zero):
            return None
        results = np.repeat(np.arange(len(rows.source)), rows.source.shape[1])
        pairs = np.stack([rows.source.ravel(), results], axis=1)[rows.inside.ravel()]
        if not adds:
            pairs = np.unique(pairs, axis=0)
        if len(np.unique(pairs[:, 0])) < len(pairs):
            return None
        found = np.full(prod(shape), -1, np.int64)
        found[pairs[:, 0]] = pairs[:, 1]
        return found

    def usable(self, shape: Shape) -> bool:
        """Whether it is better than its operations one by one: whole pixels are joined."""
        targets = self.targets(shape)
        if targets is not None and _parts(targets, shape, shape[-1]) is not None:
            return True
        return self._windows(shape) is not None

    def _windows(self, shape: Shape) -> tuple[Raster, Ints, Intervals | None, bool] | None:
        """Return the windows, the order of a window's elements by result, and what is around."""
        moves = self.parts[: self._middle]
        found = raster_of(moves, shape)
        beyond = False
        if found is None and isinstance(self.reduction, Reduction):
            found = border_of(moves, shape)
            beyond = True
        if found is None:
            return None
        raster, rest, fill = found
        whole = len(raster.offsets) * shape[-1]
        rows = self.rows((*raster.counts, whole), rest)
        positions = prod(raster.counts)
        if rows.source.size != positions * whole:
            return None
        order = replace(
            rows,
            source=rows.source.reshape(positions, whole),
            inside=rows.inside.reshape(positions, whole),
        ).local(whole)
        return None if order is None else (raster, order, fill, beyond)

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Join elements as they come, or those of whole windows."""
        shape = x[0].shape
        result, targets = self._shape(shape), self.targets(shape)
        found = None
        if targets is not None:
            found = self._collected(to, x[0], targets, result, plan)
        if found is None:
            found = self._of_windows(to, x[0], result, plan)
        if found is None or not plan.beat or found.elements % plan.beat:
            return found
        return to.rebeat(found, plan.beat)

    def _shape(self, shape: Shape) -> Shape:
        """Return the shape of the result."""
        found = moves_of(self.parts[: self._middle], shape).source.shape
        op = self.reduction
        kept = [
            1 if a in op.axes else n for a, n in enumerate(found) if op.keepdims or a not in op.axes
        ]
        array = np.zeros(kept, np.int8)
        for tail in self.parts[self._middle + 1 :]:
            assert isinstance(tail, Movement)
            array = tail.move(array)
        return array.shape

    def _collected(
        self, to: Streams, x: Stream, targets: Ints, shape: Shape, plan: Plan
    ) -> Stream | None:
        """Join beats with what has been collected of their result."""
        x, targets = self._joined(to, x, targets)
        most = gcd(x.beat, x.elements)
        units = (u for u in range(most, 0, -1) if most % u == 0)
        split = ((u, _parts(targets, x.shape, u)) for u in units)
        unit, parts = next(((u, p) for u, p in split if p is not None), (0, None))
        if parts is None or x.elements // unit > max(to.most_steps, x.beats):
            return None
        pieces = to.rebeat(x, unit)
        types, adds = pieces.types, isinstance(self.reduction, Sum)
        count = parts.most if adds else 1
        kept = Intervals.of(
            np.minimum(types.lo, types.lo * count), np.maximum(types.hi, types.hi * count),
            types.frac,
        )  # fmt: skip
        name = to.module_name(f"{to.layer or to.name}_collect")
        note = f"{self.reduction.kind} of up to {parts.most} beats"
        actor = collect(name, types, kept, parts, self._join, to.layer, note, plan.memory)
        return to.add(actor, [pieces], [shape])[0]

    def _joined(self, to: Streams, x: Stream, targets: Ints) -> tuple[Stream, Ints]:
        """Join neighbours of a beat that are part of one result; return the others' targets."""
        *leading, channels = x.shape
        pixels = x.beat // channels
        if not leading or x.beat % channels:
            return x, targets
        for count in range(pixels, 1, -1):
            if pixels % count or leading[-1] % count:
                continue
            groups = targets.reshape(-1, count, channels)
            if (groups == groups[:, :1]).all():
                shape = (*leading[:-1], leading[-1] // count, channels)
                return self._neighbours(to, x, count, shape), groups[:, 0].ravel()
        return x, targets

    def _neighbours(self, to: Streams, x: Stream, count: int, shape: Shape) -> Stream:
        """Join each `count` pixels of a beat."""
        op = replace(self.reduction, axes=(1,), keepdims=False)

        def build(m: Module, elements: list[list[int]], phase: int) -> list[list[int]]:
            signals = np.asarray(elements[0], np.int64).reshape(-1, count, shape[-1])
            return [op.lower(m, Bus(signals), plan=PARALLEL).flat]

        note = f"{op.kind} of {count} pixels of a beat"
        return to.kernel([x], [shape], build, note=note)[0]

    @property
    def _join(self) -> Callable[[Module, int, int], int]:
        op = self.reduction
        return (lambda m, a, b: m.add(a, b)) if isinstance(op, Sum) else op.join_signals

    def _of_windows(self, to: Streams, x: Stream, shape: Shape, plan: Plan) -> Stream | None:
        """Join the elements of whole windows in a tree."""
        found = self._windows(x.shape)
        if found is None:
            return None
        raster, order, fill, beyond = found
        channels = x.shape[-1]
        x = to.rebeat(x, channels)
        if beyond:
            least = self.reduction.kind == "reduce_max"
            ends = x.types.lo if least else x.types.hi
            fill = Intervals.of(ends, ends, x.types.frac)
        windows = windowed(to, x, raster, len(order), plan.memory, fill)
        results = prod(shape) // prod(raster.counts)
        op = replace(self.reduction, axes=(1,), keepdims=False)

        def build(m: Module, elements: list[list[int]], phase: int) -> list[list[int]]:
            rows = np.asarray(elements[0], np.int64)[order].reshape(results, -1)
            return [op.lower(m, Bus(rows), plan=PARALLEL).flat]

        note = f"{op.kind} of a window"
        return to.kernel([windows], [shape], build, note=note)[0]


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


def border_of(
    parts: tuple[Op, ...], shape: Shape
) -> tuple[Raster, tuple[Op, ...], Intervals | None] | None:
    """Return the windows behind gathers that repeat elements of each window around the image.

    To take the largest, it is the same whether an element of the window is repeated there or
    nothing is.
    """
    rank = len(shape) - 1
    before, after = [0] * rank, [0] * rank
    indices = [np.arange(n) for n in shape[:-1]]
    count = 0
    for op in parts:
        if not isinstance(op, Gather) or op.axis >= rank or op.indices.ndim != 1:
            break
        count += 1
        n = shape[op.axis]
        starts = np.flatnonzero(op.indices == 0)
        begin = next((b for b in starts if np.array_equal(op.indices[b : b + n], np.arange(n))), -1)
        if begin < 0 or len(indices[op.axis]) != n:
            return None
        before[op.axis], after[op.axis] = int(begin), len(op.indices) - n - int(begin)
        indices[op.axis] = op.indices
    if not count or count == len(parts) or not isinstance(parts[count], Windows):
        return None
    cut = parts[count]
    assert isinstance(cut, Windows)
    raster = cut.raster(shape, tuple(before), tuple(after))
    for axis in range(rank):
        k, d, s = cut.kernel[axis], cut.dilation[axis], cut.strides[axis]
        for w in range(raster.counts[axis]):
            at = w * s + np.arange(k) * d
            real = at - before[axis]
            real = real[(real >= 0) & (real < shape[axis])]
            if set(indices[axis][at].tolist()) != set(real.tolist()):
                return None
    return raster, parts[count:][1:], None


def _parts(targets: Ints, shape: Shape, unit: int) -> Parts | None:
    """Return the results of beats of `unit` elements; None where they are not kept whole."""
    loops = beat_loops(shape, unit)
    if loops is None or targets.size % unit:
        return None
    rows = targets.reshape(-1, unit)
    first = rows[:, 0]
    whole = (rows == first[:, None] + np.arange(unit)).all(1) & (first % unit == 0)
    if not (whole | (rows == -1).all(1)).all():
        return None
    parts = Parts(np.where(first < 0, -1, first // unit), loops)
    return parts if parts.is_in_order else None
