"""Cut beats into narrower ones, and join them to wider ones."""

from __future__ import annotations

import numpy as np

from gatewright.num import Fixed, Intervals
from gatewright.streams.actor import Actor, Program
from gatewright.streams.shell import Shell, union


def narrow(
    name: str, types: Intervals, parts: int, beats: int, count: int = 0, size: int = 0
) -> Actor:
    """Return an actor that gives each beat as `parts` beats, first elements first.

    Args:
        name: of its module.
        types: of the wide beat's elements.
        parts: at least 2.
        beats: wide ones in an event.
        count: narrow ones in an event, where the last wide beat is not full; 0 for all.
        size: elements of a narrow beat; the last one of each wide beat is filled up with zeros. By
            default all are full.
    """
    shell = Shell.begin(name, {"x": types}, ["y"], note=f"cuts a beat into {parts}")
    m, wide = shell.module, list(shell.data["x"])
    size = size or len(wide) // parts
    wide += [m.constant(0)] * (size * parts - len(wide))
    assert size * parts == len(wide), "a beat cannot be cut into equal parts"
    taking = m.register((0, 1, 0), reset=1)  # the first step of a beat
    m.label(taking, "taking")
    fired = shell.fire({"x": taking})
    count = count or beats * parts
    last = _end_of_part(shell, parts, count, fired)[0]
    m.connect(taking, last, fired)
    kinds = [union(m, wide[i::size]) for i in range(size)]
    # The rest of a beat waits in a queue that moves up by one part a step.
    queue = [[m.register(kinds[i]) for i in range(size)] for _ in range(parts - 1)]
    for part, registers in enumerate(queue):
        for i, register in enumerate(registers):
            new = wide[(part + 1) * size + i]
            moved = queue[part + 1][i] if part + 2 < parts else register
            m.connect(register, m.select(taking, new, moved), fired)
    given = [m.select(taking, wide[i], queue[0][i]) for i in range(size)]
    shell.finish({"y": (fired, given)})
    steps = np.arange(count)
    program = Program((steps % parts == 0)[:, None], np.ones((count, 1), np.bool_))
    return shell.actor(program, note=f"1 beat to {parts}")


def widen(name: str, types: Intervals, parts: int, beats: int, keep: int = 0) -> Actor:
    """Return an actor that joins `parts` beats to one, the first lowest.

    Args:
        name: of its module.
        types: of the narrow beat's elements.
        parts: at least 2.
        beats: narrow ones in an event. Where they are no multiple of `parts`, the last wide beat
            of an event is filled up with what was there before.
        keep: elements of a wide beat that are given, the first ones; 0 for all.
    """
    shell = Shell.begin(name, {"x": types}, ["y"], note=f"joins {parts} beats")
    m, data = shell.module, shell.data["x"]
    fired = shell.fire()
    if beats % parts:
        last, given = _uneven(shell, parts, beats, fired)
    else:
        _, last = shell.counter(parts, fired, "part")
        queue = [[m.register(m.range(s)) for s in data] for _ in range(parts - 1)]
        whole = [*queue, data]
        for part, registers in enumerate(queue):
            for i, register in enumerate(registers):
                m.connect(register, whole[part + 1][i], fired)
        given = [s for part in whole for s in part]
    shell.finish({"y": (m.and_(fired, last), given[:keep] if keep else given)})
    steps = np.arange(beats)
    gives = (steps % parts == parts - 1) | (steps == beats - 1)
    program = Program(np.ones((beats, 1), np.bool_), gives[:, None])
    return shell.actor(program, note=f"{parts} beats to 1")


def _end_of_part(shell: Shell, parts: int, count: int, fired: int) -> tuple[int, int]:
    """Return what marks the last narrow beat of a wide one, and the number of the part.

    Of `count` narrow beats in an event, the last ends a wide one early.
    """
    m = shell.module
    if count % parts == 0:
        part, last = shell.counter(parts, fired, "part")
        return last, part
    _, at_end = shell.counter(count, fired, "beat")
    part = m.register((0, parts - 1, 0), reset=0)
    m.label(part, "part")
    last = m.or_(at_end, m.equal(part, m.constant(parts - 1)))
    following = m.wrap(m.add(part, m.constant(1)), Fixed.holding(0, parts - 1, 0))
    following = m.select(last, m.constant(0), following, within=(0, parts - 1))
    m.connect(part, following, fired)
    return last, part


def _uneven(shell: Shell, parts: int, beats: int, fired: int) -> tuple[int, list[int]]:
    """Keep each part in its own place; return what marks a wide beat, and its elements."""
    m, data = shell.module, shell.data["x"]
    last, part = _end_of_part(shell, parts, beats, fired)
    given = []
    for number in range(parts - 1):
        here = m.equal(part, m.constant(number))
        for s in data:
            kept = m.register(m.range(s))
            m.connect(kept, s, m.and_(fired, here))
            given.append(m.select(here, s, kept))
    return last, [*given, *data]
