"""Round before the rectifier instead of behind it.

`floor((max(v, 0) + k) / 2**d)` is `max(floor((v + k) / 2**d), 0)` where k is less than 2**d. The
constant then joins those of the adders that make v, and only the bits that are kept are rectified.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.hw import NONE, Kind, Module
from gatewright.passes.netlist.rebuild import live_cells
from gatewright.passes.netlist.recode_build import Build
from gatewright.passes.netlist.recode_network import Network
from gatewright.passes.netlist.recode_plan import Plan


@dataclass(frozen=True)
class Rounded:
    """A signal that is a rounded rectifier: of which number, with which constant, by which rows."""

    number: int
    constant: int
    rows: tuple[int, ...]


def round_first(m: Module) -> Module:
    """Return a module whose rounding constants stand before the rectifiers they follow."""
    net = Network(m, 0, live_cells(m))
    readers = _reader_counts(m, net.live)
    found = {}
    for s, kind in enumerate(m.kind):
        if kind == Kind.WRAP and net.live[s] and not m.is_constant(s):
            rounded = _match(m, s, readers)
            if rounded is not None:
                found[s] = rounded
    if not found:
        return m
    for rounded in found.values():
        for s in rounded.rows:
            net.live[s] = False
    return _Rewrite(net, found).run()


def _reader_counts(m: Module, live: list[bool]) -> list[int]:
    counts = [0] * len(m)
    for s in range(len(m)):
        if live[s] and m.kind[s] != Kind.INSTANCE:
            for o in m.operands(s):
                counts[o] += 1
    for o in (*m.output_signals, *(o for i in m.instances for o in i.inputs)):
        counts[o] += 1
    return counts


def _match(m: Module, s: int, readers: list[int]) -> Rounded | None:
    """Return what a chain of cuts at the end rounds, if it is a rectifier that only it reads."""
    top = m.width(s) - m.frac[s]
    o, rows = s, []
    while m.kind[o] == Kind.WRAP:
        if m.lo[o] < 0 or m.imm[o] & 1 or (o != s and readers[o] != 1):
            return None
        if (m.imm[o] >> 1) - m.frac[o] < top or m.frac[o] < m.frac[s]:
            return None
        rows.append(o)
        o = m.a[o]
    constant, point = 0, 0
    if m.kind[o] == Kind.ADD and readers[o] == 1:
        a, b = m.a[o], m.b[o]
        if m.is_constant(a):
            a, b = b, a
        if not m.is_constant(b):
            return None
        rows.append(o)
        o, constant, point = a, m.lo[b], m.frac[b]
    if m.kind[o] != Kind.SELECT or readers[o] != 1 or m.kind[m.a[o]] != Kind.LESS:
        return None
    less, number = m.a[o], m.c[o]
    zero = m.b[o]
    ok = m.is_constant(zero) and m.lo[zero] == 0 and m.a[less] == number
    ok = ok and m.is_constant(m.b[less]) and m.lo[m.b[less]] == 0
    fraction = point - m.frac[s]
    if not ok or constant < 0 or (constant >> fraction if fraction > 0 else constant) != 0:
        return None
    rows += [o, less] if readers[less] == 1 else [o]
    return Rounded(number, b if constant else NONE, tuple(rows[1:]))


class _Rewrite(Build):
    """Write the module with the rectifiers that were found behind their rounding."""

    def __init__(self, net: Network, found: dict[int, Rounded]) -> None:
        m = net.module
        super().__init__(net, Plan(net), [i.module for i in m.instances])
        self.found = found

    def copy(self, s: int) -> int:
        """Write a row; a rounded rectifier as a rectifier of the rounded number."""
        if s not in self.found:
            return super().copy(s)
        m, new, rounded = self.m, self.new, self.found[s]
        number = self._at(rounded.number)
        if rounded.constant != NONE:
            q = self._at(rounded.constant)
            number = new.add(number, q)
        _, hi, frac = m.range(s)
        width = hi.bit_length()
        zero = self._constant(0, frac)
        below = new.less(number, new.constant(0))
        if new.is_constant(below):
            return zero if new.lo[below] else new.row(Kind.WRAP, m.range(s), number, imm=2 * width)
        kept = new.row(Kind.WRAP, (0, (1 << width) - 1, frac), number, imm=2 * width)
        return new.row(Kind.SELECT, m.range(s), below, zero, kept)
