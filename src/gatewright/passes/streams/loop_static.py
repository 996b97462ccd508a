"""One cell for all steps of a recurrent layer: the state in registers, a step after the other.

The loop is as short as it can be: what a step computes from its input alone is an actor ahead of
it, what no state needs is one behind. A step takes as many cycles as the cell's pipeline has
registers, and one for the state's own; the layer takes `steps` times as many, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from gatewright.hw import Bus, Module
from gatewright.ir import Plan
from gatewright.num import Intervals
from gatewright.passes.streams.cell import Bundle, Recurrence, elements
from gatewright.passes.streams.loop_folded import check_cell, folded_loop
from gatewright.passes.streams.loop_split import Split, ahead, behind, initial, numbered, shape_of
from gatewright.streams import Program, Shell, Stream, Streams

BIT = Intervals.of([0], [1], 0)


def static_loop(to: Streams, what: Recurrence, x: Sequence[Stream], plan: Plan) -> Stream:
    """Build a recurrent layer with one cell; return the stream of its result."""
    check_cell(to, what, plan)
    cell, split = what.cell, Split.of(what.cell)
    count = len(cell.rows)
    rows = [to.rebeat(s, prod(s.shape[1:])) for s in x[:count]]
    inputs = [(Bundle.of([name], what.types), s) for name, s in zip(cell.rows, rows, strict=True)]
    if not cell.states and not cell.held:
        return ahead(to, what, cell.results, inputs)[1]
    if split.ahead:
        inputs = [ahead(to, what, split.taken, inputs)]
    if plan.cell:
        result = folded_loop(to, what, split, inputs, x[count:], plan)
    else:
        result = _loop(to, what, split, inputs, x[count:])
    if split.behind:
        result = behind(to, what, split, result)
    return result


def _loop(
    to: Streams,
    what: Recurrence,
    split: Split,
    inputs: Sequence[tuple[Bundle, Stream]],
    once: Sequence[Stream],
) -> Stream:
    """Build the actor with the state.

    It takes a beat of each of the `inputs` in every step, and one of each of what it needs `once`,
    held values and initial states, in the first.
    """
    stem = to.module_name(to.layer or to.name)
    kept = ", state kept from event to event" if what.stateful else ""
    note = f"recurrent cell, {what.steps} step{'' if what.steps == 1 else 's'}{kept}"
    inputs = [(bundle, to.settled(stream)) for bundle, stream in inputs]
    once = [to.settled(to.rebeat(s, s.elements)) for s in once]
    inner = _kernel(to, what, split, inputs, f"{stem}_cell")
    period = inner.latency + 1
    rows = dict(zip(numbered("x", len(inputs)), (s.types for _, s in inputs), strict=True))
    singles = dict(zip(numbered("once", len(once)), (s.types for s in once), strict=True))
    shell = Shell.begin(stem, rows | singles, ["y"], to.layer, note)
    clock = _Clock.of(shell, rows, singles, period, what.steps)
    feeds = {name: shell.data[name] for name in rows}
    if what.cell.held:
        feeds["held"] = _held(shell, clock, list(singles)[: len(what.cell.held)])
    given = iter(list(singles)[len(what.cell.held) :])
    starts = [None if value is not None else shell.data[next(given)] for value in what.initial]
    before, close = _states(shell, clock, what, starts)
    feeds |= {"h": before} if before else {}
    feeds |= {"last": [clock.last]} if "last" in inner.inputs else {}
    found = shell.kernel(inner, feeds, "u_cell")
    close(found["h_next"])
    valid = clock.ended if what.each else clock.finished
    shell.finish({"y": (valid, found["y"])})
    program = _program(len(rows), len(singles), period, what)
    actor = shell.actor(program, to.layer, f"{note}, {period} cycles each")
    shape = shape_of(what, Bundle.of(split.given, what.types))
    (result,) = to.add(actor, [*(s for _, s in inputs), *once], [shape])
    return result


def _kernel(
    to: Streams,
    what: Recurrence,
    split: Split,
    inputs: Sequence[tuple[Bundle, Stream]],
    name: str,
) -> Module:
    """Build one step, pipelined."""
    cell, types = what.cell, what.types
    m = Module(to.module_name(name), to.layer, "one step of a recurrent layer")
    ports = [(f"x{i + 1}" if i else "x", *own) for i, own in enumerate(inputs)]
    known: dict[str, Bus] = {}
    for port, bundle, stream in ports:
        known |= bundle.unpack(m, m.input(port, stream.types))
    for port, names in (("held", cell.held), ("h", cell.states)):
        if names:
            bundle = Bundle.of(names, types)
            known |= bundle.unpack(m, m.input(port, bundle.flat))
    values = cell.lower(m, known, (*cell.following, *split.given))
    following = Bundle(cell.following, tuple(types[name] for name in cell.states))
    behind = following.pack(following.unpack(m, following.pack(values)))
    m.output("h_next", _begun_again(m, what, behind))
    m.output("y", Bundle.of(split.given, types).pack(values))
    return to.finish(m)


def _begun_again(m: Module, what: Recurrence, following: Sequence[int]) -> list[int]:
    """Return the initial states in place of new ones behind the last step, where they are constant.

    That is the cell's, whose registers are placed with it in mind.
    """
    first = initial(what)
    if what.stateful or not any(value is not None for value in first):
        return list(following)
    (last,) = m.input("last", BIT)
    found = []
    for new, value in zip(following, first, strict=True):
        if value is None or m.is_constant(new):
            found.append(new)
        else:
            found.append(m.select(last, m.constant(value, m.frac[new]), new))
    return found


@dataclass(frozen=True, eq=False)
class _Clock:
    """Where in an event the actor is.

    Attributes:
        starting: the first cycle of the first step.
        fired: the actor moves on.
        last: in the last step.
        ended: a step ends.
        finished: the last one ends.
    """

    starting: int
    fired: int
    last: int
    ended: int
    finished: int

    @classmethod
    def of(
        cls, shell: Shell, rows: Iterable[str], singles: Iterable[str], period: int, steps: int
    ) -> _Clock:
        """Count cycles and steps; take a row in the first cycle of each step."""
        m, singles = shell.module, list(singles)
        starting = m.register((0, 1, 0), reset=1) if singles else m.constant(0)
        taking = m.register((0, 1, 0), reset=1) if period > 1 else m.constant(1)
        fired = shell.fire({**dict.fromkeys(rows, taking), **dict.fromkeys(singles, starting)})
        _, at_end = shell.counter(period, fired, "cycle")
        ended = m.and_(fired, at_end)
        m.label(ended, "step_ends")
        _, last = shell.counter(steps, ended, "step")
        if period > 1:
            m.label(taking, "taking")
            m.connect(taking, at_end, fired)
        if singles:
            m.label(starting, "starting")
            m.connect(starting, m.and_(at_end, last), fired)
        return cls(starting, fired, last, ended, m.and_(ended, last))


def _held(shell: Shell, clock: _Clock, ports: Sequence[str]) -> list[int]:
    """Keep values from the first step on."""
    m, found = shell.module, []
    begins = m.and_(clock.fired, clock.starting)
    for s in (s for port in ports for s in shell.data[port]):
        kept = m.register(m.range(s))
        m.connect(kept, s, begins)
        found.append(m.select(clock.starting, s, kept))
    return found


def _states(
    shell: Shell, clock: _Clock, what: Recurrence, starts: Sequence[Sequence[int] | None]
) -> tuple[list[int], Callable[[Sequence[int]], None]]:
    """Keep the states; return them as a step sees them, and what feeds them behind it.

    `starts` has, of each state, the signals that it is before the first step; None for a constant.
    """
    m, first = shell.module, iter(initial(what))
    kept: list[int] = []
    seen: list[int] = []
    for name, start in zip(what.cell.states, starts, strict=True):
        for i, (lo, hi, frac) in enumerate(elements(what.types[name])):
            value = next(first)
            if lo == hi:
                kept.append(m.constant(lo, frac))
                seen.append(kept[-1])
                continue
            register = m.register((lo, hi, frac), value)
            m.label(register, f"{name.removeprefix('state:').rsplit('/')[-1]}_{i}")
            kept.append(register)
            seen.append(register if start is None else m.select(clock.starting, start[i], register))

    def close(following: Sequence[int]) -> None:
        for register, new in zip(kept, following, strict=True):
            if not m.is_constant(register):
                m.connect(register, new, clock.ended)

    return seen, close


def _program(rows: int, singles: int, period: int, what: Recurrence) -> Program:
    """Return when the actor takes and gives."""
    count = period * what.steps
    takes = np.zeros((count, rows + singles), np.bool_)
    gives = np.zeros((count, 1), np.bool_)
    takes[::period, :rows] = True
    takes[0, rows:] = True
    gives[period - 1 :: period] = True
    if not what.each:
        gives[:-1] = False
    return Program(takes, gives)
