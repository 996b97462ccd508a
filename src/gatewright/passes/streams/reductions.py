"""Reductions of moved elements as one actor: poolings, sums over an image, the largest of windows.

They are the lowering's own, as the chains of movements are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import gcd, prod

import numpy as np

from gatewright.hw import Bus, Module
from gatewright.ir import PARALLEL, Op, Plan
from gatewright.num import Intervals, Ints
from gatewright.ops import Gather, Sum, Windows
from gatewright.ops.movement import Movement
from gatewright.ops.reduce import Reduction
from gatewright.passes.streams.chains import Chain, Shape, moves_of, raster_of
from gatewright.streams import (
    Moves,
    Parts,
    Raster,
    Stream,
    Streams,
    beat_loops,
    beat_types,
    collect,
    windowed,
)


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
        if x[0].beat >= x[0].elements and plan.beat >= prod(result):
            return None  # all is there at once
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
        beat, most = x.beat, max(to.most_steps, x.beats)
        found = self._split(x.shape, beat, targets, most)
        if found is None and x.shape[-1] and beat % x.shape[-1] == 0:
            # Neighbours of one result come in other groups than are joined: bring them together.
            beat = _run(targets, x.shape) * x.shape[-1]
            found = self._split(x.shape, beat, targets, most)
        if found is None:
            return None
        count, spatial, unit, parts = found
        if count > 1:
            x = self._joined(to, to.rebeat(x, beat), count, spatial)
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

    def _split(
        self, shape: Shape, beat: int, targets: Ints, most: int
    ) -> tuple[int, Shape, int, Parts] | None:
        """Return how many neighbours are joined first, the shape then, and the parts of beats."""
        count, spatial, targets = self._neighbours(shape, beat, targets)
        widest = gcd(beat, prod(shape)) // count
        units = (u for u in range(widest, 0, -1) if widest % u == 0)
        split = ((u, _parts(targets, spatial, u)) for u in units)
        unit, parts = next(((u, p) for u, p in split if p is not None), (0, None))
        if parts is None or prod(spatial) // unit > most:
            return None
        return count, spatial, unit, parts

    def _neighbours(self, shape: Shape, beat: int, targets: Ints) -> tuple[int, Shape, Ints]:
        """Return how many neighbours of a beat are part of one result, and what is without them.

        That is the shape of the operand when they are joined, and the targets then.
        """
        *leading, channels = shape
        pixels = beat // channels
        if leading and beat % channels == 0:
            for count in range(pixels, 1, -1):
                if pixels % count or leading[-1] % count:
                    continue
                groups = targets.reshape(-1, count, channels)
                if (groups == groups[:, :1]).all():
                    joined = (*leading[:-1], leading[-1] // count, channels)
                    return count, joined, groups[:, 0].ravel()
        return 1, shape, targets

    def _joined(self, to: Streams, x: Stream, count: int, shape: Shape) -> Stream:
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
        if beyond:
            types = beat_types(x.types, channels if x.beat % channels == 0 else 1)
            ends = types.lo if self.reduction.kind == "reduce_max" else types.hi
            fill = Intervals.of(ends, ends, types.frac)
        windows = windowed(to, x, raster, len(order), plan.memory, fill)
        if windows is None:
            return None
        results = prod(shape) // prod(raster.counts)
        op = replace(self.reduction, axes=(1,), keepdims=False)

        def build(m: Module, elements: list[list[int]], phase: int) -> list[list[int]]:
            rows = np.asarray(elements[0], np.int64)[order].reshape(results, -1)
            return [op.lower(m, Bus(rows), plan=PARALLEL).flat]

        note = f"{op.kind} of a window"
        return to.kernel([windows], [shape], build, note=note)[0]


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


def _run(targets: Ints, shape: Shape) -> int:
    """Return the most neighbours along a line that are always part of one result."""
    line, channels = (1, *shape)[-2:]
    for count in range(line, 1, -1):
        groups = targets.reshape(-1, count, channels) if line % count == 0 else None
        if groups is not None and (groups == groups[:, :1]).all():
            return count
    return 1


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
