"""One cell for all steps of a recurrent layer, its products on multipliers shared over time.

The cell is a small network of actors in a loop. The first has the state: it takes a row at each
step and, but for an event's first step, the state that the step before made, and gives both to
whatever reads them. Products are arrays as elsewhere, on tensors with a row for each step. The
last actor, parallel, ends the step: it sends the new state back, but for an event's last step,
and gives the result. So no link has a beat in it before the first step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from gatewright.base import OptionError
from gatewright.hw import Bus, Module
from gatewright.ir import Node, Plan
from gatewright.ops import Dense
from gatewright.passes.streams.cell import Bundle, Cell, Recurrence, elements
from gatewright.passes.streams.loop_split import Split, initial, numbered, shape_of
from gatewright.streams import Program, Shell, Stream, Streams

BACK = "back"
"""The state's way back."""


def foldable(cell: Cell) -> list[Node]:
    """Return the products of a step that can be folded: those in its loop.

    Others, that need no state or that no state needs, are ahead of the loop or behind it.
    """
    inside = cell.ahead(cell.following) & cell.behind((*cell.states, *cell.held))
    return [node for node in cell.nodes if node.name in inside and isinstance(node.op, Dense)]


def check_cell(to: Streams, what: Recurrence, plan: Plan) -> None:
    """Refuse a plan of a cell that cannot be followed.

    Raises:
        OptionError: the state is kept from event to event, or a plan is not of a product in it.
    """
    known = [node.name for node in foldable(what.cell)]
    strange = [name for name, _ in plan.cell if name not in known]
    if strange:
        raise OptionError(
            "the plan of a recurrent cell names what is no product in its loop",
            place=to.layer,
            found=", ".join(strange),
            supported=", ".join(known) or "none: its steps have no products with constants",
        )
    if plan.cell and what.stateful:
        raise OptionError(
            "a recurrent layer that keeps its state cannot have a folded cell",
            place=to.layer,
            found="stateful, and a plan with `cell`",
            supported="one of them: a folded cell begins each event with the initial state",
            remedy="leave `cell` out of the plan",
        )


def folded_loop(
    to: Streams,
    what: Recurrence,
    split: Split,
    inputs: Sequence[tuple[Bundle, Stream]],
    once: Sequence[Stream],
    plan: Plan,
) -> Stream:
    """Build the loop with folded products; return the stream of what leaves it.

    Args:
        to: the network under construction.
        what: the layer.
        split: what enters the loop, and what leaves it.
        inputs: what enters it at each step.
        once: what comes once an event: held values, then initial states that are no constants.
        plan: the layer's, with the plans of its products; `check_cell` takes it.
    """
    inputs = [(bundle, to.settled(stream)) for bundle, stream in inputs]
    once = [to.settled(to.rebeat(s, s.elements)) for s in once]
    return _Folded(to, what, split, dict(plan.cell)).build(inputs, once)


def _read(cell: Cell, targets: Iterable[str], known: Collection[str]) -> list[str]:
    """Return which known values some targets are computed from."""
    wanted = set(targets)
    needed = cell.ahead(wanted, known)
    for node in cell.nodes:
        if node.name in needed:
            wanted.update(node.inputs)
    return [name for name in known if name in wanted]


@dataclass(eq=False)
class _Stage:
    """Part of a step between the state and a product, or the step's end.

    Attributes:
        targets: what it computes.
        sources: what it reads of what the state's actor gives.
        products: the products that it reads.
    """

    targets: tuple[str, ...]
    sources: list[str]
    products: list[str]


