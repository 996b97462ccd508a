"""Choose labels that need the fewest register bits, for the latency that was found or asked for.

The circuit is taken as one program: a variable for the label of each cell, one for the inputs and
one for the outputs of each module that is used once, so that registers between two layers go where
the numbers are narrowest. A signal of w bits whose readers lie up to d cycles later costs w * d:
its registers are shared by all of them. This is minimum-area register placement (Leiserson and
Saxe 1991), the dual of a minimum cost flow, solved exactly by `potentials`.

A module that is used several times, or that holds registers of its own, stays as it was scheduled
and is a box here: its outputs follow its inputs by a fixed number of cycles, and its inputs have to
settle as early as they were granted to. The inside of a box without state is a program of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gatewright.hw import NONE, Kind, Module
from gatewright.hw.bulk import distinct, instance_rows, is_structure, values
from gatewright.num import Ints
from gatewright.passes.netlist.schedule import Schedule

INPUT, INSTANCE = int(Kind.INPUT), int(Kind.INSTANCE)

Mask = NDArray[np.bool_]

HELD = 1 << 60
"""Loss that no gain outweighs."""

WORK = 400_000_000
"""Arcs that the search may look at, a second or two; then the best labels so far are taken."""

CONSTANT = -1
"""In place of a node where a signal never changes."""


@dataclass(frozen=True)
class Retimed:
    """How a search went.

    Attributes:
        cells: variables of the program.
        moves: steps from the earliest labels.
        paths: constraints of the clock that were met on the way.
        optimal: whether no placement with fewer register bits exists, or the work ran out.
    """

    cells: int
    moves: int
    paths: int
    optimal: bool


@dataclass(eq=False)
class _Place:
    """Where the signals of one module stand in the program: variables and points."""

    schedule: Schedule
    entry: int
    exit: int
    node: list[int] | Ints
    point: list[int] | Ints
    children: dict[int, _Place] = field(default_factory=dict)
    outputs: list[int] = field(default_factory=list)

    @cached_property
    def joined(self) -> dict[int, int]:
        """Of sums that take a table in, and its wiring to them: the table; they share its label."""
        return {
            row: rows[0] for s, rows in self.schedule.taken_in.items() for row in (*rows[1:], s)
        }


def retime(schedule: Schedule, budget: float, work: int = WORK) -> Retimed:
    """Move the labels of a schedule to the optimum, in place; its depth stays.

    Args:
        schedule: earliest labels; a greater `depth` than they need leaves room for more registers.
        budget: nanoseconds of logic between two registers.
        work: limit of the search.
    """
    uses = _uses(schedule)
    total = Retimed(0, 0, 0, True)
    for number, part in enumerate(_programs(schedule, uses)):
        program = _Program(budget, uses)
        place = program.whole(part, free=number == 0)
        found = program.solve(work)
        program.write(place)
        total = Retimed(
            total.cells + found.cells,
            total.moves + found.moves,
            total.paths + found.paths,
            total.optimal and found.optimal,
        )
    return total


def _uses(top: Schedule) -> dict[int, int]:
    """Count the instances of each module, all copies of them."""
    uses: dict[int, int] = {}
    todo, seen = [top], {id(top)}
    while todo:
        schedule = todo.pop()
        for child, instance in zip(schedule.children, schedule.module.instances, strict=True):
            if child is None:
                continue
            uses[id(child)] = uses.get(id(child), 0) + instance.count
            if id(child) not in seen:
                seen.add(id(child))
                todo.append(child)
    return uses


def _has_state(m: Module) -> bool:
    return bool(m.latency) or m.holds(Kind.REG)


def _is_box(schedule: Schedule, uses: dict[int, int]) -> bool:
    return uses[id(schedule)] > 1 or _has_state(schedule.module)


def _programs(top: Schedule, uses: dict[int, int]) -> list[Schedule]:
    """Return the schedules that are programs of their own: the top and the boxes without state."""
    found: list[Schedule] = []
    todo, seen = [top], {id(top)}
    while todo:
        schedule = todo.pop()
        if (schedule is top or _is_box(schedule, uses)) and not _has_state(schedule.module):
            found.append(schedule)
        for child in schedule.placed:
            if id(child) not in seen:
                seen.add(id(child))
                todo.append(child)
    return found


class _Program:
    """The program of one circuit: variables, arcs, gains, and the points of its timing graph."""

    def __init__(self, budget: float, uses: dict[int, int]) -> None:
        self.budget, self.uses = budget, uses
        self.x: list[int] = []
        self.gain: list[int] = []
        self.arcs: list[tuple[int, int, int, int, int, int]] = []
        self.var: list[int] = []
        self.delay: list[float] = []
        self.start: list[int] = [0]
        self.before: list[int] = []

    def whole(self, schedule: Schedule, free: bool) -> _Place:
        """Take a circuit whose inputs and outputs have their cycles.

        `free`: nothing follows its outputs in their cycle; else they settle as early as they did.
        """
        entry = self.variable(0, -HELD)
        shared = {t: self.point(entry, [], t) for t in dict.fromkeys(schedule.granted)}
        points = [shared[t] for t in schedule.granted]
        deadlines = schedule.out_arrival
        place = self.module(schedule, entry, points, self.variable(schedule.depth, -HELD))
        if not free:
            for s, settle in zip(schedule.module.output_signals, deadlines, strict=True):
                self.deadline(place.exit, place.point[s], settle)
        return place

    def variable(self, x: int, gain: int = 0) -> int:
        """Add a variable at its least value."""
        self.x.append(x)
        self.gain.append(gain)
        return len(self.x) - 1

    def arc(self, u: int, v: int, bound: int = 0) -> None:
        """Ask x[v] - x[u] >= bound."""
        self.arcs.append((u, v, bound, 0, 0, 0))

    def point(self, var: int, before: list[int], delay: float) -> int:
        """Add a point of the timing graph, with the label of a variable."""
        self.var.append(var)
        self.delay.append(delay)
        self.before += before
        self.start.append(len(self.before))
        return len(self.var) - 1

    def deadline(self, var: int, point: int, settle: float) -> None:
        """Ask that a signal that is read in a cycle settles in time for what follows."""
        if point != CONSTANT:
            self.point(var, [point], self.budget - settle)

    def module(
        self, schedule: Schedule, entry: int, feeds: Sequence[int] | Ints, leave: int
    ) -> _Place:
        """Add a module; `feeds` are the points of its input signals."""
        if is_structure(schedule.module):
            return self._structure(schedule, entry, feeds, leave)
        m, base = schedule.module, self.x[entry]
        nothing = [CONSTANT] * len(m)
        place = _Place(schedule, entry, leave, nothing, nothing.copy())
        for s, kind in enumerate(m.kind):
            if not schedule.live[s]:
                continue
            if kind == INPUT:
                if not m.is_constant(s):
                    place.node[s], place.point[s] = entry, feeds[m.imm[s]]
            elif kind == INSTANCE:
                self._instance(place, s, base)
                child = place.children[m.imm[s] >> 32]
                place.node[s] = child.exit
                if not m.is_constant(s):
                    place.point[s] = self._out(child, m.imm[s])
            else:
                self._cell(place, s, base)
        self._cost(place)
        return place

    def _structure(
        self, schedule: Schedule, entry: int, feeds: Sequence[int] | Ints, leave: int
    ) -> _Place:
        """Add a module that only connects others, by arrays."""
        m, kind, imm = schedule.module, values(schedule.module.kind), values(schedule.module.imm)
        node, point = np.full((2, len(m)), CONSTANT, np.int64)
        place = _Place(schedule, entry, leave, node, point)
        moving = values(m.lo) != values(m.hi)
        rows = np.flatnonzero((kind == INPUT) & moving)
        node[rows], point[rows] = entry, np.asarray(feeds, np.int64)[imm[rows]]
        outputs = instance_rows(m)
        used = (n for n, own in enumerate(outputs) if own.size)
        for number in sorted(used, key=lambda n: int(outputs[n][0])):
            own = outputs[number]
            self._instance(place, int(own[0]), self.x[entry])
            child = place.children[number]
            node[own] = child.exit
            points = self._outs(child)
            index = imm[own] & 0xFFFFFFFF
            point[own] = np.where(moving[own], points[index % len(points)], CONSTANT)
        self._cost_by_arrays(place, moving)
        return place

    def _outs(self, child: _Place) -> Ints:
        """Return the points of an instance's outputs in the module around it."""
        if not len(child.node):
            return np.asarray(child.point, np.int64)
        outputs = child.schedule.module.output_signals
        inner = np.asarray(child.point, np.int64)[outputs]
        unique, which = np.unique(inner, return_inverse=True)
        # A constant output has no point, and nobody reads one.
        points = [p if p == CONSTANT else self.point(child.exit, [p], 0.0) for p in unique.tolist()]
        return np.asarray(points, np.int64)[which]

    def _cost_by_arrays(self, place: _Place, moving: Mask) -> None:
        """Charge each signal of a module that only connects others."""
        m, node = place.schedule.module, np.asarray(place.node, np.int64)
        leaving = np.asarray(m.output_signals, np.int64)
        reads = [(child.entry, values(m.instances[number].inputs))
                 for number, child in place.children.items()]  # fmt: skip
        if len(m.output_signals):
            reads.append((place.exit, leaving))
        for source in np.unique(node[leaving[moving[leaving]]]).tolist():
            self.arc(source, place.exit)
        # Readers of each signal, as bits: signals of one node and the same readers go together.
        read = np.zeros((len(m), -(-max(len(reads), 1) // 8)), np.uint8)
        for bit, (_, signals) in enumerate(reads):
            read[signals, bit // 8] |= 1 << bit % 8
        rows = np.flatnonzero(moving & read.any(1))
        kinds = np.concatenate(
            [node[rows, None].view(np.uint8).reshape(len(rows), 8), read[rows]], 1
        )
        keys = kinds.view(f"V{kinds.shape[1]}").ravel() if rows.size else kinds[:, 0]
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        widths = np.bincount(which, m.intervals(rows).width, len(first))
        for s, width in zip(rows[first].tolist(), widths.tolist(), strict=True):
            to = [reader for bit, (reader, _) in enumerate(reads)
                  if read[s, bit // 8] >> bit % 8 & 1]  # fmt: skip
            self._charge(int(node[s]), int(width), sorted(set(to)))

    def _cell(self, place: _Place, s: int, base: int) -> None:
        """Add a cell; one that is made again behind registers is its operand."""
        m, schedule = place.schedule.module, place.schedule
        source = schedule.moved[s]
        if source != NONE:
            place.node[s], place.point[s] = place.node[source], place.point[source]
            return
        leader = place.joined.get(s, s)
        if leader == s:
            place.node[s] = self.variable(base + schedule.label[s])
        node = place.node[s] = place.node[leader]
        reads = [o for o in m.operands(s) if not m.is_constant(o)]
        for o in reads:
            if place.node[o] != node:
                self.arc(place.node[o], node)
        place.point[s] = self.point(node, [place.point[o] for o in reads], schedule.delay[s])

    def _instance(self, place: _Place, s: int, base: int) -> None:
        """Add an instance, open or as a box, where its first output `s` is met."""
        number = place.schedule.module.imm[s] >> 32
        if number in place.children:
            return
        m, child = place.schedule.module, place.schedule.children[number]
        assert child is not None, "an instance was not placed"
        inputs = m.instances[number].inputs
        end = base + place.schedule.label[s]
        entry, leave = self.variable(end - child.latency), self.variable(end)
        feeds = distinct(values(inputs), len(m))
        feeds = feeds[values(m.lo)[feeds] != values(m.hi)[feeds]]
        for node in distinct(_at(place.node, feeds), len(self.x)).tolist():
            self.arc(node, entry)
        self.arc(entry, leave, child.latency if _is_box(child, self.uses) else 0)
        if _is_box(child, self.uses):
            self.arc(leave, entry, -child.latency)
            times, which = np.unique(child.granted, return_inverse=True)
            points = _at(place.point, m.instances[number].feeds)
            for at, settle in enumerate(times.tolist()):  # points from 0, where constants are
                for point in distinct(points[:, which == at] + 1, len(self.var) + 1).tolist():
                    self.deadline(entry, point - 1, settle)
            shared = {t: self.point(leave, [], t) for t in dict.fromkeys(child.out_arrival)}
            outs = [shared[t] for t in child.out_arrival]
            place.children[number] = _Place(child, entry, leave, [], outs)
            return
        given = _at(place.point, values(inputs))
        own = np.zeros(len(self.var) + 1, np.int64)  # the last for constants
        for p in distinct(given + 1, len(own)).tolist():
            own[p - 1] = self.point(entry, [p - 1] if p else [], 0.0)
        place.children[number] = self.module(child, entry, own[given], leave)

    def _out(self, child: _Place, imm: int) -> int:
        """Return the point of an output of an instance in the module around it."""
        index = imm & 0xFFFFFFFF
        if not len(child.node):
            return int(child.point[index % len(child.point)])
        if not child.outputs:
            child.outputs = child.schedule.module.output_signals
        inner = int(child.point[child.outputs[index]])
        return self.point(child.exit, [inner], 0.0)

    def _cost(self, place: _Place) -> None:
        """Charge each signal for the registers up to its latest reader."""
        m, live, moved = place.schedule.module, place.schedule.live, place.schedule.moved
        readers: dict[int, set[int]] = {}
        for s, kind in enumerate(m.kind):
            if kind == INSTANCE or not live[s] or moved[s] != NONE:
                continue
            for o in m.operands(s):
                readers.setdefault(_source(moved, o), set()).add(place.node[s])
        for number, child in place.children.items():
            for o in m.instances[number].inputs:
                readers.setdefault(_source(moved, o), set()).add(child.entry)
        leaving = [o for o in m.output_signals if not m.is_constant(o)]
        for node in dict.fromkeys(place.node[o] for o in leaving):
            self.arc(node, place.exit)
        for o in leaving:
            readers.setdefault(_source(moved, o), set()).add(place.exit)
        # Signals that come from one node and go to the same ones are charged together.
        widths: dict[tuple[int, ...], int] = {}
        for s, found in readers.items():
            if not m.is_constant(s):
                key = (place.node[s], *sorted(found))
                widths[key] = widths.get(key, 0) + m.width(s)
        for (node, *to), width in widths.items():
            self._charge(node, width, to)

    def _charge(self, node: int, width: int, readers: list[int]) -> None:
        last = readers[0]
        if len(readers) > 1:
            last = self.variable(max(self.x[r] for r in readers))
            for r in readers:
                self.arc(r, last)
        self.gain[node] += width
        self.gain[last] -= width

    def solve(self, work: int) -> Retimed:
        """Move the variables to the optimum, or as near as the work allows."""
        from gatewright.passes.netlist.potentials import maximise  # here: numba loads where needed

        x = np.array(self.x, np.int64)
        _, moves, paths, optimal = maximise(
            x,
            np.array(self.gain, np.int64),
            np.array(self.arcs, np.int64).reshape(-1, 6),
            np.array(self.var, np.int64),
            np.array(self.delay, np.float64),
            np.array(self.start, np.int64),
            np.array(self.before, np.int64),
            self.budget,
            work,
        )
        self.x = x.tolist()
        return Retimed(len(x), moves, paths, optimal)

    def write(self, place: _Place) -> None:
        """Put the labels into the schedules."""
        todo, x = [place], np.asarray(self.x, np.int64)
        while todo:
            place = todo.pop()
            if not len(place.node):
                continue
            schedule, base = place.schedule, self.x[place.entry]
            if isinstance(place.node, np.ndarray):
                schedule.label = np.where(place.node == CONSTANT, 0, x[place.node] - base).tolist()
            else:
                schedule.label = [0 if n == CONSTANT else self.x[n] - base for n in place.node]
            schedule.depth = self.x[place.exit] - base
            todo.extend(place.children.values())


def _source(moved: list[int], s: int) -> int:
    """Return what stands before cells that are made again behind registers."""
    while moved[s] != NONE:
        s = moved[s]
    return s


def _at(column: Sequence[int] | Ints, rows: Ints) -> Ints:
    """Return what stands at some rows."""
    if isinstance(column, np.ndarray):
        return np.asarray(column[rows], np.int64)
    flat = [column[s] for s in rows.ravel().tolist()]
    return np.asarray(flat, np.int64).reshape(rows.shape)
