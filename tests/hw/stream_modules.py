"""Small modules whose ports are streams, right ones and wrong ones."""

from __future__ import annotations

import numpy as np

from gatewright.hw import Module, Table
from gatewright.num import Intervals

BIT = Intervals.of([0], [1], 0)


def stream_in(m: Module, name: str, types: Intervals) -> tuple[int, list[int]]:
    """Add a stream's valid and data; its ready follows with `output`."""
    (valid,) = m.input(f"{name}_valid", BIT)
    return valid, m.input(name, types)


def stream_out(m: Module, name: str, valid: int, beat: list[int]) -> None:
    m.output(f"{name}_valid", [valid])
    m.output(name, beat)


def registers(m: Module, beat: list[int], enable: int, name: str) -> list[int]:
    found = []
    for i, s in enumerate(beat):
        fresh = m.register(m.range(s))
        m.label(fresh, f"{name}_{i}")
        m.connect(fresh, s, enable)
        found.append(fresh)
    return found


def adder(stages: int = 2, elements: int = 2) -> Module:
    """Add two streams of unlike formats; all stages stand still while the output is not taken."""
    m = Module("adder")
    a_valid, a = stream_in(m, "a", Intervals.of([-8] * elements, [7] * elements, 1))
    b_valid, b = stream_in(m, "b", Intervals.of([0] * elements, [200] * elements, 0))
    (y_ready,) = m.input("y_ready", BIT)
    both = m.and_(a_valid, b_valid)
    marks = [m.register((0, 1, 0), reset=0) for _ in range(stages)]
    moves = m.or_(m.not_(marks[-1]), y_ready)
    beat, valid = [m.add(x, y) for x, y in zip(a, b, strict=True)], both
    for i, mark in enumerate(marks):
        beat = registers(m, beat, moves, f"s{i}")
        m.connect(mark, valid, moves)
        valid = mark
    m.output("a_ready", [m.and_(moves, b_valid)])
    m.output("b_ready", [m.and_(moves, a_valid)])
    stream_out(m, "y", valid, beat)
    m.latency = stages
    return m


def skid(elements: int = 3) -> Module:
    """Hold up to two beats; ready and valid both come from registers."""
    m = Module("skid")
    x_valid, x = stream_in(m, "x", Intervals.of([-300] * elements, [300] * elements, 0))
    (y_ready,) = m.input("y_ready", BIT)
    first, second = (m.register((0, 1, 0), reset=0) for _ in range(2))
    taken = m.and_(x_valid, m.not_(second))
    keeps = m.and_(first, m.not_(y_ready))
    spare = registers(m, x, m.and_(taken, keeps), "spare")
    load = m.or_(m.not_(first), y_ready)
    front = registers(m, [m.select(second, q, s) for q, s in zip(spare, x, strict=True)], load, "y")
    m.connect(first, m.or_(m.or_(second, taken), keeps))
    m.connect(second, m.and_(m.or_(second, taken), keeps))
    m.output("x_ready", [m.not_(second)])
    stream_out(m, "y", first, front)
    m.latency = 1
    return m


def decimator(every: int = 3) -> Module:
    """Give the sum of each few beats, and one beat on a stream without bits."""
    m = Module("decimator")
    x_valid, (x,) = stream_in(m, "x", Intervals.of([-4], [3], 0))
    (y_ready,) = m.input("y_ready", BIT)
    (z_ready,) = m.input("z_ready", BIT)
    count = m.register((0, every - 1, 0), reset=0)
    y_valid, z_valid = (m.register((0, 1, 0), reset=0) for _ in range(2))
    free = [m.or_(m.not_(v), r) for v, r in ((y_valid, y_ready), (z_valid, z_ready))]
    ready = m.and_(*free)
    fires = m.and_(x_valid, ready)
    last = m.equal(count, m.constant(every - 1))
    following = Table.of("following", (1 + np.arange(every)) % every)
    m.connect(count, m.table(count, following), fires)
    total = m.register((-4 * every, 3 * every, 0))
    start = m.select(m.equal(count, m.constant(0)), m.constant(0), total)
    summed = m.wrap(m.add(start, x), m.fixed(total))
    m.connect(total, summed, fires)
    out = m.register(m.range(summed))
    m.connect(out, summed, m.and_(fires, last))
    gives = m.and_(fires, last)
    for valid, r in ((y_valid, y_ready), (z_valid, z_ready)):
        m.connect(valid, m.or_(gives, m.and_(valid, m.not_(r))))
    m.output("x_ready", [ready])
    stream_out(m, "y", y_valid, [out])
    stream_out(m, "z", z_valid, [m.constant(0)])
    return m


def wrong(how: str) -> Module:
    """Pass beats on with a fault: `drops`, `changes`, `waits`, `sticks`, `spills`."""
    m = Module(f"wrong_{how}")
    x_valid, x = stream_in(m, "x", Intervals.of([0], [15], 0))
    (y_ready,) = m.input("y_ready", BIT)
    valid, count = m.register((0, 1, 0), reset=0), m.register((0, 15, 0), reset=0)
    m.connect(count, m.wrap(m.add(count, m.constant(1)), m.fixed(count)))
    free = m.or_(m.not_(valid), y_ready)
    (beat,) = registers(m, x, free, "y")
    shown = valid
    if how == "drops":
        shown = m.and_(valid, m.less(m.slice(count, 0, 2), m.constant(3)))
    if how == "changes":
        beat = m.xor(beat, m.and_(count, m.constant(1)))
    if how == "waits":
        shown = m.and_(valid, y_ready)
    if how == "sticks":
        free = m.and_(free, m.less(count, m.constant(9)))
        m.a[count] = m.select(m.equal(count, m.constant(9)), count, m.a[count])
    following = m.or_(x_valid, m.constant(1) if how == "spills" else m.constant(0))
    m.connect(valid, m.or_(m.and_(following, free), m.and_(valid, m.not_(y_ready))))
    m.output("x_ready", [free])
    stream_out(m, "y", shown, [beat])
    return m
