"""Modules with memories are shells: passes leave them as they are, or refuse them."""

from __future__ import annotations

import pytest

from gatewright.arch.devices import find_device
from gatewright.hw import Module, check
from gatewright.num import Intervals
from gatewright.passes.netlist import Clock, least_latency, pipeline, recode
from gatewright.passes.netlist.live import live_cells
from gatewright.passes.netlist.optimise import optimise

BIT = Intervals.of([0], [1], 0)


def shell() -> Module:
    """A memory whose written word nothing else reads, under a module that only connects."""
    m = Module("shell")
    (we,) = m.input("we", BIT)
    x = m.input("x", Intervals.of([0, 0], [7, 7], 0))
    total = m.add(*x)
    store = m.memory("words", 8, m.intervals([total]))
    m.write(store, x[0], [total], we)
    m.output("y", [m.read(store, x[1])])
    return m


def holder(child: Module) -> Module:
    m = Module("holder")
    feeds = {port: m.input(port, child.intervals(s)) for port, s in child.inputs.items()}
    m.output("y", m.instance(child, feeds)["y"])
    check(m)
    return m


def test_what_is_written_is_live():
    m = shell()
    assert all(live_cells(m))


@pytest.mark.parametrize("rewrite", [optimise, recode])
def test_a_shell_stays_as_it_is(rewrite):
    m = shell()
    assert rewrite(holder(m)).instances[0].module is m


@pytest.mark.parametrize("place", [pipeline, least_latency])
def test_registers_are_not_placed_around_memories_wrong(place):
    clock = Clock(5.0, find_device("xc7z020").delay)
    with pytest.raises(AssertionError, match="module shell holds memories"):
        place(holder(shell()), clock)
