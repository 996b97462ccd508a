"""Find the slowest path between two registers of a pipelined circuit, under a delay model."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.hw import NONE, Instance, Kind, Module
from gatewright.passes.netlist import DelayModel, cell_delay, growth
from gatewright.passes.netlist.bits import Bits

CONSTANTS = ("register", "lut", "carry", "carry_bit", "mux", "spread")
"""The constants of a delay model; the period of a path is linear in them."""
CELLS = CONSTANTS[1:-1]

Terms = tuple[float, ...]
"""How often each of `CELLS` counts on a path."""


@dataclass(frozen=True)
class Path:
    """The slowest path between registers.

    Attributes:
        period: nanoseconds that it takes, register included: what limits the clock.
        terms: how often each of `CONSTANTS` counts in it.
        module: the module in which it ends.
    """

    period: float
    terms: dict[str, float]
    module: str

    @property
    def fmax(self) -> float:
        """Highest clock in MHz."""
        return 1e3 / self.period


@dataclass(frozen=True)
class _Arrival:
    """When a signal settles after the clock edge, and by which cells."""

    time: float
    terms: Terms


@dataclass
class _Settled:
    """What one module does for given input arrivals."""

    outputs: list[_Arrival]
    worst: _Arrival
    where: str


START = _Arrival(0.0, (0.0,) * len(CELLS))


def unit_models(lut_inputs: int) -> list[DelayModel]:
    """Return a model for each of `CELLS`, which counts 1 while all others count 0."""
    kinds = range(len(CELLS))
    rows = [[float(i == k) for i in kinds] for k in kinds]
    return [
        DelayModel(
            lut,
            carry,
            bit,
            mux,
            register=0.0,
            source="",
            lut_inputs=lut_inputs,
            dsp=0.0,
            dsp_add=0.0,
        )
        for lut, carry, bit, mux in rows
    ]


def critical_path(top: Module, model: DelayModel, luts: float) -> Path:
    """Return the slowest path of a circuit with its registers; in a network, of one instance.

    What enters and leaves the circuit counts as held in registers outside: a path from an input or
    to an output takes as long as it would between two registers. A module that is used with equal
    arrivals is looked at once.

    Args:
        top: a circuit with its registers.
        model: delays, not yet for a size.
        luts: how many LUTs the design takes, for the spread of its nets.
    """
    search = _Search(model, unit_models(model.lut_inputs))
    found = search.settle(top, (START,) * len(top.input_signals))
    worst, where = found.worst, found.where
    for output in found.outputs:
        if output.time > worst.time:
            worst, where = output, top.name
    terms = dict(zip(CONSTANTS, (1.0, *worst.terms, growth(luts)), strict=True))
    return Path(worst.time + model.sized(luts).register, terms, where)


@dataclass
class _Search:
    model: DelayModel
    units: list[DelayModel]
    known: dict[tuple[int, tuple[_Arrival, ...]], _Settled] = field(default_factory=dict)
    bits: dict[int, Bits] = field(default_factory=dict)

    def settle(self, m: Module, inputs: tuple[_Arrival, ...]) -> _Settled:
        key = (id(m), inputs)
        if key not in self.known:
            self.known[key] = self._settle(m, inputs)
        return self.known[key]

    def _settle_copies(self, instance: Instance, feeds: list[_Arrival]) -> _Settled:
        """Settle the copies that stand side by side; their outputs follow each other."""
        size = len(feeds) // instance.count
        copies = [tuple(feeds[i * size : (i + 1) * size]) for i in range(instance.count)]
        settled = [self.settle(instance.module, given) for given in copies]
        slowest = max(settled, key=lambda s: s.worst.time)
        outputs = [o for s in settled for o in s.outputs]
        return _Settled(outputs, slowest.worst, slowest.where)

    def _settle_network(self, m: Module) -> _Settled:
        """Settle the instances of a network, all that feeds them as from registers.

        The paths of `ready`, that run through several, are looked at by `slowest_ready`.
        """
        settled = [self.settle(i.module, (START,) * len(i.inputs)) for i in m.instances]
        slowest = max(settled, key=lambda s: s.worst.time)
        return _Settled([START] * len(m.output_signals), slowest.worst, slowest.where)

    def _settle(self, m: Module, inputs: tuple[_Arrival, ...]) -> _Settled:
        if m.is_network:
            return self._settle_network(m)
        size, bits = len(m), self.bits.setdefault(id(m), Bits(m))
        time, before = [0.0] * size, [NONE] * size
        given: dict[int, _Arrival] = {}
        used: dict[int, _Settled] = {}
        for s, kind in enumerate(m.kind):
            if kind == Kind.INPUT:
                given[s] = inputs[m.imm[s]]
            elif kind == Kind.INSTANCE:
                number, index = m.imm[s] >> 32, m.imm[s] & 0xFFFFFFFF
                if number not in used:
                    feeds = [self._trace(m, o, before, given) for o in m.instances[number].inputs]
                    used[number] = self._settle_copies(m.instances[number], feeds)
                given[s] = used[number].outputs[index]
            elif kind not in (Kind.REG, Kind.CONST):
                # What cannot change settles at once.
                last = max((o for o in m.operands(s) if not m.is_constant(o)),
                           key=time.__getitem__, default=NONE)  # fmt: skip
                if last != NONE:
                    time[s] = time[last] + cell_delay(m, s, self.model, bits)
                    before[s] = last
                continue
            if s in given:
                time[s] = 0.0 if m.is_constant(s) else given[s].time
        return self._ends(m, time, before, given, used)

    def _ends(
        self, m: Module, time: list[float], before: list[int], given: dict[int, _Arrival],
        used: dict[int, _Settled],
    ) -> _Settled:  # fmt: skip
        """Return when outputs settle, and the latest signal that a register or memory takes in."""
        worst, where = START, m.name
        for child in used.values():
            if child.worst.time > worst.time:
                worst, where = child.worst, child.where
        taken = [o for s, kind in enumerate(m.kind) if kind == Kind.REG
                 for o in (m.a[s], m.b[s]) if o != NONE]  # fmt: skip
        taken += [o for memory in m.memories for o in memory.port]
        last = max(taken, key=time.__getitem__, default=NONE)
        if last != NONE and time[last] > worst.time:
            worst, where = self._trace(m, last, before, given), m.name
        outputs = [self._trace(m, s, before, given) for s in m.output_signals]
        return _Settled(outputs, worst, where)

    def _trace(self, m: Module, s: int, before: list[int], given: dict[int, _Arrival]) -> _Arrival:
        """Add up the way to a signal, back to where it starts."""
        counts, bits = [0.0] * len(self.units), self.bits[id(m)]
        total = 0.0
        cells = []
        while s not in given and before[s] != NONE:
            cells.append(s)
            s = before[s]
        start = START if m.is_constant(s) else given.get(s, START)
        total = start.time
        for cell in reversed(cells):
            total += cell_delay(m, cell, self.model, bits)
            units = (cell_delay(m, cell, u, bits) for u in self.units)
            counts = [n + d for n, d in zip(counts, units, strict=True)]
        terms = tuple(n + t for n, t in zip(counts, start.terms, strict=True))
        return _Arrival(total, terms)
