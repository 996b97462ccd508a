"""Write a module out again with registers between the labels of its signals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.hw import NO_RESET, NONE, VALID_IN, VALID_OUT, Kind, Module
from gatewright.hw.bulk import instance_rows, is_structure, values, with_children
from gatewright.passes.netlist.schedule import Schedule

REG, INPUT, INSTANCE = int(Kind.REG), int(Kind.INPUT), int(Kind.INSTANCE)
AND = int(Kind.AND)
GATES = frozenset((AND, int(Kind.OR), int(Kind.SELECT)))
"""Cells that can pass control on."""
CONST, SHIFT = int(Kind.CONST), int(Kind.SHIFT)


class Rebuild:
    """Write a scheduled module out again, with registers between labels.

    Args:
        schedule: the module without registers, and its labels.
        children: the finished module of each instance; None for one that nothing reads.
    """

    def __init__(self, schedule: Schedule, children: Sequence[Module | None]) -> None:
        self.schedule, self.children = schedule, children
        m = self.m = schedule.module
        self.labels, self.depth, self.moved = schedule.label, schedule.depth, schedule.moved
        self.new = m.emptied()
        self.new.tables = list(m.tables)
        self.signal: dict[int, int] = {}
        self.constants: dict[int, int] = {}
        self.chains: dict[int, list[int]] = {}
        self.control: set[int] = set()
        self.outputs: dict[int, list[int]] = {}

    def run(self) -> Module:
        """Copy ports, cells and registers in order."""
        m, new = self.m, self.new
        if self._is_in_step():
            return self._copied()
        for port, signals in m.inputs.items():
            fresh = new.input(port, m.intervals(signals))
            for s, signal in zip(signals, fresh, strict=True):
                self._keep(s, signal, control=port == "valid_in")
        late: list[int] = []
        live = self.schedule.live
        for s, kind in enumerate(m.kind):
            if kind == INPUT or not live[s]:
                continue
            if kind == REG:
                register = new.register(m.range(s), None if m.imm[s] == NO_RESET else m.imm[s])
                self._keep(s, register, control=m.imm[s] != NO_RESET and m.width(s) == 1)
                late.append(s)
            elif kind == INSTANCE:
                self._instance(s)
            else:
                self._cell(s, kind)
        for s in late:
            label = self.labels[s]
            enable = NONE if m.b[s] == NONE else self.at(m.b[s], label)
            new.connect(self.signal[s], self.at(m.a[s], label), enable)
        for port, signals in m.outputs.items():
            new.output(port, [self.at(s, self.depth) for s in signals])
        return new

    def _copied(self) -> Module:
        """Copy a module that only connects others; what leaves early waits at the outputs."""
        m, pairs = self.m, zip(self.m.instances, self.children, strict=True)
        new = self.new = with_children(m, {id(i.module): c for i, c in pairs if c is not None})
        self.control.update(m.inputs.get(VALID_IN, ()))
        for instance, rows in zip(new.instances, instance_rows(m), strict=True):
            if VALID_OUT in instance.module.outputs:
                found = rows.reshape(instance.count, -1)
                self.control.update(_valid_out(instance.module, found))
        label = np.asarray(self.labels, np.int64)
        single = values(m.lo) == values(m.hi)
        for port, signals in m.outputs.items():
            rows = np.asarray(signals, np.int64)
            early = np.flatnonzero((label[rows] != self.depth) & ~single[rows])
            for i in early.tolist():
                s = signals[i]
                self.signal[s] = s
                new.outputs[port][i] = self.at(s, self.depth)
        return new

    def _is_in_step(self) -> bool:
        """Whether a module only connects others, and no instance waits for a signal."""
        m, children = self.m, [child for child in self.children if child is not None]
        if not is_structure(m) or len(children) < len(m.instances):
            return False
        label, kind = np.asarray(self.labels, np.int64), values(m.kind)
        single = values(m.lo) == values(m.hi)
        if (single & (kind != CONST)).any():
            return False
        ends, rows = np.zeros(len(children), np.int64), np.flatnonzero(kind == INSTANCE)
        ends[values(m.imm)[rows] >> 32] = label[rows]
        for instance, child, end in zip(m.instances, children, ends.tolist(), strict=True):
            feeds = values(instance.inputs)
            if (label[feeds] != end - child.latency)[~single[feeds]].any():
                return False
        return True

    def _keep(self, old: int, fresh: int, control: bool) -> None:
        self.signal[old] = fresh
        if old in self.m.names:
            self.new.label(fresh, self.m.names[old])
        if control:
            self.control.add(fresh)

    def _cell(self, s: int, kind: int) -> None:
        m, label = self.m, self.labels[s]
        a, b, c = m.a[s], m.b[s], m.c[s]
        a = a if a == NONE else self.at(a, label)
        b = b if b == NONE else self.at(b, label)
        c = c if c == NONE else self.at(c, label)
        fresh = self.new.row(kind, (m.lo[s], m.hi[s], m.frac[s]), a, b, c, m.imm[s])
        control = False
        if kind in GATES and m.width(s) == 1:
            held = [o in self.control for o in (a, b, c) if o != NONE]
            # A gate that a control signal holds at 0 in reset is control, whatever else it reads.
            control = any(held) if kind == AND else all(held)
        self._keep(s, fresh, control)

    def _instance(self, s: int) -> None:
        number, index = self.m.imm[s] >> 32, self.m.imm[s] & 0xFFFFFFFF
        if number not in self.outputs:
            old, child = self.m.instances[number], self.children[number]
            assert child is not None, "an instance was not placed"
            start = self.labels[s] - child.latency
            at = {o: self.at(o, start) for o in dict.fromkeys(old.inputs)}
            feeds = np.asarray([at[o] for o in old.inputs], np.int64).reshape(old.count, -1)
            found = self.new.instances_of(child, feeds, old.name)
            self.control.update(_valid_out(child, found))
            self.outputs[number] = found.ravel().tolist()
        self._keep(
            s, self.outputs[number][index], control=self.outputs[number][index] in self.control
        )

    def _again(self, s: int, source: int, label: int) -> int:
        """Return a cell that is made again behind the registers of its operand."""
        m, new = self.m, self.new
        late = self.at(source, label)
        if m.kind[s] == SHIFT:
            return new.shift(late, m.imm[s])
        other = self.at(m.b[s] if m.a[s] == source else m.a[s], label)
        return new.row(m.kind[s], m.range(s), min(late, other), max(late, other))

    def at(self, s: int, label: int) -> int:
        """Return a signal delayed to a label."""
        m = self.m
        if m.lo[s] == m.hi[s]:
            if s not in self.constants:
                # On its own grid, whatever cell it comes from: those that read it count on that.
                self.constants[s] = self.new.row(CONST, m.range(s), imm=m.lo[s])
            return self.constants[s]
        own = self.labels[s]
        if label == own:
            return self.signal[s]
        if self.moved[s] != NONE:
            return self._again(s, self.moved[s], label)
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


def _valid_out(child: Module, found: np.ndarray) -> list[int]:
    """Return the signals of an instance that say whether its answer is valid."""
    first = 0
    for port, signals in child.outputs.items():
        if port == VALID_OUT:
            return list(found[:, first : first + len(signals)].ravel().tolist())
        first += len(signals)
    return []
