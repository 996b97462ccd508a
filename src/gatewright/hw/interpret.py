"""The interpreter that defines each cell: plain integers, one cell after another.

Values are NumPy arrays over a batch of independent copies of the circuit. Registers and memories
are read before and written after the cells of a cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from gatewright.base import VerificationError
from gatewright.hw.cells import NO_RESET, NONE, Kind
from gatewright.hw.memory import FIELD_BITS, Memory
from gatewright.hw.module import Module
from gatewright.num import Ints


@dataclass
class Simulator:
    """Run a module cycle by cycle; a circuit without state needs one `step`.

    Attributes:
        module: what to run.
        batch: number of independent copies.
        check: raise `VerificationError` where a value leaves the range its signal claims.
        state: what each register holds, (batch,).
        memories: what each memory holds, (batch, depth, fields).
    """

    module: Module
    batch: int = 1
    check: bool = True
    state: dict[int, Ints] = field(default_factory=dict)
    children: list[Simulator] = field(default_factory=list)
    memories: list[Ints] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The copies of an instance are so many more copies of the circuit.
        self.children = [
            Simulator(i.module, i.count * self.batch, self.check) for i in self.module.instances
        ]
        self._is_clocked = [i.module.is_sequential for i in self.module.instances]
        for s, kind in enumerate(self.module.kind):
            if kind == Kind.REG:
                self.state[s] = np.full(self.batch, _safe_start(self.module, s), np.int64)
        self.memories = [_at_power_up(memory, self.batch) for memory in self.module.memories]

    def reset(self) -> None:
        """Put every register that has a reset value to it; memories keep what they hold."""
        for s in self.state:
            if self.module.imm[s] != NO_RESET:
                self.state[s] = np.full(self.batch, self.module.imm[s], np.int64)
        for child in self.children:
            child.reset()

    def checking(self, on: bool) -> None:
        """Switch the check of ranges, here and in every instance."""
        self.check = on
        for child in self.children:
            child.checking(on)

    def step(self, inputs: Mapping[str, Ints]) -> dict[str, Ints]:
        """Run one cycle.

        Args:
            inputs: for each port, integers of shape (batch, elements).

        Returns:
            For each output port, integers of shape (batch, elements), before the clock edge.
        """
        values = self._settle(inputs)
        self._clock(values)
        return self._outputs(values)

    def peek(self, inputs: Mapping[str, Ints]) -> dict[str, Ints]:
        """Return the outputs of a cycle without a clock edge."""
        return self._outputs(self._settle(inputs))

    def _outputs(self, values: list[Ints]) -> dict[str, Ints]:
        """Gather the output ports."""
        return {
            name: np.stack([values[s] for s in signals], axis=1) if signals else _empty(self.batch)
            for name, signals in self.module.outputs.items()
        }

    def _settle(self, inputs: Mapping[str, Ints]) -> list[Ints]:
        """Compute every signal of the cycle."""
        if not self.module.is_network:
            return self._settle_once(inputs, [])
        # Signals may run backwards: from any start they settle, as no loop is combinational.
        m, checked = self.module, self.check
        values = [np.full(self.batch, _safe_start(m, s), np.int64) for s in range(len(m))]
        self.checking(False)
        for _ in range(2 * len(m.instances) + 2):
            before, values = values, self._settle_once(inputs, values)
            if all(np.array_equal(a, b) for a, b in zip(before, values, strict=True)):
                break
        else:
            raise VerificationError(
                "a network does not settle: a combinational loop", place=m.origin or m.name
            )
        self.checking(checked)
        return self._settle_once(inputs, values) if checked else values

    def _settle_once(self, inputs: Mapping[str, Ints], later: list[Ints]) -> list[Ints]:
        """Compute every signal from those before it, and of a network from those `later`."""
        m = self.module
        flat = [
            np.asarray(inputs[p], np.int64)[:, i]
            for p, ss in m.inputs.items()
            for i in range(len(ss))
        ]
        values: list[Ints] = []
        ready: dict[int, list[Ints]] = {}
        for s, kind in enumerate(m.kind):
            if kind == Kind.REG:
                value = self.state[s]
            elif kind == Kind.INPUT:
                value = flat[m.imm[s]]
            elif kind == Kind.INSTANCE:
                number, index = m.imm[s] >> 32, m.imm[s] & 0xFFFFFFFF
                if number not in ready:
                    ready[number] = self._child_outputs(number, values + later[s:])
                value = ready[number][index]
            elif kind == Kind.READ:
                value = self._read(s, values)
            else:
                value = np.broadcast_to(EVALUATE[Kind(kind)](m, s, values), (self.batch,))
            if self.check:
                _check_range(m, s, value)
            values.append(value)
        return values

    def _child_inputs(self, number: int, values: list[Ints]) -> dict[str, Ints]:
        """Bring the signals that feed an instance onto the grids of its ports."""
        instance = self.module.instances[number]
        child, frac, result = instance.module, self.module.frac, {}
        feeds, batch = iter(instance.feeds.T.tolist()), self.batch * instance.count
        for port, signals in child.inputs.items():
            columns = [
                np.concatenate([_to_grid(values[o], frac[o], child.frac[inner]) for o in outers])
                for inner, outers in zip(signals, feeds, strict=False)
            ]
            result[port] = np.stack(columns, axis=1) if columns else _empty(batch)
        return result

    def _child_outputs(self, number: int, values: list[Ints]) -> list[Ints]:
        """Return the outputs of an instance in this cycle, copy after copy, port after port."""
        outputs = self.children[number].peek(self._child_inputs(number, values))
        columns = [column for port in outputs.values() for column in port.T]
        copies = range(self.module.instances[number].count)
        return [c[i * self.batch : (i + 1) * self.batch] for i in copies for c in columns]

    def _read(self, s: int, values: list[Ints]) -> Ints:
        """Return what a memory held before the edge; zero past its end."""
        number, column = divmod(self.module.imm[s], 1 << FIELD_BITS)
        held = self.memories[number]
        code = _code(self.module, self.module.a[s], values)
        there = np.minimum(code, held.shape[1] - 1)
        return np.where(code < held.shape[1], held[np.arange(self.batch), there, column], 0)

    def _write(self, number: int, values: list[Ints]) -> None:
        """Write a word of a memory in the copies that are enabled and whose address is there."""
        m, memory, held = self.module, self.module.memories[number], self.memories[number]
        code = _code(m, memory.address, values)
        rows = np.flatnonzero((values[memory.enable] != 0) & (code < memory.depth))
        fields = memory.fields
        kinds = zip(fields.lo.tolist(), fields.hi.tolist(), fields.frac.tolist(), strict=True)
        for column, (s, (lo, hi, frac)) in enumerate(zip(memory.data, kinds, strict=True)):
            new = _to_grid(values[s][rows], m.frac[s], frac)
            if self.check and new.size and (new.min() < lo or new.max() > hi):
                raise VerificationError(
                    "a number is written into a memory that cannot hold it",
                    place=f"{m.origin or m.name}: memory {memory.name}, field {column}",
                    found=f"{new.min()}..{new.max()}",
                    supported=f"{lo}..{hi}",
                )
            held[rows, code[rows], column] = new

    def _clock(self, values: list[Ints]) -> None:
        """Take the clock edge."""
        m = self.module
        for number in range(len(m.memories)):
            self._write(number, values)
        for number, child in enumerate(self.children):
            if self._is_clocked[number]:
                child.step(self._child_inputs(number, values))
        following: dict[int, Ints] = {}
        for s in self.state:
            new = _to_grid(values[m.a[s]], m.frac[m.a[s]], m.frac[s])
            if m.b[s] != NONE:
                new = np.where(values[m.b[s]] != 0, new, self.state[s])
            if self.check:
                _check_range(m, s, new)
            following[s] = new
        self.state = following


def evaluate(module: Module, inputs: Mapping[str, Ints], check: bool = True) -> dict[str, Ints]:
    """Run a circuit without state on a batch; see `Simulator.step`."""
    assert not module.is_sequential, "a circuit with state needs a `Simulator`"
    batch = len(next(iter(inputs.values()))) if inputs else 1
    return Simulator(module, batch, check).peek(inputs)


def _empty(batch: int) -> Ints:
    return np.zeros((batch, 0), np.int64)


def _safe_start(module: Module, s: int) -> int:
    """Return what a register holds before reset: anything legal, not zero where it can be."""
    return module.hi[s] or module.lo[s]


def _at_power_up(memory: Memory, batch: int) -> Ints:
    """Return what a memory holds at power-up: its words, or legal numbers that mean nothing."""
    shape = batch, memory.depth, memory.fields.size
    if memory.init is not None:
        return np.broadcast_to(memory.init, shape).copy()
    return np.random.default_rng(0).integers(memory.fields.lo, memory.fields.hi + 1, shape)


def _check_range(module: Module, s: int, value: Ints) -> None:
    if value.size and (value.min() < module.lo[s] or value.max() > module.hi[s]):
        raise VerificationError(
            "a signal left the range that the circuit claims for it",
            place=f"{module.origin or module.name}: signal {s} ({Kind(module.kind[s]).name})",
            found=f"{value.min()}..{value.max()}",
            supported=f"{module.lo[s]}..{module.hi[s]}",
        )


def _to_grid(value: Ints, frac: int, target: int) -> Ints:
    """Express integers of one grid in units of another; zeros below the coarser grid may go."""
    shift = target - frac
    return value << shift if shift >= 0 else value >> -shift


def _code(m: Module, s: int, values: list[Ints]) -> Ints:
    """Return the two's complement code of a signal as an unsigned integer."""
    return values[s] & ((1 << m.width(s)) - 1)


