"""Add up beats, or take the largest, as they come: poolings and sums over an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gatewright.hw import Module
from gatewright.num import Fixed, Intervals, Ints
from gatewright.streams.actor import Actor, Program
from gatewright.streams.sequence import Sequence
from gatewright.streams.shell import Shell

Joins = Callable[[Module, int, int], int]
"""Builds the join of what has been collected and a new element."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Which beat of the result each beat of the input is a part of.

    Attributes:
        target: (beats,), number of the result's beat, or -1 for none.
        loops: lengths of nested loops that the beats are counted by, the last fastest.
    """

    target: Ints
    loops: tuple[int, ...]

    @property
    def used(self) -> Ints:
        """Numbers of the beats that are part of a result."""
        return np.flatnonzero(self.target >= 0)

    @cached_property
    def first(self) -> Ints:
        """For each beat of the result, the beat that begins it."""
        return np.unique(self.target[self.used], return_index=True)[1]

    @cached_property
    def ends(self) -> Ints:
        """For each beat of the result, the beat of the input that completes it."""
        last = np.zeros(int(self.target.max()) + 1, np.int64)
        last[self.target[self.used]] = self.used  # the last of several assignments stays
        return last

    @property
    def begins(self) -> Ints:
        """For each beat of the result, the beat of the input that begins it."""
        return self.used[self.first]

    @property
    def is_in_order(self) -> bool:
        """Whether every beat of the result has a part, and is complete after those before it."""
        found = np.unique(self.target[self.used])
        return (
            len(found) > 0 and len(found) == found[-1] + 1 and bool((np.diff(self.ends) > 0).all())
        )

    @property
    def most(self) -> int:
        """Parts of the largest result."""
        return int(np.bincount(self.target[self.used]).max())

    @property
    def open(self) -> int:
        """Places so that results under way do not share one, each at its number modulo that."""
        results = np.arange(len(self.ends))
        # While result k is under way, those up to the last one begun before its end may be.
        latest = np.maximum.accumulate(self.target)[self.ends]
        return int((latest - results).max()) + 1


def collect(
    name: str,
    types: Intervals,
    kept: Intervals,
    parts: Parts,
    join: Joins,
    layer: str = "",
    note: str = "",
    style: str = "auto",
) -> Actor:
    """Return an actor that takes a beat a step and gives each result with its last part.

    Args:
        name: of its module.
        types: of a beat's elements.
        kept: of what is collected; holds whatever any number of parts gives.
        parts: `is_in_order`.
        join: of the collected and the new.
        layer: the user's.
        note: what it computes.
        style: of its memory.
    """
    assert parts.is_in_order, "results are not complete in their order"
    beats, places = len(parts.target), parts.open
    begins, ends, used = (np.zeros(beats, np.int64) for _ in range(3))
    begins[parts.begins], ends[parts.ends], used[parts.used] = 1, 1, 1
    again = used * (1 - begins) * (_before(parts) == parts.target)
    place = _carried(parts.target) % places
    hops = (np.roll(place, -2) - np.roll(place, -1)) % places
    shell = Shell.begin(name, {"x": types}, ["y"], layer, note)
    m = shell.module
    # What is no part begins anew, too: then no sum ever leaves its range.
    fields = np.stack([np.maximum(begins, 1 - used), ends, used, again, hops]).T
    sequence = Sequence.begin(m, parts.loops, fields)
    beginning, ending, using, same, hop = sequence.signals
    fired = shell.fire()
    sequence.close(fired)
    writes = m.and_(fired, using)
    ranges = list(zip(kept.lo.tolist(), kept.hi.tolist(), kept.frac.tolist(), strict=True))
    result = [m.constant(r[0], r[2]) if r[0] == r[1] else m.register(r) for r in ranges]
    moving = [i for i, s in enumerate(result) if not m.is_constant(s)]
    old, memory, at = list(result), -1, -1
    if moving and (used * (1 - begins) * (1 - again)).any():
        at, following = _addresses(shell, place, places, hop, fired)
        memory = m.memory("store", places, m.intervals([result[i] for i in moving]), style=style)
        for i, word in zip(moving, m.read_word(memory, following), strict=True):
            old[i] = m.select(same, result[i], shell.register(word, fired))
    new = []
    for i in moving:
        joined = join(m, old[i], shell.data["x"][i])
        new.append(m.select(beginning, shell.data["x"][i], joined, within=ranges[i][:2]))
        m.connect(result[i], new[-1], writes)
    if memory >= 0:
        m.write(memory, at, new, writes)
    shell.finish({"y": (m.and_(fired, ending), result)}, registered=True)
    program = Program(np.ones((beats, 1), np.bool_), ends.astype(bool)[:, None])
    return shell.actor(program, layer, note)


def _before(parts: Parts) -> Ints:
    """(beats,), the result that the last part before each beat belongs to; -1 for none."""
    index = np.where(parts.target >= 0, np.arange(len(parts.target)), -1)
    last = np.append(-1, np.maximum.accumulate(index)[:-1])
    return np.where(last >= 0, parts.target[last], -1)


def _carried(target: Ints) -> Ints:
    """Return the targets; a beat that is no part has that of the part before it, or the first."""
    used = np.flatnonzero(target >= 0)
    return target[used[np.maximum(np.searchsorted(used, np.arange(len(target)), "right") - 1, 0)]]


def _addresses(shell: Shell, place: Ints, places: int, hop: int, fired: int) -> tuple[int, int]:
    """Return registers of the place of this step's result, and of the next step's."""
    m = shell.module
    if places == 1:
        return m.constant(0), m.constant(0)
    following = m.register((0, places - 1, 0), reset=int(place[1 % len(place)]))
    m.label(following, "next_place")
    total = m.add(following, hop)
    bits = Fixed.holding(0, places - 1, 0)
    if places & (places - 1):
        over = m.not_(m.less(total, m.constant(places)))
        less = m.wrap(m.sub(total, m.constant(places)), bits)
        m.connect(following, m.select(over, less, total, within=(0, places - 1)), fired)
    else:
        m.connect(following, m.wrap(total, bits), fired)
    at = m.register((0, places - 1, 0), reset=int(place[0]))
    m.label(at, "place")
    m.connect(at, following, fired)
    return at, following
