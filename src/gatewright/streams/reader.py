"""A memory between a writer and a reader that take their own time: beats are given in any order.

The writer puts beats into a circular memory as long as there is room. The reader walks over the
event's beats in an order known beforehand, over some of them several times (windows of an image),
and lets go of those that it needs no more. Its addresses are steps added up, so that the logic
does not grow with the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gatewright.num import Fixed, Intervals, Ints
from gatewright.streams.actor import Actor, Buffered
from gatewright.streams.sequence import Sequence
from gatewright.streams.shell import Shell, constants


@dataclass(frozen=True, eq=False)
class Walk:
    """The beats of the input that a reader gives, one after the other.

    Attributes:
        beats: of an event, on the input.
        loops: lengths of nested loops that the steps are counted by, the last fastest.
        source: (steps,), number of the beat given. Where `inside` is False it says nothing, and is
            best what goes on as the steps around do.
        inside: (steps,), whether a beat of the input is given; else a constant.
    """

    beats: int
    loops: tuple[int, ...]
    source: Ints
    inside: NDArray[np.bool_]

    @property
    def steps(self) -> int:
        """Steps of an event."""
        return len(self.source)

    @cached_property
    def need(self) -> Ints:
        """(steps,), beats that must have come before each step: at least one of the event."""
        return np.maximum(np.maximum.accumulate(np.where(self.inside, self.source + 1, 0)), 1)

    @cached_property
    def free(self) -> Ints:
        """(steps,), beats that no step after each needs any more."""
        wanted = np.append(np.where(self.inside, self.source, self.beats)[1:], self.beats)
        return np.minimum.accumulate(wanted[::-1])[::-1]

    @property
    def _freed(self) -> Ints:
        """(steps,), beats let go of before each step."""
        return np.append(0, self.free[:-1])

    @property
    def least_depth(self) -> int:
        """The least beats that must be kept at once."""
        return max(1, int((self.need - self._freed).max()))

    @property
    def even_depth(self) -> int:
        """The beats to be kept so that neither side ever waits, where beats come evenly.

        With these, an event takes as many cycles as it has steps (or beats, if those are more),
        whoever gives the beats in just that time.
        """
        period = max(self.steps, self.beats)
        at = np.arange(self.beats) * period // self.beats  # cycle in which each beat is written
        steps = np.arange(self.steps)
        start = max(0, int((at[self.need - 1] + 1 - steps).max()))  # of an event's steps
        later = start // period + 1
        events, within = np.divmod(at + later * period - start, period)
        freed = np.append(0, self.free)[np.minimum(within, self.steps)]
        kept = np.arange(self.beats) + (later - events) * self.beats - freed
        return max(self.least_depth, int(kept.max()) + 1)

    @cached_property
    def hops(self) -> Ints:
        """(steps,), from each step's beat to the next one's; the last goes to the next event."""
        return np.diff(self.source, append=self.beats + self.source[0])


def reader(
    name: str,
    types: Intervals,
    walk: Walk,
    depth: int = 0,
    fill: Intervals | None = None,
    style: str = "auto",
    layer: str = "",
) -> Actor:
    """Return an actor that gives beats of its input in the order of a walk.

    Args:
        name: of its module.
        types: of a beat's elements.
        walk: what is given.
        depth: beats that the memory holds; 0 for `even_depth`.
        fill: constants (lo = hi) given where the walk is outside; zeros unless given.
        style: of the memory.
        layer: the user's.
    """
    depth = max(depth or walk.even_depth, walk.least_depth)
    note = f"gives {walk.steps} of {walk.beats} beats in another order, keeps {depth}"
    shell = Shell.begin(name, {"x": types}, ["y"], layer, note)
    m = shell.module
    freed = np.diff(walk.free, prepend=0)
    waits = (np.arange(walk.steps) == 0) & ~walk.inside  # for an event to begin
    fields = np.stack([walk.inside, waits, walk.hops % depth, -walk.hops, freed])
    sequence = Sequence.begin(m, walk.loops, fields.T.astype(np.int64))
    inside, waiting, hop, back, release = sequence.signals
    room, ahead = _counts(shell, walk, depth)
    wanted = m.not_(m.equal(room, m.constant(0)))
    m.output("x_ready", [wanted])
    written = m.and_(shell.valid["x"], wanted)
    m.label(written, "write")
    come = m.or_(m.not_(inside), m.less(m.constant(0), ahead))
    if waits.any():
        come = m.and_(come, m.or_(m.not_(waiting), m.less(room, m.constant(depth))))
    fired = m.and_(shell.advance, come)
    m.label(fired, "fire")
    sequence.close(fired)
    zero, bounds = m.constant(0), (m.lo[room], m.hi[room])
    m.connect(room, m.add(m.sub(room, written), m.select(fired, release, zero), within=bounds))
    bounds = (m.lo[ahead], m.hi[ahead])
    m.connect(ahead, m.add(m.add(ahead, written), m.select(fired, back, zero), within=bounds))
    data = _memory(shell, walk, depth, written, fired, hop, style)
    mask = shell.register(inside)
    others = constants(m, fill, types.size)
    given = [m.select(mask, s, other) for s, other in zip(data, others, strict=True)]
    shell.finish({"y": (shell.later(fired, 1, reset=0), given)})
    gives = np.ones(walk.steps, np.bool_)
    timing = Buffered(depth, walk.beats, walk.need, walk.free, gives, latency=2)
    return shell.actor(timing, layer, note)


def _counts(shell: Shell, walk: Walk, depth: int) -> tuple[int, int]:
    """Return registers of the room in memory, and of how far the writer is ahead of the reader.

    That is the beats written, less the number of the beat that the next step gives.
    """
    m = shell.module
    spare = int((walk.free - walk.need).max(initial=0))  # beats let go of before they come
    room = m.register((0, depth + spare, 0), reset=depth)
    m.label(room, "room")
    before = np.append(walk.need[-1] - walk.beats, walk.need[:-1])  # beats that have come at least
    low = int((before - walk.source).min())
    high = int((walk._freed + depth - walk.source).max())
    ahead = m.register((min(low, -int(walk.source[0])), high, 0), reset=-int(walk.source[0]))
    m.label(ahead, "ahead")
    return room, ahead


def _memory(
    shell: Shell, walk: Walk, depth: int, written: int, fired: int, hop: int, style: str
) -> list[int]:
    """Return the elements of the beat that a step gives, one step of the pipeline later."""
    m, data = shell.module, shell.data["x"]
    to, _ = shell.counter(depth, written, "write_at")
    at = m.constant(0)
    if depth > 1:
        at = m.register((0, depth - 1, 0), reset=int(walk.source[0] % depth))
        m.label(at, "read_at")
        total = m.add(at, hop)
        if depth & (depth - 1):
            over = m.not_(m.less(total, m.constant(depth)))
            less = m.wrap(m.sub(total, m.constant(depth)), Fixed.holding(0, depth - 1, 0))
            m.connect(at, m.select(over, less, total, within=(0, depth - 1)), fired)
        else:
            m.connect(at, m.wrap(total, Fixed.holding(0, depth - 1, 0)), fired)
    moving = [s for s in data if not m.is_constant(s)]
    found = {}
    if moving:
        memory = m.memory("store", depth, m.intervals(moving), style=style)
        m.write(memory, to, moving, written)
        words = m.read_word(memory, at)
        found = {s: shell.register(w) for s, w in zip(moving, words, strict=True)}
    return [found.get(s, m.constant(m.lo[s], m.frac[s])) for s in data]