def _pair(m: Module, s: int, values: list[Ints]) -> tuple[Ints, Ints]:
    """Return operands a and b on the finer of their grids."""
    a, b = m.a[s], m.b[s]
    frac = max(m.frac[a], m.frac[b])
    return _to_grid(values[a], m.frac[a], frac), _to_grid(values[b], m.frac[b], frac)


def _add(m: Module, s: int, v: list[Ints]) -> Ints:
    a, b = _pair(m, s, v)
    return a + b


def _sub(m: Module, s: int, v: list[Ints]) -> Ints:
    a, b = _pair(m, s, v)
    return a - b


def _wrap(m: Module, s: int, v: list[Ints]) -> Ints:
    width, signed = m.imm[s] >> 1, m.imm[s] & 1
    q = _to_grid(v[m.a[s]], m.frac[m.a[s]], m.frac[s])
    low = -(1 << (width - 1)) if signed and width else 0
    return np.mod(q - low, 1 << width) + low


def _less(m: Module, s: int, v: list[Ints]) -> Ints:
    a, b = _pair(m, s, v)
    return (a < b).astype(np.int64)


def _equal(m: Module, s: int, v: list[Ints]) -> Ints:
    a, b = _pair(m, s, v)
    return np.asarray(a == b, np.int64)


def _select(m: Module, s: int, v: list[Ints]) -> Ints:
    a, b, frac = m.b[s], m.c[s], m.frac[s]
    return np.where(
        v[m.a[s]] != 0, _to_grid(v[a], m.frac[a], frac), _to_grid(v[b], m.frac[b], frac)
    )


