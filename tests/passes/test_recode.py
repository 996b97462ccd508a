"""Adder networks as unsigned codes: the same numbers, fewer bits that meet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import FormatError
from gatewright.hw import Kind, Module, check, evaluate
from gatewright.num import Fixed, Intervals
from gatewright.passes.netlist import recode, total_resources
from gatewright.passes.netlist.recode_network import Network
from gatewright.passes.netlist.recode_plan import Plan

FORMATS = st.tuples(st.booleans(), st.integers(1, 6), st.integers(-2, 4))


def samples(m: Module, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return random inputs, the ends of every range among them."""
    rng = np.random.default_rng(seed)
    found = {}
    for port, signals in m.inputs.items():
        columns = []
        for s in signals:
            q = rng.integers(m.lo[s], m.hi[s], count, endpoint=True)
            q[rng.random(count) < 0.2] = m.lo[s]
            q[rng.random(count) < 0.2] = m.hi[s]
            columns.append(q)
        found[port] = np.stack(columns, 1)
    return found


def same(m: Module, count: int = 300) -> Module:
    """Recode a module; check both, their ports and their answers, every range included."""
    new = recode(m)
    check(new)
    for port, signals in m.outputs.items():
        assert [new.range(s) for s in new.outputs[port]] == [m.range(s) for s in signals]
    given_ = samples(m, count)
    before, after = evaluate(m, given_), evaluate(new, given_)
    for port in before:
        np.testing.assert_array_equal(before[port], after[port])
    return new


def rectified(m: Module, s: int, drop: int, constant: int) -> int:
    """Return a rectified, rounded and wrapped signal, as a layer's quantizer makes it."""
    s = m.select(m.less(s, m.constant(0)), m.constant(0), s, within=(0, max(m.hi[s], 0)))
    s = m.add(s, m.constant(constant, m.frac[s]))
    return m.wrap(s, Fixed(signed=False, width=3, frac=m.frac[s] - drop))


READERS = {
    "output": lambda m, s, n: s,
    "relu": lambda m, s, n: rectified(m, s, n, (1 << n) >> 1),
    "wrap": lambda m, s, n: m.wrap(s, Fixed(signed=True, width=n + 1, frac=m.frac[s] - 1)),
    "less": lambda m, s, n: m.less(s, m.constant(2 * n - 3, m.frac[s])),
    "floor": lambda m, s, n: m.floor(s, m.frac[s] - n),
}


@st.composite
def networks(draw: st.DrawFn) -> Module:
    """Return a module of sums, differences, shifts and constants that share their nodes."""
    m = Module("net", "layer")
    formats = draw(st.lists(FORMATS, min_size=2, max_size=5))
    kinds = [Fixed(*f) for f in formats]
    pool = [*m.input("x", Intervals.of(*np.array([(k.low, k.high, k.frac) for k in kinds]).T))]
    for _ in range(draw(st.integers(1, 14))):
        what = draw(st.sampled_from(["add", "sub", "add", "sub", "shift", "constant", "cut"]))
        a, b = (draw(st.sampled_from(pool)) for _ in range(2))
        if what == "shift":
            pool.append(m.shift(a, draw(st.integers(-3, 3))))
        elif what == "constant":
            q = m.constant(draw(st.integers(-40, 40)), draw(st.integers(-2, 5)))
            pool.append(m.add(a, q) if draw(st.booleans()) else m.sub(q, a))
        elif what == "cut":
            pool.append(READERS["relu"](m, a, draw(st.integers(0, 3))))
        else:
            pool.append(getattr(m, what)(a, b))
    results = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=5))
    readers = [draw(st.sampled_from(sorted(READERS))) for _ in results]
    numbers = [draw(st.integers(0, 3)) for _ in results]
    m.output("y", [READERS[r](m, s, n) for r, s, n in zip(readers, results, numbers, strict=True)])
    return m


@settings(max_examples=120, deadline=None)
@given(networks())
def test_any_network_keeps_its_numbers(m):
    same(m)