@dataclass(eq=False)
class _Folded:
    """A folded cell under construction."""

    to: Streams
    what: Recurrence
    split: Split
    plans: Mapping[str, Plan]
    made: dict[str, Stream] = field(default_factory=dict)

    def build(self, inputs: Sequence[tuple[Bundle, Stream]], once: Sequence[Stream]) -> Stream:
        """Build the state's actor, the products in order, and the end of a step."""
        cell = self.what.cell
        products = [node for node in foldable(cell) if node.name in self.plans]
        entering = [name for bundle, _ in inputs for name in bundle.names]
        given = [*entering, *cell.held, *cell.states]
        stages = [self._stage((node.inputs[0],), given) for node in products]
        stages.append(self._stage((*cell.following, *self.split.given), given))
        bundles = [Bundle.of(s.sources, self.what.types) for s in stages]
        read = [bundle for bundle in bundles if bundle.names]
        streams = iter(self._state(inputs, once, read))
        opened = [next(streams) if bundle.names else None for bundle in bundles]
        for node, stage, bundle, x in zip(products, stages, bundles, opened, strict=False):
            self.made[node.name] = self._product(node, stage, bundle, x)
        return self._end(stages[-1], bundles[-1], opened[-1])

    def _stage(self, targets: tuple[str, ...], given: Sequence[str]) -> _Stage:
        """Find out what values are computed from, at the last folded products before them."""
        known = [*given, *(n for n in self.plans if n not in targets)]
        found = _read(self.what.cell, targets, known)
        return _Stage(
            targets,
            [name for name in found if name not in self.plans],
            [name for name in found if name in self.plans],
        )

    def _state(
        self,
        inputs: Sequence[tuple[Bundle, Stream]],
        once: Sequence[Stream],
        read: Sequence[Bundle],
    ) -> list[Stream]:
        """Add the actor that has the state; return a stream for each bundle that is read."""
        to, what, cell = self.to, self.what, self.what.cell
        note = f"state of a recurrent cell, {what.steps} steps"
        rows = dict(zip(numbered("x", len(inputs)), inputs, strict=True))
        singles = dict(zip(numbered("once", len(once)), once, strict=True))
        types = {port: stream.types for port, (_, stream) in rows.items()}
        types |= {port: stream.types for port, stream in singles.items()}
        types[BACK] = Bundle.of(cell.states, what.types).flat
        outputs = numbered("y", len(read))
        name = to.module_name(f"{to.layer or to.name}_state")
        shell = Shell.begin(name, types, outputs, to.layer, note)
        m = shell.module
        first = m.register((0, 1, 0), reset=1)
        m.label(first, "first_step")
        fired = shell.fire({BACK: m.not_(first), **dict.fromkeys(singles, first)})
        _, last = shell.counter(what.steps, fired, "step")
        m.connect(first, last, fired)
        values: dict[str, list[int]] = {}
        for port, (bundle, _) in rows.items():
            found = bundle.unpack(m, shell.data[port])
            values |= {n: bus.flat for n, bus in found.items()}
        ports = iter(singles)
        for n in cell.held:
            values[n] = self._held(shell, shell.data[next(ports)], first, fired)
        values |= self._states(shell, first, [shell.data[port] for port in ports])
        given = {}
        for output, bundle in zip(outputs, read, strict=True):
            given[output] = (fired, [s for n in bundle.names for s in values[n]])
        shell.finish(given)
        takes = np.ones((what.steps, len(types)), np.bool_)
        takes[1:, len(rows) : -1] = False
        takes[0, -1] = False
        program = Program(takes, np.ones((what.steps, len(read)), np.bool_))
        shapes = [(what.steps, bundle.size) for bundle in read]
        streams = [stream for _, stream in inputs]
        found_streams = to.add(
            shell.actor(program, to.layer, note), [*streams, *once, None], shapes
        )
        self.number = found_streams[0].source[0]
        return found_streams

    def _held(self, shell: Shell, data: Sequence[int], first: int, fired: int) -> list[int]:
        """Return what came at an event's first step, at all of its steps."""
        m, found = shell.module, []
        begins = m.and_(fired, first)
        for s in data:
            kept = m.register(m.range(s))
            m.connect(kept, s, begins)
            found.append(m.select(first, s, kept))
        return found

    def _states(
        self, shell: Shell, first: int, starts: Sequence[Sequence[int]]
    ) -> dict[str, list[int]]:
        """Return the states that a step sees: the initial ones, or what came back."""
        m, what = shell.module, self.what
        back, constant, given = iter(shell.data[BACK]), iter(initial(what)), iter(starts)
        found: dict[str, list[int]] = {}
        for name, value in zip(what.cell.states, what.initial, strict=True):
            start = next(given) if value is None else None
            own = []
            for i, (lo, hi, frac) in enumerate(elements(what.types[name])):
                old, at_first = next(back), next(constant)
                if lo == hi:
                    own.append(m.constant(lo, frac))
                    continue
                if start is not None:
                    before = start[i]
                else:
                    assert at_first is not None, "a state begins as nothing"
                    before = m.constant(at_first, frac)
                own.append(m.select(first, before, old))
            found[name] = own
        return found

    def _product(self, node: Node, stage: _Stage, bundle: Bundle, x: Stream | None) -> Stream:
        """Add a folded product of each step; return its results, a step's in a beat."""
        to, types = self.to, self.what.types
        name = node.inputs[0]
        steps, shape = self.what.steps, types[name].shape
        if stage.sources == [name] and x is not None:
            operand = x.reshaped((steps, *shape))
        else:
            operand = self._computed(stage, bundle, x).reshaped((steps, *shape))
        to.alone = True
        plan = self.plans[node.name]
        found = node.op.stream(to, operand, plan=plan)
        if found is None:
            raise OptionError(
                "a product of a recurrent cell is planned, and not folded by its plan",
                place=to.layer,
                found=f"{node.name}, taken {plan.taken}, beat {plan.beat}",
                supported="products that take several steps",
                remedy="leave it out of `cell`: it is parallel then",
            )
        return to.settled(to.rebeat(found, prod(types[node.name].shape)))

    def _ports(
        self, stage: _Stage, bundle: Bundle, x: Stream | None
    ) -> list[tuple[Bundle, Stream]]:
        """Return the streams that a stage reads, and what is in their beats."""
        types = self.what.types
        found = [] if x is None else [(bundle, x)]
        return found + [(Bundle.of([name], types), self.made[name]) for name in stage.products]

    def _computed(self, stage: _Stage, bundle: Bundle, x: Stream | None) -> Stream:
        """Add a kernel between the state and a product."""
        ports, cell = self._ports(stage, bundle, x), self.what.cell
        result = Bundle.of(stage.targets, self.what.types)

        def build(m: Module, beats: list[list[int]], phase: int) -> list[list[int]]:
            known: dict[str, Bus] = {}
            for (own, _), signals in zip(ports, beats, strict=True):
                known |= own.unpack(m, signals)
            return [result.pack(cell.lower(m, known, stage.targets))]

        shapes = [(self.what.steps, result.size)]
        (found,) = self.to.kernel([s for _, s in ports], shapes, build, note="part of a step")
        return self.to.settled(found)

    def _end(self, stage: _Stage, bundle: Bundle, x: Stream | None) -> Stream:
        """Add what ends a step, and close the loop; return what leaves it."""
        to, what, cell = self.to, self.what, self.what.cell
        streams = self._ports(stage, bundle, x)
        ports = dict(zip(numbered("x", len(streams)), streams, strict=True))
        stem = to.module_name(to.layer or to.name)
        m = Module(to.module_name(f"{stem}_cell"), to.layer, "end of a step of a recurrent layer")
        known: dict[str, Bus] = {}
        for port, (own, stream) in ports.items():
            known |= own.unpack(m, m.input(port, stream.types))
        values = cell.lower(m, known, stage.targets)
        result = Bundle.of(self.split.given, what.types)
        following = Bundle(cell.following, tuple(what.types[name] for name in cell.states))
        behind = following.unpack(m, following.pack(values))
        m.output("y", result.pack(values))
        m.output(BACK, following.pack(behind))
        m = to.finish(m)
        note = f"recurrent cell, {what.steps} steps, products folded"
        types = {port: stream.types for port, (_, stream) in ports.items()}
        shell = Shell.begin(stem, types, ["y", BACK], to.layer, note)
        fired = shell.fire()
        _, last = shell.counter(what.steps, fired, "step")
        found = shell.kernel(m, {port: shell.data[port] for port in ports}, "u_cell")
        n = shell.module
        marks = {
            "y": fired if what.each else n.and_(fired, last),
            BACK: n.and_(fired, n.not_(last)),
        }
        shell.finish(
            {k: (shell.later(mark, m.latency, reset=0), found[k]) for k, mark in marks.items()}
        )
        gives = np.ones((what.steps, 2), np.bool_)
        gives[:-1, 0] = what.each
        gives[-1, 1] = False
        program = Program(np.ones((what.steps, len(ports)), np.bool_), gives, m.latency + 1)
        shapes = [shape_of(what, result), (what.steps - 1, following.size)]
        actor = shell.actor(program, to.layer, note)
        given, back = to.add(actor, [stream for _, stream in streams], shapes)
        to.feed_back(back, self.number, BACK)
        return given
