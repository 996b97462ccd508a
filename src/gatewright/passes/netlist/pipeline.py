"""Place registers so that a clock is met, and state latency and interval exactly.

Every signal gets a *label*: the number of clock cycles by which it is later than the module's
inputs. A cell reads operands of one label only; where an operand is earlier, registers are put in
between, shared by all who read it. Adding the same number of registers to every path into a cell
changes nothing but the latency (a cut set; Leiserson and Saxe 1991). Cells on a loop through a
register share one label, because a loop must not get longer.

Labels are given as early as possible: a cell starts a new cycle where it would end past the clock
period. The registers that remain to be saved by later placement are left to a later pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.base import OptionError
from gatewright.hw import NO_RESET, NONE, Instance, Kind, Module
from gatewright.passes.netlist.delay import DelayModel, cell_delay
from gatewright.passes.netlist.loops import in_order

WIRING = (Kind.SHIFT,)
"""Cells that are made again behind a register instead of being registered."""


@dataclass(frozen=True)
class Clock:
    """A clock period in nanoseconds and the delay model it is met under."""

    period: float
    model: DelayModel

    @property
    def budget(self) -> float:
        """Time for logic between two registers."""
        return self.period - self.model.register


@dataclass(eq=False)
class Schedule:
    """Labels and arrival times of one module's signals.

    Attributes:
        label: cycles after the inputs.
        arrival: nanoseconds after the clock edge at which a signal settles.
        children: the pipelined module of each instance; None for one that nothing reads, which is
            left out.
        uses: the instances of each module, by its `id`.
    """

    label: list[int]
    arrival: list[float]
    children: list[Module | None]
    uses: dict[int, list[Instance]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Pipelined:
    """A module with its registers, and when its outputs settle within their cycle."""

    module: Module
    out_arrival: list[float]


def pipeline(top: Module, clock: Clock) -> Module:
    """Return the circuit with registers for a clock.

    Raises:
        OptionError: a single cell or a loop takes longer than the period allows.
    """
    return _Pipeliner(clock).run(top, [0.0] * len(top.input_signals)).module


class _Pipeliner:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.done: dict[int, tuple[Module, Pipelined, list[float]]] = {}

    def run(self, m: Module, arrivals: list[float]) -> Pipelined:
        """Pipeline a module whose inputs settle at `arrivals` in their cycle."""
        schedule = self._schedule(m, arrivals)
        depth = max(
            (schedule.label[s] for s in m.output_signals if not m.is_constant(s)), default=0
        )
        built = _Rebuild(m, schedule, depth).run()
        out_arrival = [
            schedule.arrival[s] if schedule.label[s] == depth and not m.is_constant(s) else 0.0
            for s in m.output_signals
        ]
        built.latency = depth + m.latency
        intervals = [child.interval for child in schedule.children if child is not None]
        built.interval = max([m.interval, *intervals])
        return Pipelined(built, out_arrival)

    def _schedule(self, m: Module, arrivals: list[float]) -> Schedule:
        size = len(m)
        schedule = Schedule([0] * size, [0.0] * size, [None] * len(m.instances))
        for instance in m.instances:
            schedule.uses.setdefault(id(instance.module), []).append(instance)
        results: dict[int, tuple[int, list[float]]] = {}
        for members in in_order(m):
            s = members[0]
            kind = m.kind[s]
            if len(members) > 1 or kind == Kind.REG:
                self._place_loop(m, members, schedule)
            elif kind == Kind.INPUT:
                schedule.arrival[s] = arrivals[m.imm[s]]
            elif kind == Kind.INSTANCE:
                number, index = m.imm[s] >> 32, m.imm[s] & 0xFFFFFFFF
                if number not in results:
                    results[number] = self._place_instance(m, number, schedule)
                label, settle = results[number]
                schedule.label[s], schedule.arrival[s] = label, settle[index]
            elif kind != Kind.CONST:
                self._place_cell(m, s, schedule)
        return schedule

    def _inputs(self, m: Module, operands: list[int], schedule: Schedule) -> tuple[int, float]:
        """Return the latest label of some operands and when the last of them settles in it."""
        live = [o for o in operands if not m.is_constant(o)]
        label = max((schedule.label[o] for o in live), default=0)
        settle = max((schedule.arrival[o] for o in live if schedule.label[o] == label), default=0.0)
        return label, settle

    def _place_cell(self, m: Module, s: int, schedule: Schedule) -> None:
        label, start = self._inputs(m, m.operands(s), schedule)
        delay = cell_delay(m, s, self.clock.model)
        if start + delay > self.clock.budget and delay > 0:
            self._require(m, s, delay)
            label, start = label + 1, 0.0
        schedule.label[s], schedule.arrival[s] = label, start + delay

    def _require(self, m: Module, s: int, delay: float) -> None:
        """Refuse a clock that not even a single cell can meet."""
        if delay <= self.clock.budget:
            return
        kind, width = Kind(m.kind[s]).name.lower(), m.width(s)
        least = delay + self.clock.model.register
        raise OptionError(
            "the clock is too fast for this circuit",
            place=m.origin or m.name,
            found=f"{1e3 / self.clock.period:.0f} MHz; {kind} of {width} bits needs {least:.2f} ns",
            supported=f"up to {1e3 / least:.0f} MHz (estimated)",
            remedy="choose a slower clock, or narrower numbers in this layer",
        )

    def _place_loop(self, m: Module, members: list[int], schedule: Schedule) -> None:
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
        self, m: Module, members: list[int], inside: set[int], label: int, schedule: Schedule
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
                end = start + cell_delay(m, s, self.clock.model)
                schedule.arrival[s] = end
            if end > worst:
                worst, cell = end, s
        return worst, cell

    def _place_instance(
        self, m: Module, number: int, schedule: Schedule
    ) -> tuple[int, list[float]]:
        instance = m.instances[number]
        label, _ = self._inputs(m, list(instance.inputs), schedule)
        settle = [
            schedule.arrival[o] if schedule.label[o] == label and not m.is_constant(o) else 0.0
            for o in instance.inputs
        ]
        key = id(instance.module)
        if key not in self.done:
            worst = self._worst_use(instance.module, settle, schedule)
            self.done[key] = (instance.module, self.run(instance.module, worst), worst)
        _, result, assumed = self.done[key]
        if any(own > granted + 1e-9 for own, granted in zip(settle, assumed, strict=True)):
            label += 1  # a register in front makes the module's assumption hold
        schedule.children[number] = result.module
        return label + result.module.latency, result.out_arrival

    def _worst_use(self, child: Module, settle: list[float], schedule: Schedule) -> list[float]:
        """Return the latest arrivals over the uses of a module that are fed in the first cycle.

        Uses that turn out to be fed later than that get a register in front.
        """
        worst = list(settle)
        for other in schedule.uses[id(child)]:
            if any(schedule.label[o] for o in other.inputs):
                continue
            worst = [max(w, schedule.arrival[o]) for w, o in zip(worst, other.inputs, strict=True)]
        return [min(w, self.clock.budget) for w in worst]


class _Rebuild:
    """Write a scheduled module out again, with registers between labels."""

    def __init__(self, m: Module, schedule: Schedule, depth: int) -> None:
        self.m, self.schedule, self.depth = m, schedule, depth
        self.new = Module(m.name, m.origin, m.note, tables=list(m.tables))
        self.signal: dict[int, int] = {}
        self.chains: dict[int, list[int]] = {}
        self.control: set[int] = set()
        self.outputs: dict[int, list[int]] = {}

    def run(self) -> Module:
        """Copy ports, cells and registers in order."""
        m, new = self.m, self.new
        for port, signals in m.inputs.items():
            fresh = new.input(port, m.intervals(signals))
            for s, signal in zip(signals, fresh, strict=True):
                self._keep(s, signal, control=port == "valid_in")
        late: list[int] = []
        for s, kind in enumerate(m.kind):
            if kind == Kind.INPUT:
                continue
            if kind == Kind.REG:
                register = new.register(m.range(s), None if m.imm[s] == NO_RESET else m.imm[s])
                self._keep(s, register, control=m.imm[s] != NO_RESET and m.width(s) == 1)
                late.append(s)
            elif kind == Kind.INSTANCE:
                self._instance(s)
            else:
                self._cell(s, Kind(kind))
        for s in late:
            label = self.schedule.label[s]
            enable = NONE if m.b[s] == NONE else self.at(m.b[s], label)
            new.connect(self.signal[s], self.at(m.a[s], label), enable)
        for port, signals in m.outputs.items():
            new.output(port, [self.at(s, self.depth) for s in signals])
        return new

    def _keep(self, old: int, fresh: int, control: bool) -> None:
        self.signal[old] = fresh
        if old in self.m.names:
            self.new.label(fresh, self.m.names[old])
        if control:
            self.control.add(fresh)

    def _cell(self, s: int, kind: Kind) -> None:
        m, label = self.m, self.schedule.label[s]
        a, b, c = (o if o == NONE else self.at(o, label) for o in (m.a[s], m.b[s], m.c[s]))
        fresh = self.new.row(kind, m.range(s), a, b, c, m.imm[s])
        read = [o for o in (a, b, c) if o != NONE]
        # A gate that a control signal holds at 0 in reset is control, whatever else it reads.
        gated = kind == Kind.AND and any(o in self.control for o in read)
        derived = kind in (Kind.OR, Kind.SELECT) and all(o in self.control for o in read)
        self._keep(s, fresh, control=m.width(s) == 1 and (gated or derived))

    def _instance(self, s: int) -> None:
        number, index = self.m.imm[s] >> 32, self.m.imm[s] & 0xFFFFFFFF
        if number not in self.outputs:
            old, child = self.m.instances[number], self.schedule.children[number]
            assert child is not None, "an instance was not placed"
            start = self.schedule.label[s] - child.latency
            feeds = iter([self.at(o, start) for o in old.inputs])
            ports = {p: [next(feeds) for _ in signals] for p, signals in child.inputs.items()}
            found = self.new.instance(child, ports, old.name)
            self.control.update(found.get("valid_out", ()))
            self.outputs[number] = [o for port in found.values() for o in port]
        self._keep(
            s, self.outputs[number][index], control=self.outputs[number][index] in self.control
        )

    def at(self, s: int, label: int) -> int:
        """Return a signal delayed to a label."""
        m, own = self.m, self.schedule.label[s]
        if m.is_constant(s):
            # On its own grid, whatever cell it comes from: the cells that read it count on that.
            return self.new.row(Kind.CONST, m.range(s), imm=m.lo[s])
        if m.kind[s] in WIRING and label > own:
            source = self.at(m.a[s], label)
            return self.new.shift(source, m.imm[s])
        chain = self.chains.setdefault(s, [self.signal[s]])
        while len(chain) <= label - own:
            source = chain[-1]
            control = chain[0] in self.control
            register = self.new.register(m.range(s), 0 if control else None)
            self.new.connect(register, source)
            if control:
                self.control.add(register)
            if chain[0] in self.new.names:
                self.new.label(register, f"{self.new.names[chain[0]]}_r{len(chain)}")
            chain.append(register)
        return chain[label - own]
