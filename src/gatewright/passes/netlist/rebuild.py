"""Write a module out again with registers between the labels of its signals."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.hw import NO_RESET, NONE, Kind, Module
from gatewright.passes.netlist.bits import same_bits


def live_cells(m: Module) -> list[bool]:
    """Tell which cells something reads: an output, an instance or a register, in the end.

    What can only have one value is written as a constant wherever it is read, and so its cell is
    not live, nor what stands before it for its sake.
    """
    live = [False] * len(m)
    todo = [s for s, kind in enumerate(m.kind) if kind in (Kind.REG, Kind.INPUT, Kind.INSTANCE)]
    todo += m.output_signals
    for s in todo:
        live[s] = True
    for instance in m.instances:
        todo.extend(instance.inputs)
    while todo:
        s = todo.pop()
        if m.is_constant(s) and m.kind[s] != Kind.REG:
            live[s] = m.kind[s] in (Kind.INPUT, Kind.INSTANCE)
            continue
        live[s] = True
        if m.kind[s] != Kind.INSTANCE:
            todo.extend(o for o in m.operands(s) if not live[o])
    return live


class Rebuild:
    """Write a scheduled module out again, with registers between labels.

    Args:
        m: the module without registers.
        labels: cycles after the inputs of each signal.
        depth: label of the outputs.
        children: the finished module of each instance; None for one that nothing reads.
    """

    def __init__(
        self, m: Module, labels: Sequence[int], depth: int, children: Sequence[Module | None]
    ) -> None:
        self.m, self.labels, self.depth, self.children = m, labels, depth, children
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
        live = live_cells(m)
        for s, kind in enumerate(m.kind):
            if kind == Kind.INPUT or not live[s]:
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
            label = self.labels[s]
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
        m, label = self.m, self.labels[s]
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
            old, child = self.m.instances[number], self.children[number]
            assert child is not None, "an instance was not placed"
            start = self.labels[s] - child.latency
            feeds = iter([self.at(o, start) for o in old.inputs])
            ports = {p: [next(feeds) for _ in signals] for p, signals in child.inputs.items()}
            found = self.new.instance(child, ports, old.name)
            self.control.update(found.get("valid_out", ()))
            self.outputs[number] = [o for port in found.values() for o in port]
        self._keep(
            s, self.outputs[number][index], control=self.outputs[number][index] in self.control
        )

    def _again(self, s: int, source: int, label: int) -> int:
        """Return a cell that is made again behind the registers of its operand."""
        m, new = self.m, self.new
        late = self.at(source, label)
        if m.kind[s] == Kind.SHIFT:
            return new.shift(late, m.imm[s])
        other = self.at(m.b[s] if m.a[s] == source else m.a[s], label)
        return new.row(Kind(m.kind[s]), m.range(s), min(late, other), max(late, other))

    def at(self, s: int, label: int) -> int:
        """Return a signal delayed to a label."""
        m, own = self.m, self.labels[s]
        if m.is_constant(s):
            # On its own grid, whatever cell it comes from: the cells that read it count on that.
            return self.new.row(Kind.CONST, m.range(s), imm=m.lo[s])
        source = same_bits(m, s) if label > own else NONE
        if source != NONE:
            return self._again(s, source, label)
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
