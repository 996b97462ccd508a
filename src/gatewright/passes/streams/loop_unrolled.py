"""A cell for each step of a recurrent layer: a chain of actors through which events follow closely.

A row goes to its step, the state from step to step. The interval is that of the rows, however long
a cell takes. Steps that see the same types share one module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from gatewright.base import OptionError
from gatewright.hw import Bus, Module
from gatewright.ir import Plan
from gatewright.num import Intervals
from gatewright.passes.streams.cell import Bundle, Recurrence, constants
from gatewright.streams import Actor, Program, Shell, Stream, Streams


def unrolled_loop(to: Streams, what: Recurrence, x: Sequence[Stream], plan: Plan) -> Stream:
    """Build a recurrent layer with a cell for each step; return the stream of its result.

    Raises:
        OptionError: the state is to be kept from event to event.
    """
    if what.stateful:
        raise OptionError(
            "a recurrent layer cannot have a cell for each step and keep its state",
            place=to.layer,
            found="unroll and stateful",
            supported="one of them: with a cell for each step, an event begins before the one"
            " before it has ended",
        )
    cell, steps = what.cell, what.steps
    count = len(cell.rows)
    rows = [_dealt(to, s, steps) for s in x[:count]]
    once = [to.settled(to.rebeat(s, s.elements)) for s in x[count:]]
    held, fed = once[: len(cell.held)], iter(once[len(cell.held) :])
    firsts = [None if value is not None else next(fed) for value in what.initial]
    chain = _Chain(to, what)
    state: list[Stream] = [s for s in firsts if s is not None]
    results: list[Stream] = []
    for k in range(steps):
        state, result = chain.step(k, [own[k] for own in rows], held, state)
        results += result
    return _collected(to, results, plan) if what.each else results[-1]


@dataclass(eq=False)
class _Chain:
    """Builds steps; a module serves all that are alike."""

    to: Streams
    what: Recurrence
    built: dict[tuple[object, ...], Actor] = field(default_factory=dict)

    def step(
        self, k: int, rows: Sequence[Stream], held: Sequence[Stream], state: Sequence[Stream]
    ) -> tuple[list[Stream], list[Stream]]:
        """Add the actor of a step; return the streams of the next state and of its results."""
        what, to = self.what, self.to
        last = k + 1 == what.steps
        types = what.traced[k]
        bundles = [Bundle.of([name], types) for name in (*what.cell.rows, *what.cell.held)]
        if k == 0:
            pairs = zip(what.cell.states, what.initial, strict=True)
            bundles += [Bundle.of([name], types) for name, value in pairs if value is None]
        elif what.cell.states:
            bundles.append(Bundle.of(what.cell.states, types))
        inputs = [*rows, *held, *state]
        hands_on = not last and bool(what.cell.states)
        gives = [Bundle.of(what.cell.following, types)] if hands_on else []
        if last or what.each:
            gives.append(Bundle.of(what.cell.results, types))
        key = (k == 0, len(gives), last, *(_key(s.types) for s in inputs),
               *(_key(bundle.flat) for bundle in (*bundles, *gives)))  # fmt: skip
        if key not in self.built:
            self.built[key] = self._actor(k, list(zip(bundles, inputs, strict=True)), gives)
        actor = self.built[key]
        own = Actor(
            to.module_name(f"{to.layer or to.name}_step_{k}"), actor.module, actor.inputs,
            actor.outputs, actor.timing, to.layer, f"step {k} of {what.steps}",
        )  # fmt: skip
        found = to.add(own, inputs, [(bundle.size,) for bundle in gives])
        return (found[:1], found[1:]) if hands_on else ([], found)

    def _actor(
        self, k: int, inputs: Sequence[tuple[Bundle, Stream]], gives: Sequence[Bundle]
    ) -> Actor:
        to, cell = self.to, self.what.cell
        stem = to.module_name(f"{to.layer or to.name}_step")
        m = Module(to.module_name(f"{stem}_cell"), to.layer, "one step of a recurrent layer")
        ports = {f"x{i + 1}" if i else "x": own for i, own in enumerate(inputs)}
        known = self._initial(m) if k == 0 else {}
        for port, (bundle, stream) in ports.items():
            known |= bundle.unpack(m, m.input(port, stream.types))
        values = cell.lower(m, known, [name for bundle in gives for name in bundle.names])
        outputs = {f"y{i + 1}" if i else "y": bundle for i, bundle in enumerate(gives)}
        for port, bundle in outputs.items():
            m.output(port, bundle.pack(values))
        m = to.finish(m)
        types = {port: stream.types for port, (_, stream) in ports.items()}
        shell = Shell.begin(stem, types, list(outputs), to.layer, "a step of a recurrent layer")
        fired = shell.fire()
        found = shell.kernel(m, {port: shell.data[port] for port in ports}, "u_cell")
        valid = shell.later(fired, m.latency, reset=0)
        shell.finish({port: (valid, found[port]) for port in outputs})
        return shell.actor(Program.plain(1, len(ports), len(outputs), m.latency + 1), to.layer)

    def _initial(self, m: Module) -> dict[str, Bus]:
        """Return the constant states before the first step: circuits fold them."""
        pairs = zip(self.what.cell.states, self.what.initial, strict=True)
        return {name: constants(m, value) for name, value in pairs if value is not None}


def _key(types: Intervals) -> bytes:
    return b"".join(v.tobytes() for v in (types.lo, types.hi, types.frac))


def _dealt(to: Streams, x: Stream, steps: int) -> list[Stream]:
    """Return a stream for each row of a sequence; a beat of it may hold several rows."""
    row = prod(x.shape[1:])
    together = x.beat // row if x.beat % row == 0 and steps % (x.beat // row) == 0 else 1
    x = to.settled(to.rebeat(x, row * together))
    name = to.module_name(f"{to.layer or to.name}_rows")
    outputs = [f"y{i + 1}" if i else "y" for i in range(steps)]
    shell = Shell.begin(name, {"x": x.types}, outputs, to.layer, "gives each step its row")
    m, data, fired = shell.module, shell.data["x"], shell.fire()
    at, _ = shell.counter(steps // together, fired, "beat")
    given = {}
    for k, port in enumerate(outputs):
        here = m.and_(fired, m.equal(at, m.constant(k // together)))
        part = k % together * row
        given[port] = (here, data[part : part + row])
    shell.finish(given)
    beats = np.arange(steps // together)
    gives = beats[:, None] == np.arange(steps)[None] // together
    program = Program(np.ones((len(beats), 1), np.bool_), gives)
    return to.add(
        shell.actor(program, to.layer, f"a row to each of {steps}"), [x], [x.shape[1:]] * steps
    )


def _collected(to: Streams, rows: Sequence[Stream], plan: Plan) -> Stream:
    """Join streams of a row each into one of all; a beat holds as many rows as the plan says."""
    width, steps = rows[0].elements, len(rows)
    together = plan.beat // width if plan.beat and plan.beat % width == 0 else 1
    together = together if steps % together == 0 else 1
    name = to.module_name(f"{to.layer or to.name}_sequence")
    ports = {f"x{i + 1}" if i else "x": s.types for i, s in enumerate(rows)}
    shell = Shell.begin(
        name, ports, ["y"], to.layer, "puts the steps' results one behind the other"
    )
    m, count = shell.module, steps // together
    # The beat's number must be known before the step fires: it says what the step takes.
    at = m.register((0, count - 1, 0), reset=0) if count > 1 else m.constant(0)
    here = [m.equal(at, m.constant(k)) for k in range(count)]
    fired = shell.fire({port: here[i // together] for i, port in enumerate(ports)})
    if count > 1:
        m.label(at, "beat")
        following = m.wrap(m.add(at, m.constant(1)), m.fixed(at))
        m.connect(at, m.select(here[-1], m.constant(0), following, within=(0, count - 1)), fired)
    given = []
    data = list(shell.data.values())
    for place in range(together * width):
        part, element = divmod(place, width)
        own = [data[k * together + part][element] for k in range(count)]
        found = own[-1]
        for k in reversed(range(count - 1)):
            found = m.select(here[k], own[k], found)
        given.append(found)
    shell.finish({"y": (fired, given)})
    takes = np.arange(count)[:, None] == np.arange(steps)[None] // together
    program = Program(takes, np.ones((count, 1), np.bool_))
    (result,) = to.add(shell.actor(program, to.layer, f"1 of {steps} rows"), rows, [(steps, width)])
    return result
