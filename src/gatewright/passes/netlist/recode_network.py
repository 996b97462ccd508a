"""Read the adder networks of a module: sums of two signals, with signs and constants set aside.

Every signal of a network is `sign * u * 2**exponent + constant`, where `u` is the integer of a
*node*: a leaf (a signal that is no sum) or the sum `a * 2**ea + s * b * 2**eb` of two nodes, s = 1
or -1. Constants and signs never make a node, so that sums which differ by them alone share one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from gatewright.hw import NONE, Kind, Module
from gatewright.passes.netlist.bits import in_block
from gatewright.passes.netlist.live import live_cells

SUMS = (Kind.ADD, Kind.SUB)


class Term(NamedTuple):
    """What a signal is: `sign * u(node) * 2**exponent + constant * 2**-grid`."""

    node: int
    sign: int
    exponent: int
    constant: int


class Sum(NamedTuple):
    """The operands of a node: `a * 2**ea + sign * b * 2**eb`; the smaller shift is 0."""

    a: int
    ea: int
    b: int
    eb: int
    sign: int

    @property
    def start(self) -> int:
        """The lowest bit that both operands can have."""
        return max(self.ea, self.eb)


@dataclass
class Network:
    """The nodes of all adder networks of a module.

    Attributes:
        module: what was read.
        grid: constants are integers in units of `2**-grid`, finer than any signal.
        live: which cells something reads.
        term: what each signal is that a node stands for.
        leaf: row of a node that is a leaf, else NONE.
        sums: operands of a node that is a sum, else None.
        lo: smallest integer of each node.
        hi: largest integer of each node.
        reads: sums that take a node as an operand.
        outside: signals of a node that are read by something else than a sum.
        needed: whether anything outside depends on a node.
        known: the node of each sum.
    """

    module: Module
    grid: int
    live: list[bool]
    term: dict[int, Term] = field(default_factory=dict)
    leaf: list[int] = field(default_factory=list)
    sums: list[Sum | None] = field(default_factory=list)
    lo: list[int] = field(default_factory=list)
    hi: list[int] = field(default_factory=list)
    reads: list[list[int]] = field(default_factory=list)
    outside: list[list[int]] = field(default_factory=list)
    needed: list[bool] = field(default_factory=list)
    known: dict[Sum, int] = field(default_factory=dict)

    @classmethod
    def of(cls, m: Module) -> Network:
        """Read the networks of a module."""
        live = live_cells(m)
        net = cls(m, max(m.frac, default=0), live)
        for s, kind in enumerate(m.kind):
            if not live[s] or m.is_constant(s) or in_block(m, s):
                continue  # the adder of a DSP block is a leaf, and reads its operands from outside
            if kind in (*SUMS, Kind.SHIFT):
                net._enter(s)
        net._tighten()
        net._find_readers()
        return net

    def is_sum(self, s: int) -> bool:
        """Whether a signal stands for a sum of two nodes."""
        node = self.term[s].node if s in self.term else NONE
        return node != NONE and self.sums[node] is not None

    def _enter(self, s: int) -> None:
        m = self.module
        if m.kind[s] == Kind.SHIFT:
            t, by = self.at(m.a[s]), m.imm[s]
            constant = t.constant << by if by >= 0 else t.constant >> -by
            self.term[s] = Term(t.node, t.sign, t.exponent + by, constant)
            return
        a, b = self.at(m.a[s]), self.at(m.b[s])
        if m.kind[s] == Kind.SUB:
            b = Term(b.node, -b.sign, b.exponent, -b.constant)
        if a.node == NONE or b.node == NONE:
            t = b if a.node == NONE else a
            self.term[s] = Term(t.node, t.sign, t.exponent, a.constant + b.constant)
        else:
            self.term[s] = self._join(a, b)
        self._narrow(s)

    def at(self, s: int) -> Term:
        """Return what an operand is: a constant has node NONE."""
        m = self.module
        if m.is_constant(s):
            up = self.grid - m.frac[s]
            return Term(NONE, 1, 0, m.lo[s] << up if up >= 0 else m.lo[s] >> -up)
        if s not in self.term:
            self.term[s] = Term(self._node(s, None, m.lo[s], m.hi[s]), 1, -m.frac[s], 0)
        return self.term[s]

    def _node(self, leaf: int, total: Sum | None, lo: int, hi: int) -> int:
        self.leaf.append(leaf)
        self.sums.append(total)
        self.lo.append(lo)
        self.hi.append(hi)
        self.reads.append([])
        self.outside.append([])
        return len(self.leaf) - 1

    def _join(self, a: Term, b: Term) -> Term:
        """Return the sum of two terms, by a node that may be there already."""
        constant = a.constant + b.constant
        if a.node == b.node and a.exponent == b.exponent:
            if a.sign == b.sign:
                return Term(a.node, a.sign, a.exponent + 1, constant)
            return Term(NONE, 1, 0, constant)
        if (a.node, a.exponent) > (b.node, b.exponent):
            a, b = b, a
        low = min(a.exponent, b.exponent)
        key = Sum(a.node, a.exponent - low, b.node, b.exponent - low, a.sign * b.sign)
        if key not in self.known:
            self.known[key] = self._node(NONE, key, *self.reach(key))
        return Term(self.known[key], a.sign, low, constant)

    def _narrow(self, s: int) -> None:
        """Take over what the module knows about the range of a sum."""
        t, m = self.term[s], self.module
        if t.node == NONE or self.sums[t.node] is None:
            return
        up, unit = self.grid - m.frac[s], t.exponent + self.grid
        lo, hi = (m.lo[s] << up) - t.constant, (m.hi[s] << up) - t.constant
        if t.sign < 0:
            lo, hi = -hi, -lo
        self.lo[t.node] = max(self.lo[t.node], -(-lo >> unit))
        self.hi[t.node] = min(self.hi[t.node], hi >> unit)

    def _find_readers(self) -> None:
        """Note who reads each node."""
        m = self.module
        read = set(m.output_signals)
        read.update(o for i in m.instances for o in i.inputs)
        for s, kind in enumerate(m.kind):
            adds = kind in SUMS and not in_block(m, s)
            if self.live[s] and not adds and kind not in (Kind.SHIFT, Kind.INSTANCE):
                read.update(m.operands(s))
        for s in sorted(read):
            if self.is_sum(s) and not m.is_constant(s):
                self.outside[self.term[s].node].append(s)
        needed = [bool(o) for o in self.outside]
        for node in range(len(self.sums) - 1, -1, -1):
            total = self.sums[node]
            if total is not None and needed[node]:
                for o in (total.a, total.b):
                    needed[o] = True
                    self.reads[o].append(node)
        self.needed = needed

    def _tighten(self) -> None:
        """Bring each sum into what its operands' ranges, narrowed since, still allow."""
        for node, total in enumerate(self.sums):
            if total is not None:
                lo, hi = self.reach(total)
                self.lo[node], self.hi[node] = max(lo, self.lo[node]), min(hi, self.hi[node])

    def reach(self, total: Sum) -> tuple[int, int]:
        """Return the range of a sum from those of its operands."""
        ends = (self.lo[total.b] << total.eb, self.hi[total.b] << total.eb)
        lo, hi = ends if total.sign > 0 else (-ends[1], -ends[0])
        return (self.lo[total.a] << total.ea) + lo, (self.hi[total.a] << total.ea) + hi
