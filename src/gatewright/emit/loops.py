"""Copies of an instance as loops: which bits of which vectors each copy takes.

Where the places that copies read go up by the same steps, copy by copy, they are written as nested
`for` loops: a convolution's kernel at all inner positions is one instance in two loops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from gatewright.num import Ints

MOST_LOOPS = 4
"""Loops within each other that a reader can follow."""


@dataclass(eq=False)
class Places:
    """Where rows lie in vectors.

    Attributes:
        key: number of the vector; -1 for a row that lies in none.
        low: lowest bit there.
        width, signed: of the row.
    """

    key: Ints
    low: Ints
    width: Ints
    signed: np.ndarray

    @classmethod
    def none(cls, width: Ints, signed: np.ndarray) -> Places:
        """Return places for rows none of which lies in a vector yet."""
        return cls(np.full(len(width), -1, np.int64), np.zeros(len(width), np.int64), width, signed)


class Feeds(Protocol):
    """What feeds a port of an instance; see `buses.PortFeeds`."""

    @property
    def signals(self) -> Ints:
        """(copies, elements)."""

    @property
    def drop(self) -> Ints:
        """Bits of each signal to drop."""

    @property
    def width(self) -> Ints:
        """(elements,)."""


@dataclass(frozen=True)
class Strip:
    """Bits that a port takes: `width` from bit `low + sum(step * index)` of a vector.

    Attributes:
        key: number of the vector.
        above: bits to be put above them, zeros or the sign.
        signed: whether these are the sign.
    """

    key: int
    low: int
    width: int
    steps: tuple[int, ...]
    above: int = 0
    signed: bool = False


@dataclass(frozen=True, eq=False)
class Loop:
    """The loops over the copies of an instance.

    Attributes:
        counts: of each loop, the outermost first.
        strips: of each port whose copies take strips, lowest bits first; any other port needs a
            vector of its own with all copies side by side.
    """

    counts: tuple[int, ...]
    strips: dict[str, list[Strip]] = field(default_factory=dict)

    def side_by_side(self, width: int) -> tuple[int, ...]:
        """Return the steps of bits that lie side by side, copy after copy."""
        inner = [int(np.prod(self.counts[i + 1 :])) for i in range(len(self.counts))]
        return tuple(width * n for n in inner)

    def positions(self, strip: Strip) -> Ints:
        """Return the lowest bit of a strip in each copy."""
        index = np.indices(self.counts).reshape(len(self.counts), -1)
        return strip.low + np.asarray(strip.steps) @ index


def find_loop(place: Places, feeds: Mapping[str, Feeds]) -> Loop:
    """Return the loops over the copies of an instance that fit the most of its ports."""
    taken = {port: each for port, each in feeds.items() if _is_placed(place, each)}
    count = len(next(iter(feeds.values())).signals) if feeds else 1
    moves = {port: place.low[each.signals] for port, each in taken.items()}
    counts: tuple[int, ...] = (count,)
    for low in moves.values():
        moved = np.ascontiguousarray((low - low[:1]).T)
        for column in {one.tobytes(): one for one in moved}.values():
            own = loop_counts(column)
            if own is not None and len(own) > len(counts):
                counts = own
    loop = Loop(counts)
    for port, each in taken.items():
        strips = _strips(place, each, moves[port], counts)
        if strips is not None:
            loop.strips[port] = strips
    return loop


def _is_placed(place: Places, feeds: Feeds) -> bool:
    """Whether all copies take bits of the same vectors, of the same widths."""
    s = feeds.signals
    key, own, signed = place.key[s], place.width[s], place.signed[s]
    alike = (key == key[:1]) & (own == own[:1]) & (signed == signed[:1])
    return bool((alike & (key >= 0) & (feeds.drop == 0) & (own <= feeds.width) & (own > 0)).all())


def loop_counts(low: Sequence[int] | Ints) -> tuple[int, ...] | None:
    """Return the counts of the loops that give a row of numbers, the outermost first, or None."""
    rest = np.asarray(low, np.int64)
    counts: list[int] = []
    while len(rest) > 1 and len(counts) < MOST_LOOPS:
        steps = np.diff(rest)
        other = np.flatnonzero(steps != steps[0])
        size = int(other[0]) + 1 if other.size else len(rest)
        if len(rest) % size:
            return None
        table = rest.reshape(-1, size)
        if (table - table[:, :1] != table[:1] - table[0, 0]).any():
            return None
        counts.append(size)
        rest = table[:, 0]
    return tuple(counts[::-1]) if len(rest) == 1 else None


def _strips(place: Places, feeds: Feeds, low: Ints, counts: tuple[int, ...]) -> list[Strip] | None:
    """Return the strips of a port, or None where these loops do not give them."""
    shaped = low.reshape(*counts, -1)
    steps = np.stack([
        (np.take(shaped, min(1, n - 1), axis=i) - np.take(shaped, 0, axis=i))[
            (0,) * (len(counts) - 1)
        ]
        for i, n in enumerate(counts)
    ])  # fmt: skip
    index = np.indices(counts).reshape(len(counts), -1)
    if (low != low[:1] + index.T @ steps).any():
        return None
    strips: list[Strip] = []
    for j, s in enumerate(feeds.signals[0].tolist()):
        own, above = int(place.width[s]), int(feeds.width[j] - place.width[s])
        strip = Strip(int(place.key[s]), int(low[0, j]), own, tuple(steps[:, j].tolist()), above,
                      bool(place.signed[s]))  # fmt: skip
        if strips and not above and _follows(strips[-1], strip):
            last = strips.pop()
            strip = Strip(last.key, last.low, last.width + own, last.steps)
        strips.append(strip)
    return strips


def _follows(last: Strip, strip: Strip) -> bool:
    """Whether a strip goes on where another ends, in every copy."""
    beside = strip.key == last.key and strip.low == last.low + last.width
    return beside and strip.steps == last.steps and not last.above
