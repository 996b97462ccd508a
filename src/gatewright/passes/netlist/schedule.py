"""Label signals as early as the clock allows: the least latency that any placement can have.

Every signal gets a *label*: the number of clock cycles by which it is later than the module's
inputs. A cell starts a new cycle where it would end past the clock period. Label and arrival time,
compared in this order, are the least possible for each signal by induction over the circuit, and so
is the latency. Cells on a loop through a register share one label, because a loop must not get
longer. All outputs of a module leave in one cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gatewright.base import OptionError
from gatewright.hw import NONE, Instance, Kind, Module
from gatewright.hw.bulk import instance_rows, is_structure, values
from gatewright.num import Ints
from gatewright.passes.netlist.bits import Bits, same_bits
from gatewright.passes.netlist.cost import modules
from gatewright.passes.netlist.delay import Clock, cell_delay
from gatewright.passes.netlist.live import live_cells
from gatewright.passes.netlist.loops import in_order
from gatewright.passes.netlist.taken_in import taken_in

Reals = NDArray[np.float64]

CONST, INPUT = int(Kind.CONST), int(Kind.INPUT)
REG, INSTANCE = int(Kind.REG), int(Kind.INSTANCE)


@dataclass(eq=False)
class Schedule:
    """Labels and arrival times of one module's signals.

    Attributes:
        module: the module without registers.
        granted: when its inputs settle in their cycle, in nanoseconds.
        label: cycles after the inputs.
        arrival: nanoseconds after the clock edge at which a signal settles.
        delay: nanoseconds from the operands of a cell to its result.
        children: the schedule of each instance; instances of one module share one. None for one
            that nothing reads, which is left out.
        uses: the instances of each module, by its `id`.
        depth: label of the outputs.
    """

    module: Module
    granted: list[float]
    label: list[int] | Ints
    arrival: list[float] | Reals
    delay: list[float]
    children: list[Schedule | None] = field(default_factory=list)
    uses: dict[int, list[Instance]] = field(default_factory=dict)
    depth: int = 0

    @cached_property
    def live(self) -> list[bool]:
        """Which cells something reads."""
        return live_cells(self.module)

    @cached_property
    def moved(self) -> list[int]:
        """The operand that each cell is made again behind registers of, or NONE."""
        m = self.module
        if is_structure(m):
            return [NONE] * len(m)
        return [same_bits(m, s) if live else NONE for s, live in enumerate(self.live)]

    @cached_property
    def taken_in(self) -> dict[int, list[int]]:
        """Sums that take tables in, which stay in their cycle; none where there are loops."""
        return {} if self.module.holds(Kind.REG) else taken_in(self.module)

    @property
    def placed(self) -> list[Schedule]:
        """Return the children that there are."""
        return [child for child in self.children if child is not None]

    @property
    def latency(self) -> int:
        """Cycles from the inputs to the outputs, those of a state machine included."""
        return self.depth + self.module.latency

    @property
    def out_arrival(self) -> list[float]:
        """When each output settles in the cycle of the outputs."""
        m = self.module
        rows = np.asarray(m.output_signals, np.int64)
        late = np.asarray(self.label, np.int64)[rows] == self.depth
        late &= values(m.lo)[rows] != values(m.hi)[rows]
        return list(np.where(late, np.asarray(self.arrival)[rows], 0.0).tolist())


class Scheduler:
    """Schedule a circuit for a clock, each module once."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.done: dict[int, Schedule] = {}
        self.parents: dict[int, int] = {}
        self.top: Module | None = None

    def run(self, m: Module, granted: list[float]) -> Schedule:
        """Schedule a module whose inputs settle at `granted` in their cycle.

        Raises:
            OptionError: a single cell or a loop takes longer than the period allows.
        """
        if not self.parents:
            self.parents, self.top = _parents(m), m
        if is_structure(m):
            return self._structure(m, granted)
        size = len(m)
        known = Bits(m)
        delay = [cell_delay(m, s, self.clock.model, known) for s in range(size)]
        schedule = Schedule(m, granted, [0] * size, [0.0] * size, delay)
        for rows in schedule.taken_in.values():
            delay[rows[0]] = 0.0  # the adder's, which counts its own lookup tables
        schedule.children = [None] * len(m.instances)
        for instance in m.instances:
            schedule.uses.setdefault(id(instance.module), []).append(instance)
        results: dict[int, tuple[int, list[float]]] = {}
        for members in in_order(m):
            s = members[0]
            kind = m.kind[s]
            if len(members) > 1 or kind == REG:
                self._place_loop(m, members, schedule)
            elif kind == INPUT:
                schedule.arrival[s] = granted[m.imm[s]]
            elif kind == INSTANCE:
                number, index = m.imm[s] >> 32, m.imm[s] & 0xFFFFFFFF
                if number not in results:
                    results[number] = self._place_instance(m, number, schedule)
                label, settle = results[number]
                schedule.label[s], schedule.arrival[s] = label, settle[index]
            elif kind != CONST:
                self._place_cell(m, s, schedule)
        outputs = [schedule.label[s] for s in m.output_signals if not m.is_constant(s)]
        schedule.depth = max(outputs, default=0)
        return schedule

    def _structure(self, m: Module, granted: list[float]) -> Schedule:
        """Schedule a module that only connects others, by arrays."""
        size, kind, imm = len(m), values(m.kind), values(m.imm)
        label, arrival = np.zeros(size, np.int64), np.zeros(size)
        schedule = Schedule(m, granted, label, arrival, [0.0] * size)
        schedule.children = [None] * len(m.instances)
        for instance in m.instances:
            schedule.uses.setdefault(id(instance.module), []).append(instance)
        inputs = np.flatnonzero(kind == INPUT)
        arrival[inputs] = np.asarray(granted, np.float64)[imm[inputs]]
        rows = instance_rows(m)
        for number in sorted(
            (n for n, own in enumerate(rows) if own.size), key=lambda n: rows[n][0]
        ):
            own = rows[number]
            leaves, settle = self._place_instance(m, number, schedule)
            label[own] = leaves
            arrival[own] = np.asarray(settle)[imm[own] & 0xFFFFFFFF]
        outputs = np.asarray(m.output_signals, np.int64)
        moving = outputs[values(m.lo)[outputs] != values(m.hi)[outputs]]
        schedule.depth = int(label[moving].max(initial=0))
        if m is not self.top:  # a layer's latency is its own
            self._fill(schedule, rows)
        schedule.label, schedule.arrival = label.tolist(), arrival.tolist()
        return schedule

    def _fill(self, schedule: Schedule, rows: Sequence[Ints]) -> None:
        """Let modules that end early, and whose outputs only leave, end with the latest.

        Their answers would wait in registers behind them; so these are inside, where retiming puts
        them at the narrowest place, and what goes on to the outputs are whole vectors.
        """
        m = schedule.module
        label, arrival = np.asarray(schedule.label), np.asarray(schedule.arrival)
        read = np.zeros(len(m), np.bool_)
        for instance in m.instances:
            read[values(instance.inputs)] = True
        numbers: dict[int, list[int]] = {}
        for number, child in enumerate(schedule.children):
            if child is not None:
                numbers.setdefault(id(child), []).append(number)
        for uses in numbers.values():
            child, own = schedule.children[uses[0]], np.concatenate([rows[n] for n in uses])
            if child is None or self.parents[id(child.module)] > 1 or read[own].any():
                continue
            early = schedule.depth - int(label[own].max())
            if early > 0 and not child.module.latency and not child.module.holds(Kind.REG):
                child.depth += early
                label[own] += early
                arrival[own] = 0.0

    def _inputs(self, m: Module, operands: list[int], schedule: Schedule) -> tuple[int, float]:
        """Return the latest label of some operands and when the last of them settles in it."""
        label, settle = 0, 0.0
        for o in operands:
            if m.lo[o] == m.hi[o]:
                continue
            own = schedule.label[o]
            if own > label:
                label, settle = own, schedule.arrival[o]
            elif own == label and schedule.arrival[o] > settle:
                settle = schedule.arrival[o]
        return label, settle

    def _place_cell(self, m: Module, s: int, schedule: Schedule) -> None:
        label, start = self._inputs(m, m.operands(s), schedule)
        delay = schedule.delay[s]
        if start + delay > self.clock.budget and delay > 0:
            self._require(m, s, delay)
            label, start = label + 1, 0.0
        schedule.label[s], schedule.arrival[s] = label, start + delay
        for row in schedule.taken_in.get(s, ()):  # registers go in front of the table
            later, settle = self._inputs(m, m.operands(row), schedule)
            schedule.label[row] = label
            schedule.arrival[row] = settle if later == label else 0.0

    def _require(self, m: Module, s: int, delay: float) -> None:
        """Refuse a clock that not even a single cell can meet."""
        if delay <= self.clock.budget:
            return
        kind, width = Kind(m.kind[s]).name.lower(), m.width(s)
        around = self.clock.model.register
        least = delay + around
        found = f"{1e3 / self.clock.period:.0f} MHz; {kind} of {width} bits needs {least:.2f} ns"
        remedy = "choose a slower clock, or narrower numbers in this layer"
        if around > delay:  # no cell can help: nets are long in large designs
            found += f", {around:.2f} ns of them for a register and the nets of a design this large"
            remedy = "choose a slower clock, or a smaller design: coarser formats, a reuse factor"
        raise OptionError(
            "the clock is too fast for this circuit",
            place=m.origin or m.name,
            found=found,
            supported=f"up to {1e3 / least:.0f} MHz (estimated)",
            remedy=remedy,
        )

    def _place_loop(self, m: Module, members: Sequence[int], schedule: Schedule) -> None:
        """Give all cells of a loop one label, the first in which every path fits the clock."""
        inside = set(members)
        outer = [o for s in members for o in m.operands(s) if o not in inside]
        label, _ = self._inputs(m, outer, schedule)
        for attempt in (label, label + 1):
            worst = self._settle_loop(m, members, inside, attempt, schedule)
            if worst[0] <= self.clock.budget:
                return
        self._require(m, worst[1], worst[0])

    def _settle_loop(
        self, m: Module, members: Sequence[int], inside: set[int], label: int, schedule: Schedule
    ) -> tuple[float, int]:
        """Compute arrivals in a loop at a label; return the latest and its cell."""
        worst, cell = 0.0, members[0]
        for s in members:
            schedule.label[s] = label
            if m.kind[s] == Kind.REG:
                schedule.arrival[s] = 0.0
        # Registers come last: what they read has settled by then.
        for s in sorted(members, key=lambda s: (m.kind[s] == Kind.REG, s)):
            reads = m.operands(s)
            start = max(
                (
                    schedule.arrival[o]
                    for o in reads
                    if schedule.label[o] == label and not m.is_constant(o)
                ),
                default=0.0,
            )
            if m.kind[s] == Kind.REG:
                end = start
            else:
                end = start + schedule.delay[s]
                schedule.arrival[s] = end
            if end > worst:
                worst, cell = end, s
        return worst, cell

    def _place_instance(
        self, m: Module, number: int, schedule: Schedule
    ) -> tuple[int, list[float]]:
        instance = m.instances[number]
        labels, arrivals = _reads(schedule, instance)
        label = int(labels.max(initial=0))
        settle: list[float] = np.where(labels == label, arrivals, 0.0).max(0).tolist()
        key = id(instance.module)
        if key not in self.done:
            worst = self._worst_use(instance.module, settle, schedule)
            self.done[key] = self.run(instance.module, worst)
        child = schedule.children[number] = self.done[key]
        if any(own > granted + 1e-9 for own, granted in zip(settle, child.granted, strict=True)):
            label += 1  # a register in front makes the module's assumption hold
        return label + child.latency, child.out_arrival * instance.count

    def _worst_use(self, child: Module, settle: list[float], schedule: Schedule) -> list[float]:
        """Return the latest arrivals over the uses of a module that are fed in the first cycle.

        Uses that turn out to be fed later than that get a register in front.
        """
        worst = list(settle)
        for other in schedule.uses[id(child)] if len(schedule.uses[id(child)]) > 1 else ():
            labels, arrivals = _reads(schedule, other)
            if labels.any():
                continue
            worst = np.maximum(worst, arrivals.max(0)).tolist()
        return [min(w, self.clock.budget) for w in worst]


def _reads(schedule: Schedule, instance: Instance) -> tuple[Ints, Reals]:
    """Return label and arrival of what feeds each copy of an instance, constants at 0."""
    m, feeds = schedule.module, instance.feeds
    if isinstance(schedule.label, np.ndarray) and isinstance(schedule.arrival, np.ndarray):
        moving = values(m.lo)[feeds] != values(m.hi)[feeds]
        label, arrival = schedule.label[feeds], schedule.arrival[feeds]
    else:
        rows = instance.inputs
        moving = np.asarray([m.lo[o] != m.hi[o] for o in rows], np.bool_).reshape(feeds.shape)
        label = np.asarray([schedule.label[o] for o in rows], np.int64).reshape(feeds.shape)
        arrival = np.asarray([schedule.arrival[o] for o in rows]).reshape(feeds.shape)
    return np.where(moving, label, 0), np.where(moving, arrival, 0.0)


def _parents(top: Module) -> dict[int, int]:
    """Return for each module in how many others it is used, by `id`."""
    parents: dict[int, int] = {}
    for m in modules(top):
        for key in {id(instance.module) for instance in m.instances}:
            parents[key] = parents.get(key, 0) + 1
    return parents
