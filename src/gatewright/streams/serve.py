"""Hold a beat, and give parts of it one after the other, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gatewright.hw import Module, Table
from gatewright.num import Intervals, Ints
from gatewright.streams.actor import Actor, Program
from gatewright.streams.shell import Shell

ANYTHING = -1
"""In an index: the element does not matter."""


def serve(
    name: str,
    types: Intervals,
    index: Ints,
    beats: int,
    finish: Callable[[Module], Module],
    count: int = 0,
    note: str = "",
) -> Actor:
    """Return an actor that gives several beats of chosen elements for each beat that it takes.

    Args:
        name: of its module.
        types: of the elements of a beat that it takes.
        index: (parts, elements), which element of the beat taken each element of a part is.
        beats: taken in an event.
        count: given in an event, where the last beat taken is not used to its end; 0 for all.
        finish: pipelines the circuit that chooses.
        note: what it is.
    """
    parts = len(index)
    count = count or beats * parts
    shell = Shell.begin(name, {"x": types}, ["y"], note=note or f"gives a beat in {parts} parts")
    m = shell.module
    taking = m.register((0, 1, 0), reset=1)  # the first part of a beat
    m.label(taking, "taking")
    fired = shell.fire({"x": taking})
    part, last = part_of(shell, parts, count, fired)
    m.connect(taking, last, fired)
    held = [shell.register(s, m.and_(fired, taking)) for s in shell.data["x"]]
    used = np.unique(index[index != ANYTHING])
    choice = Module(f"{name}_choice", note=f"one of {parts} parts")
    elements = choice.input("x", types.map(lambda v: v.ravel()[used]))
    signals: dict[int, int] = dict(zip(used.tolist(), elements, strict=True))
    (number,) = choice.input("part", Intervals.of([0], [parts - 1], 0))
    choice.output("y", [_choose(choice, number, signals, lane) for lane in index.T])
    choice = finish(choice)
    feeds = {"x": [held[i] for i in used], "part": [shell.register(part)]}
    found = shell.kernel(choice, feeds, "u_choice")
    valid = shell.later(fired, 1 + choice.latency, reset=0)
    shell.finish({"y": (valid, found["y"])})
    steps = np.arange(count)
    takes = (steps % parts == 0)[:, None]
    program = Program(takes, np.ones((count, 1), np.bool_), choice.latency + 2)
    return shell.actor(program, note=note or f"1 beat to {parts}")


def part_of(shell: Shell, parts: int, count: int, fired: int) -> tuple[int, int]:
    """Return the number of a part and what marks the last one of a beat.

    Of `count` parts in an event, the last ends a beat early.
    """
    m = shell.module
    if count % parts == 0:
        return shell.counter(parts, fired, "part")
    _, at_end = shell.counter(count, fired, "count")
    part = m.register((0, parts - 1, 0), reset=0)
    m.label(part, "part")
    last = m.or_(at_end, m.equal(part, m.constant(parts - 1)))
    following = m.wrap(m.add(part, m.constant(1)), m.fixed(part))
    following = m.select(last, m.constant(0), following, within=(0, parts - 1))
    m.connect(part, following, fired)
    return part, last


def _choose(m: Module, part: int, signals: dict[int, int], lane: Ints) -> int:
    """Return the element that a part has in one place: a tree of choices by its number."""
    sources = list(dict.fromkeys(i for i in lane.tolist() if i != ANYTHING))
    if not sources:
        return m.constant(0)
    if len(sources) == 1:
        return signals[sources[0]]
    numbers = np.asarray([sources.index(i) if i != ANYTHING else 0 for i in lane], np.int64)
    if np.array_equal(numbers, np.arange(len(lane))):
        chosen = part
    else:
        chosen = m.table(part, Table.of("source", numbers))
    return tree(m, chosen, [signals[i] for i in sources])


def tree(m: Module, number: int, signals: Sequence[int]) -> int:
    """Return the signal of a number: a tree of choices, a level for each bit of the number."""
    level = list(signals)
    bit = 0
    while len(level) > 1:
        low = m.slice(number, bit, 1)
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [m.select(low, p[1], p[0]) if len(p) > 1 else p[0] for p in pairs]
        bit += 1
    return level[0]
