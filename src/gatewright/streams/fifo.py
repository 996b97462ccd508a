"""FIFOs between actors: `ready` and `valid` come from registers, so that no path runs through."""

from __future__ import annotations

from gatewright.hw import Module
from gatewright.num import Intervals
from gatewright.streams.shell import BIT, counter

REGISTERS = 2
"""Depth up to which beats stand in registers of their own; deeper ones are memories."""


def fifo(name: str, types: Intervals, depth: int) -> Module:
    """Return a FIFO of `depth` beats with streams `x` and `y`; a beat passes in one cycle at least.

    Args:
        name: of the module.
        types: of a beat's elements.
        depth: at least 1. With 1 a beat passes every other cycle, with more in every one.
    """
    m = Module(name, note=f"FIFO of {depth} beats")
    (valid,) = m.input("x_valid", BIT)
    data = m.input("x", types)
    (wanted,) = m.input("y_ready", BIT)
    count = m.register((0, depth, 0), reset=0)
    m.label(count, "count")
    empty, full = m.equal(count, m.constant(0)), m.equal(count, m.constant(depth))
    push, pop = m.and_(valid, m.not_(full)), m.and_(wanted, m.not_(empty))
    m.label(push, "push")
    m.label(pop, "pop")
    more = m.wrap(m.add(count, m.constant(1)), m.fixed(count))
    less = m.wrap(m.sub(count, m.constant(1)), m.fixed(count))
    bounds = (0, depth)
    grows, shrinks = m.and_(push, m.not_(pop)), m.and_(pop, m.not_(push))
    smaller = m.select(shrinks, less, count, within=bounds)
    m.connect(count, m.select(grows, more, smaller, within=bounds))
    if depth <= REGISTERS:
        given = _registers(m, data, depth, push, pop, count)
    else:
        given = _memory(m, data, depth, push, pop)
    m.output("x_ready", [m.not_(full)])
    m.output("y_valid", [m.not_(empty)])
    m.output("y", given)
    return m


def _registers(
    m: Module, data: list[int], depth: int, push: int, pop: int, count: int
) -> list[int]:
    """Keep one or two beats in registers, the older one at the output."""
    if depth == 1:
        return [_kept(m, s, s, push) for s in data]
    # The older beat moves up where the younger one waits behind it.
    two = m.equal(count, m.constant(2))
    one = m.equal(count, m.constant(1))
    to_front = m.and_(push, m.or_(m.not_(m.or_(one, two)), m.and_(one, pop)))
    behind = m.and_(push, m.not_(to_front))
    front_moves = m.or_(to_front, pop)
    given = []
    for s in data:
        back = m.register(m.range(s))
        m.connect(back, s, behind)
        given.append(_kept(m, s, m.select(two, back, s), front_moves))
    return given


def _kept(m: Module, like: int, signal: int, enable: int) -> int:
    """Return a register of a signal's range, unless the signal is constant."""
    if m.is_constant(like):
        return like
    register = m.register(m.range(like))
    m.connect(register, signal, enable)
    return register


def _memory(m: Module, data: list[int], depth: int, push: int, pop: int) -> list[int]:
    """Keep beats in a memory that is written at one counter and read at another."""
    to, _ = counter(m, depth, push, "write_at")
    at, _ = counter(m, depth, pop, "read_at")
    number = m.memory("beats", depth, m.intervals(data))
    m.write(number, to, data, push)
    return m.read_word(number, at)