def forced(m: Module) -> Module:
    """Recode a module whatever it costs."""
    from gatewright.passes.netlist.recode_build import Build
    from gatewright.passes.netlist.recode_constants import distribute

    net = Network.of(m)
    plan = Plan.of(net)
    distribute(plan)
    return Build(net, plan, []).run()


@settings(max_examples=120, deadline=None)
@given(networks())
def test_any_network_keeps_its_numbers_where_it_does_not_pay(m):
    new = forced(m)
    check(new)
    given_ = samples(m, 200)
    before, after = evaluate(m, given_)["y"], evaluate(new, given_)["y"]
    np.testing.assert_array_equal(before, after)


def signed_pair(shift: int = 4) -> tuple[Module, int, int]:
    m = Module("pair")
    a, b = m.input("x", Intervals.of([-128, -128], [127, 127], 0))
    return m, a, m.shift(b, shift)


@pytest.mark.parametrize("build", ["add", "sub"])
def test_a_signed_sum_takes_a_lut_where_both_have_bits(build):
    m, a, b = signed_pair()
    m.output("y", [getattr(m, build)(a, b)])
    assert total_resources(same(m)).lut == 4
    assert total_resources(m).lut > 4


def test_a_sum_of_numbers_without_sign_stays():
    m = Module("plain")
    m.output("y", [m.add(*m.input("x", Intervals.of([0, 0], [15, 15], 0)))])
    assert recode(m) is m


def test_a_constant_finds_room_in_the_operands():
    """The bias stands in the gap below `8 * b`: nothing is added at the end but the sign."""
    m = Module("bias")
    a, b = m.input("x", Intervals.of([0, 0], [63, 63], 0))
    total = m.add(m.sub(a, m.shift(b, 3)), m.constant(5))
    m.output("y", [rectified(m, total, 2, 2)])
    new = same(m)
    carried = [s for s in range(len(new)) if new.kind[s] == Kind.ADD
               and not (new.is_constant(new.a[s]) or new.is_constant(new.b[s]))]  # fmt: skip
    assert len(carried) == 1


def test_sums_that_differ_by_a_constant_share_an_adder():
    m = Module("share")
    a, b = m.input("x", Intervals.of([-8, -8], [7, 7], 0))
    outs = [m.add(m.sub(a, b), m.constant(3)), m.sub(m.add(b, m.constant(5)), a)]
    m.output("y", outs)
    net = Network.of(m)
    assert sum(total is not None for total in net.sums) == 1
    same(m)


def test_what_is_too_wide_for_a_code_stays():
    m = Module("wide")
    a, b = m.input("x", Intervals.of([-(1 << 59)] * 2, [(1 << 59) - 1] * 2, 0))
    m.output("y", [m.sub(a, b)])
    assert recode(m) is m
    with pytest.raises(FormatError, match="a signal would be wider than we compute with"):
        m.add(m.shift(m.outputs["y"][0], 3), a)


def test_each_module_is_written_once():
    child, top = Module("child"), Module("top")
    a, b = child.input("x", Intervals.of([-128, -128], [127, 127], 0))
    child.output("y", [child.sub(a, child.shift(b, 4))])
    x = top.input("x", Intervals.of([-128] * 3, [127] * 3, 0))
    found = [top.instance(child, {"x": pair})["y"][0] for pair in (x[:2], x[1:])]
    top.output("y", found)
    new = same(top)
    assert new.instances[0].module is new.instances[1].module is not child
    assert [i.name for i in new.instances] == [i.name for i in top.instances]


def test_a_module_with_state_keeps_its_registers():
    m = Module("state")
    a, b = m.input("x", Intervals.of([-128, -128], [127, 127], 0))
    register = m.register((-4096, 4095, 0), reset=3)
    m.connect(register, m.sub(a, m.shift(b, 4)))
    m.output("y", [m.sub(register, m.shift(a, 3))])
    new = recode(m)
    check(new)
    regs = [s for s, kind in enumerate(new.kind) if kind == Kind.REG]
    assert [new.imm[s] for s in regs] == [3]
    assert new.range(new.outputs["y"][0]) == m.range(m.outputs["y"][0])
