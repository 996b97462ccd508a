"""Loops through registers, against reachability computed plainly."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.hw import NONE, Module
from gatewright.num import Fixed, Intervals
from gatewright.passes.netlist.loops import in_order


def random_state(seed: int) -> Module:
    rng = np.random.default_rng(seed)
    m, fmt = Module("loops"), Fixed(False, 3, 0)
    m.input("x", Intervals.format(fmt, (2,)))
    registers = [m.register((0, 7, 0)) for _ in range(4)]
    for _ in range(10):
        a, b = (int(rng.integers(len(m))) for _ in range(2))
        m.wrap(m.add(a, b), fmt)
    for r in registers:
        m.connect(r, m.wrap(int(rng.integers(len(m))), fmt), NONE)
    return m


def reach(m: Module) -> np.ndarray:
    """Return a matrix of who reads whom, at any distance."""
    closure = np.zeros((len(m), len(m)), bool)
    for s in range(len(m)):
        closure[s, m.operands(s)] = True
    for k in range(len(m)):
        closure |= closure[:, k : k + 1] & closure[k : k + 1]
    return closure


@pytest.mark.parametrize("seed", range(20))
def test_loops_stand_together_and_readers_come_later(seed):
    m = random_state(seed)
    order, closure = list(map(list, in_order(m))), reach(m)
    assert sorted(s for members in order for s in members) == list(range(len(m)))
    place = {s: i for i, members in enumerate(order) for s in members}
    for members in order:
        assert members == sorted(members)
    for s in range(len(m)):
        for t in range(len(m)):
            assert (place[s] == place[t]) == (s == t or bool(closure[s, t] and closure[t, s]))
            if closure[s, t] and place[s] != place[t]:
                assert place[t] < place[s]


def test_without_registers_the_order_is_that_of_the_rows():
    m = Module("plain")
    a, b = m.input("x", Intervals.of([0, 0], [3, 3], 0))
    m.add(a, b)
    assert list(in_order(m)) == [(0,), (1,), (2,)]


def test_a_long_loop_does_not_recurse():
    m, fmt = Module("long"), Fixed(False, 3, 0)
    (a,) = m.input("x", Intervals.format(fmt, (1,)))
    r = m.register((0, 7, 0))
    s = r
    for _ in range(3000):
        s = m.wrap(m.add(s, a), fmt)
    m.connect(r, s)
    order = list(in_order(m))
    assert max(map(len, order)) == 6001
