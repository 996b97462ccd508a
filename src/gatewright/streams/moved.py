"""Elements of a tensor in another order: which actor gives them, from where each comes from."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod

import numpy as np
from numpy.typing import NDArray

from gatewright.hw import Module
from gatewright.num import Intervals, Ints
from gatewright.streams.builder import Stream, Streams
from gatewright.streams.ordered import is_ordered, ordered
from gatewright.streams.reader import Walk, reader


@dataclass(frozen=True, eq=False)
class Moves:
    """Where each element of a result comes from.

    Attributes:
        source: of the result's shape, number of the operand's element in C order. Where `inside`
            is False it says nothing, and is best what goes on as the elements around do.
        inside: of the same shape, whether an element of the operand is there; else a constant.
        elements: of the operand.
        fill: the constant (lo = hi, of one element); None for zero.
    """

    source: Ints
    inside: NDArray[np.bool_]
    elements: int
    fill: Intervals | None = None

    @property
    def is_identity(self) -> bool:
        """Whether every element stays in its place."""
        flat = self.source.ravel()
        return self._keeps_size and bool((flat == np.arange(flat.size)).all())

    @property
    def _keeps_size(self) -> bool:
        return self.source.size == self.elements and bool(self.inside.all())

    def walk(self, unit: int) -> Walk | None:
        """Return the order of beats of `unit` elements; None where they are not kept whole."""
        loops = beat_loops(self.source.shape, unit)
        if loops is None or self.elements % unit:
            return None
        rows, inside = self.source.reshape(-1, unit), self.inside.reshape(-1, unit)
        first, here = rows[:, 0], inside[:, 0]
        whole = (rows == first[:, None] + np.arange(unit)).all(1) & (first % unit == 0)
        if (inside != here[:, None]).any() or not whole[here].all():
            return None
        return Walk(self.elements // unit, loops, first // unit, here)

    def local(self, block: int) -> Ints | None:
        """Return the order within each block of `block` elements; None where blocks mix."""
        if not self._keeps_size or self.elements % block:
            return None
        rows = self.source.reshape(-1, block) - np.arange(0, self.elements, block)[:, None]
        same = (rows == rows[:1]).all() and ((rows[0] >= 0) & (rows[0] < block)).all()
        return rows[0] if same else None


def beat_loops(shape: tuple[int, ...], unit: int) -> tuple[int, ...] | None:
    """Return the loops over beats of `unit` elements; None where they straddle axes."""
    loops = list(shape) or [1]
    while unit > 1:
        if not loops:
            return None
        last = loops[-1]
        if last % unit == 0:
            loops[-1], unit = last // unit, 1
        elif unit % last == 0:
            loops.pop()
            unit //= last
        else:
            return None
    return tuple(loops) or (1,)


def moved(to: Streams, x: Stream, moves: Moves, beat: int) -> Stream | None:
    """Return a stream of moved elements; None where it is best collected whole.

    Args:
        to: the network under construction.
        x: the operand.
        moves: where the elements of the result come from.
        beat: elements of a beat that are asked for.
    """
    shape = moves.source.shape
    if moves.is_identity:
        return x.reshaped(shape)
    order = moves.local(beat)
    walk, unit = _widest(moves, beat)
    if order is not None and (walk is None or unit < beat):
        return _wired(to, x, order, shape)
    whole = beat >= moves.source.size or x.beat >= x.elements
    if walk is None or (whole and unit < beat) or walk.steps > to.most_steps:
        return None
    return to.rebeat(walked(to, x, walk, unit, shape, moves.fill), beat)


def _widest(moves: Moves, beat: int) -> tuple[Walk | None, int]:
    """Return the walk of the widest beats that a beat of the result is made of."""
    most = gcd(beat, moves.elements)
    for unit in range(most, 0, -1):
        if most % unit == 0:
            walk = moves.walk(unit)
            if walk is not None:
                return walk, unit
    return None, 0


def walked(
    to: Streams, x: Stream, walk: Walk, unit: int, shape: tuple[int, ...],
    fill: Intervals | None = None, style: str = "auto",
) -> Stream:  # fmt: skip
    """Return a stream in beats of `unit` elements in the order of a walk."""
    pieces = to.rebeat(x, unit)
    name = to.module_name(f"{to.layer or to.name}_order")
    constants = fill
    if fill is not None and fill.size < unit:
        constants = fill.map(lambda v: np.tile(v, unit // v.size))
    if is_ordered(walk):
        loops = beat_loops(x.shape, unit) or (walk.beats,)
        actor = ordered(name, pieces.types, walk, loops, constants, to.layer)
    else:
        actor = reader(name, pieces.types, walk, 0, constants, style, to.layer)
    return to.add(actor, [pieces], [shape])[0]


def _wired(to: Streams, x: Stream, order: Ints, shape: tuple[int, ...]) -> Stream:
    """Return beats whose elements are in another order."""

    def build(m: Module, elements: list[list[int]], phase: int) -> list[list[int]]:
        return [[elements[0][i] for i in order.tolist()]]

    return to.kernel([to.rebeat(x, len(order))], [shape], build, note="elements in another order")[
        0
    ]


def elements_of(shape: tuple[int, ...]) -> Ints:
    """Return the number of each element of a tensor."""
    return np.arange(prod(shape), dtype=np.int64).reshape(shape)