def _slice(m: Module, s: int, v: list[Ints]) -> Ints:
    low, width = divmod(m.imm[s], 256)
    return (v[m.a[s]] >> low) & ((1 << width) - 1)


def _concat(m: Module, s: int, v: list[Ints]) -> Ints:
    return (_code(m, m.a[s], v) << m.width(m.b[s])) | _code(m, m.b[s], v)


def _table(m: Module, s: int, v: list[Ints]) -> Ints:
    number, column = divmod(m.imm[s], 1 << 20)
    words = m.tables[number].words[:, column]
    code = _code(m, m.a[s], v)
    return np.where(code < len(words), words[np.minimum(code, len(words) - 1)], 0)


Rule = Callable[[Module, int, list[Ints]], Ints]

EVALUATE: dict[Kind, Rule] = {
    Kind.CONST: lambda m, s, v: np.asarray(m.imm[s], np.int64),
    Kind.ADD: _add,
    Kind.SUB: _sub,
    Kind.MUL: lambda m, s, v: v[m.a[s]] * v[m.b[s]],
    Kind.SHIFT: lambda m, s, v: v[m.a[s]],
    Kind.WRAP: _wrap,
    Kind.LESS: _less,
    Kind.EQUAL: _equal,
    Kind.SELECT: _select,
    Kind.AND: lambda m, s, v: v[m.a[s]] & v[m.b[s]],
    Kind.OR: lambda m, s, v: v[m.a[s]] | v[m.b[s]],
    Kind.XOR: lambda m, s, v: v[m.a[s]] ^ v[m.b[s]],
    Kind.SLICE: _slice,
    Kind.CONCAT: _concat,
    Kind.TABLE: _table,
}
"""How each cell without state computes its value; REG, INPUT, INSTANCE and READ are in
`Simulator`."""
