"""Cut products that last longer than a clock period into parts that registers can go between.

A product of two variables is one cell, so no register fits inside. With b = h * 2**k + l, where l
is the k lowest bits of its code, a * b = (a * h) * 2**k + a * l: as many bit products as before,
in two smaller trees and one more adder. The parts are cut again until each fits.
"""

from __future__ import annotations

from gatewright.hw import Kind, Module
from gatewright.hw.bulk import values, with_children
from gatewright.passes.netlist.cost import modules
from gatewright.passes.netlist.delay import Clock, cell_delay, product_delay
from gatewright.passes.netlist.recode_build import Build
from gatewright.passes.netlist.recode_network import Network
from gatewright.passes.netlist.recode_plan import Plan

ONE_LEVEL = 2
"""Bits of an operand whose rows one adder joins: cutting it further makes no tree lower."""


def split_products(top: Module, clock: Clock) -> Module:
    """Return an equal circuit without products in LUTs that a period is too short for.

    Products meant for DSP blocks, and what is too slow however it is cut, stay as they are. A
    circuit without any such product is returned itself.

    Args:
        top: the circuit before registers are placed.
        clock: the period, and the delays that products have.
    """
    done: dict[int, Module] = {}
    for m in modules(top):
        slow = [s for s in (values(m.kind) == Kind.MUL).nonzero()[0].tolist()
                if not m.imm[s] and cell_delay(m, s, clock.model) > clock.budget]  # fmt: skip
        if slow:
            found = Network.of(m)
            plain = Network(m, found.grid, found.live)  # no sum is written in codes here
            children = [done[id(i.module)] for i in m.instances]
            done[id(m)] = _Parts(plain, Plan(plain), children).split(set(slow), clock)
        elif any(done[id(i.module)] is not i.module for i in m.instances):
            done[id(m)] = with_children(m, done)
        else:
            done[id(m)] = m
    return done[id(top)]


class _Parts(Build):
    """Write one module again, some of its products in parts."""

    slow: set[int]
    clock: Clock

    def split(self, slow: set[int], clock: Clock) -> Module:
        self.slow, self.clock = slow, clock
        return self.run()

    def copy(self, s: int) -> int:
        """Write a row; a slow product in parts."""
        if s not in self.slow:
            return super().copy(s)
        lo, hi, frac = self.m.range(s)
        found = self._product(self._at(self.m.a[s]), self._at(self.m.b[s]), (lo, hi))
        assert self.new.frac[found] == frac
        return self._wrap(found, (lo, hi, frac))

    def _product(self, a: int, b: int, within: tuple[int, int] | None = None) -> int:
        """Return a * b; the smaller operand is cut, for its bits make the tree high."""
        new = self.new
        narrow, wide = sorted((a, b), key=new.width)
        cut, kept = (narrow, wide) if new.width(narrow) > ONE_LEVEL else (wide, narrow)
        delay = product_delay(new.width(a), new.width(b), self.clock.model)
        if delay <= self.clock.budget or new.width(cut) <= ONE_LEVEL:
            return new.mul(a, b)
        low = new.width(cut) // 2
        above = self._product(kept, new.floor(cut, new.frac[cut] - low))
        below = self._product(kept, new.shift(new.slice(cut, 0, low), -new.frac[cut]))
        return new.add(above, below, within)
