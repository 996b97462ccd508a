"""Write a module again with its adder networks in unsigned codes."""

from __future__ import annotations

import numpy as np

from gatewright.hw import NO_RESET, NONE, Kind, Module, Range
from gatewright.num import Fixed
from gatewright.passes.netlist.recode_network import Network, Sum
from gatewright.passes.netlist.recode_plan import Plan


class Build:
    """Write one module.

    Args:
        net: its networks.
        plan: the code of each node.
        children: the new module of each instance.
    """

    def __init__(self, net: Network, plan: Plan, children: list[Module]) -> None:
        self.m, self.net, self.plan, self.children = net.module, net, plan, children
        m = net.module
        assert not m.memories, f"module {m.name} holds memories and stays as it is"
        self.new = m.emptied()
        self.new.tables = list(m.tables)
        self.signal: dict[int, int] = {}
        self.code: dict[int, int] = {}
        self.outputs: dict[int, list[int]] = {}

    def run(self) -> Module:
        """Copy ports and cells in order; what a sum's readers outside need is made for them."""
        m, new = self.m, self.new
        for port, signals in m.inputs.items():
            for s, fresh in zip(signals, new.input(port, m.intervals(signals)), strict=True):
                self._keep(s, fresh)
        late = []
        read = {s for signals in self.net.outside for s in signals}
        for s, kind in enumerate(m.kind):
            if kind == Kind.INPUT or not self.net.live[s]:
                continue
            if kind == Kind.REG:
                register = new.register(m.range(s), None if m.imm[s] == NO_RESET else m.imm[s])
                self._keep(s, register)
                late.append(s)
            elif kind == Kind.INSTANCE:
                self._instance(s)
            elif s in read:
                self._keep(s, self._number(s))
            elif not self.net.is_sum(s):
                self._keep(s, self.copy(s))
        for s in late:
            enable = NONE if m.b[s] == NONE else self._at(m.b[s])
            new.connect(self.signal[s], self._at(m.a[s]), enable)
        for port, signals in m.outputs.items():
            new.output(port, [self._at(s) for s in signals])
        return new

    def copy(self, s: int) -> int:
        """Write a row that is no part of a network as it is."""
        m = self.m
        a, b, c = (o if o == NONE else self._at(o) for o in (m.a[s], m.b[s], m.c[s]))
        return self.new.row(Kind(m.kind[s]), m.range(s), a, b, c, m.imm[s])

    def _keep(self, old: int, fresh: int) -> None:
        self.signal[old] = fresh
        if old in self.m.names:
            self.new.label(fresh, self.m.names[old])

    def _at(self, s: int) -> int:
        """Return a signal in the new module."""
        if self.m.is_constant(s):
            return self._constant(self.m.lo[s], self.m.frac[s])
        return self.signal[s]

    def _constant(self, q: int, frac: int) -> int:
        """Return a constant on the grid that is asked for."""
        return self.new.row(Kind.CONST, (q, q, frac), imm=q)

    def _instance(self, s: int) -> None:
        number, index = self.m.imm[s] >> 32, self.m.imm[s] & 0xFFFFFFFF
        if number not in self.outputs:
            old, child = self.m.instances[number], self.children[number]
            feeds = np.asarray([self._at(o) for o in old.inputs], np.int64)
            found = self.new.instances_of(child, feeds.reshape(old.count, -1), old.name)
            self.outputs[number] = found.ravel().tolist()
        self._keep(s, self.outputs[number][index])

    # ---- codes

    def _number(self, s: int) -> int:
        """Return a signal of a network as the number it is, from the code of its node."""
        m, t = self.m, self.net.term[s]
        node, unit = t.node, t.exponent + self.net.grid
        code = self._operand(node, t.sign != self.plan.sign[node], t.exponent)
        _, offset = self.plan.operand(node, t.sign != self.plan.sign[node])
        rest = t.constant - (offset << unit)
        fine = rest & ((1 << unit) - 1)
        above = (rest >> unit) & ((1 << max(m.width(s) - m.frac[s] - t.exponent, 0)) - 1)
        if above:
            code = self._shifted_up(code, rest, m.range(s))
        elif fine:
            code = self._add_constant(code, fine, self.net.grid)
        return self._wrap(code, m.range(s))

    def _shifted_up(self, code: int, rest: int, rng: Range) -> int:
        """Return a code plus a constant that makes it the number of the given range."""
        constant = self.new.constant(rest, self.net.grid)
        point = max(self.new.frac[code], self.new.frac[constant])
        lo, hi, frac = rng
        if frac > point:
            lo, hi = -(-lo >> (frac - point)), hi >> (frac - point)
        else:
            lo, hi = lo << (point - frac), hi << (point - frac)
        return self._sum(code, constant, (lo, hi, point))

    def _sum(self, a: int, b: int, rng: Range) -> int:
        """Return a sum, whose range is known."""
        if rng[0] == rng[1]:
            return self._constant(rng[0], rng[2])
        return self.new.row(Kind.ADD, rng, min(a, b), max(a, b))

    def _wrap(self, a: int, rng: Range) -> int:
        """Return the low bits of a code, read as a number of the given range."""
        if self.new.range(a) == rng:
            return a
        fmt = Fixed.holding(*rng)
        return self.new.row(Kind.WRAP, rng, a, imm=2 * fmt.width + fmt.signed)

    def _code(self, node: int) -> int:
        """Return the code of a node on the grid of its unit, 2**0; leaves have their own."""
        if node in self.code:
            return self.code[node]
        todo = [node]
        while todo:
            n = todo[-1]
            total = self.net.sums[n]
            ahead = [] if total is None else [o for o in (total.a, total.b) if o not in self.code]
            if ahead:
                todo += ahead
                continue
            todo.pop()
            if n not in self.code:
                self.code[n] = self._leaf(n) if total is None else self._adder(n, total)
        return self.code[node]

    def _leaf(self, node: int) -> int:
        """Return the code of a leaf with its binary point at 0."""
        m, new, s = self.m, self.new, self.net.leaf[node]
        own = self._at(s)
        if offset := self.plan.offset[node]:
            lo, hi, frac = m.range(s)
            own = self._sum(own, new.constant(offset, frac), (lo + offset, hi + offset, frac))
        return new.shift(own, m.frac[s])

    def _operand(self, node: int, inverted: bool, exponent: int) -> int:
        """Return a node's code or its complement, moved by a power of two."""
        new, code, width = self.new, self._code(node), self.plan.width[node]
        if inverted:
            # The complement is taken where the wire is, so that shifts stay outermost.
            base, by = (new.a[code], new.imm[code]) if new.kind[code] == Kind.SHIFT else (code, 0)
            ones, (lo, hi, frac) = (1 << width) - 1, new.range(base)
            mask = self._constant(ones, frac)
            pair = (min(base, mask), max(base, mask))
            base = new.row(Kind.XOR, (ones - hi, ones - lo, frac), *pair)
            code = new.shift(base, by)
        return new.shift(code, exponent)

    def _adder(self, node: int, total: Sum) -> int:
        """Return the code of a sum with its constants in the gaps of the operands."""
        plan, new = self.plan, self.new
        inv_a, inv_b = plan.inverted(node, total)
        a = self._operand(total.a, inv_a, total.ea)
        b = self._operand(total.b, inv_b, total.eb)
        offset_a, offset_b = plan.operand(total.a, inv_a)[1], plan.operand(total.b, inv_b)[1]
        true = plan.offset[node] - (offset_a << total.ea) - (offset_b << total.eb)
        true -= plan.carry[node] << total.start
        if plan.is_apart(total):
            return self._add_constant(new.add(a, b), true)
        extra = true & ((1 << plan.width[node]) - 1)
        below = extra & ((1 << total.start) - 1)
        coarse, fine = (a, b) if total.ea else (b, a)
        coarse_top, fine_top = plan.tops(total) if total.ea else plan.tops(total)[::-1]
        coarse = self._add_constant(coarse, below)
        if coarse_top <= fine_top:
            coarse = self._add_constant(coarse, extra - below)
        else:
            fine = self._add_constant(fine, extra - below)
        # The sum exceeds the code by a multiple of what the code's width leaves out.
        above = extra - true
        low, high = plan.codes(node, plan.offset[node])
        if plan.carry[node]:
            return self._carried(coarse, fine, total.start, (low, high), above)
        both = self._sum(coarse, fine, (low + above, high + above, 0))
        return self._wrap(both, (low, high, 0))

    def _carried(self, coarse: int, fine: int, start: int, rng: tuple[int, int], above: int) -> int:
        """Return a sum and one more at its lowest common bit.

        Both operands get a one below that bit: what they carry is what we want.
        """
        new, (low, high) = self.new, rng
        rest = None
        if start:
            rest = new.wrap(fine, Fixed(signed=False, width=start, frac=0))
            fine = new.floor(fine, -start)
        coarse, fine = (self._add_constant(o, 1, 1 - start) for o in (coarse, fine))
        ends = [(e + above) >> start << 1 for e in (low, high)]
        both = self._sum(coarse, fine, (ends[0], ends[1], 1 - start))
        both = self._wrap(both, (low >> start, high >> start, -start))
        return both if rest is None else self._sum(both, rest, (low, high, 0))

    def _add_constant(self, a: int, q: int, frac: int = 0) -> int:
        """Return a sum with `q * 2**-frac`."""
        return self.new.add(a, self.new.constant(q, frac)) if q else a
