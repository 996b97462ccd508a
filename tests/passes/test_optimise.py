"""The netlist rewrites change no number, and each does what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netlists import Netlist

from gatewright.arch import find_device
from gatewright.hw import Kind, Module, Table, check, evaluate
from gatewright.num import Fixed, Intervals, Rounding
from gatewright.ops import Relu
from gatewright.passes.netlist import Clock, modules, pipeline
from gatewright.passes.netlist.optimise import PASSES, optimise
from gatewright.passes.netlist.optimise.offsets import offsets
from gatewright.passes.netlist.optimise.rectify import rectify

NAMES = [p.__name__ for p in PASSES]


def samples(m: Module, count: int = 300, seed: int = 1) -> dict[str, np.ndarray]:
    """Return legal inputs, the corners among them."""
    rng = np.random.default_rng(seed)
    result = {}
    for port, signals in m.inputs.items():
        kinds = m.intervals(signals)
        q = rng.integers(kinds.lo, kinds.hi + 1, (count, len(signals)))
        q[0], q[1] = kinds.lo, kinds.hi
        result[port] = q
    return result


def same(before: Module, after: Module, given_: dict[str, np.ndarray] | None = None) -> None:
    """Both give the same numbers on the same grids; no signal leaves the range it claims."""
    check(after)
    given_ = samples(before) if given_ is None else given_
    wanted, found = evaluate(before, given_), evaluate(after, given_)
    assert list(wanted) == list(found)
    for port, old in before.outputs.items():
        new = after.outputs[port]
        for i, (s, t) in enumerate(zip(old, new, strict=True)):
            if before.frac[s] != after.frac[t]:
                assert not found[port][:, i].any()
        assert np.array_equal(wanted[port], found[port])


def random_module(seed: int, cells: int = 60) -> Module:
    netlist = Netlist(seed)
    netlist.inputs(6, 4)
    netlist.grow(cells)
    netlist.m.output("y", list(netlist.meaning)[-10:])
    return netlist.m


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_random_circuits_stay_equal(seed):
    m = random_module(seed)
    same(m, optimise(m))


@pytest.mark.parametrize("rewrite", PASSES, ids=NAMES)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_each_rewrite_alone_keeps_random_circuits(rewrite, seed):
    m = random_module(seed, 40)
    same(m, rewrite(m))


# ---- neurons: sums, rectifiers, rounding, cuts


def neuron(
    seed: int, rounding: Rounding = Rounding.RND, saturate: bool = False, inputs: int = 5
) -> Module:
    """A few sums with constants, rectified and brought to few bits."""
    rng = np.random.default_rng(seed)
    m = Module("neuron")
    lo = -rng.integers(0, 2, inputs) * 4
    x = m.input(
        "x", Intervals.of(lo, lo + rng.integers(1, 12, inputs), rng.integers(-1, 3, inputs))
    )
    outputs = []
    for _ in range(3):
        total = m.constant(int(rng.integers(-20, 20)), 3)
        for s in rng.permutation(x)[: int(rng.integers(2, inputs + 1))]:
            term = m.shift(int(s), int(rng.integers(-2, 3)))
            total = m.add(total, term) if rng.integers(2) else m.sub(total, term)
        gate = m.select(m.less(total, m.constant(0)), m.constant(0), total)
        grid = m.frac[total] - int(rng.integers(0, 4))
        half = m.constant(1, grid + 1)
        rounded = m.floor(m.add(gate, half), grid) if rounding is Rounding.RND else gate
        if saturate:
            top = m.constant(5, grid)
            rounded = m.select(m.less(top, rounded), top, rounded)
        outputs.append(m.wrap(rounded, Fixed(signed=False, width=4, frac=grid)))
    m.output("y", outputs)
    return m


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_neurons_stay_equal(seed, rounds, saturate):
    m = neuron(seed, Rounding.RND if rounds else Rounding.TRN, saturate)
    same(m, optimise(m))


def kinds(m: Module) -> list[Kind]:
    return [Kind(k) for k in m.kind]


def test_rounding_joins_the_bias_in_front_of_the_rectifier():
    m = Module("one")
    a, b = m.input("x", Intervals.of([-128, -128], [127, 127], [4, 4]))
    total = m.add(m.add(a, m.constant(3, 4)), b)
    gate = m.select(m.less(total, m.constant(0)), m.constant(0), total)
    m.output("y", [m.wrap(m.floor(m.add(gate, m.constant(1, 3)), 2), Fixed(False, 3, 2))])
    new = optimise(m)
    same(m, new)
    adders = [s for s, k in enumerate(kinds(new)) if k == Kind.ADD]
    assert len(adders) == 2
    constants = [new.lo[o] for s in adders for o in (new.a[s], new.b[s]) if new.is_constant(o)]
    assert constants == [5]  # 3 / 16 + 1 / 8
    (gated,) = new.outputs["y"]
    assert new.kind[gated] == Kind.SELECT
    assert new.width(gated) == 3


def test_a_half_that_is_a_whole_unit_of_the_floor_stays_behind():
    m = Module("one")
    (x,) = m.input("x", Intervals.of([-128], [127], [4]))
    gate = m.select(m.less(x, m.constant(0)), m.constant(0), x)
    m.output("y", [m.floor(m.add(gate, m.constant(1, 2)), 2)])  # adds one unit: 0 becomes 1
    new = optimise(m)
    same(m, new, {"x": np.arange(-128, 128)[:, None]})


def test_constants_of_a_shared_sum_stay_where_they_are():
    m = Module("one")
    a, b = m.input("x", Intervals.of([0, 0], [15, 15], [0, 0]))
    inner = m.add(m.add(a, m.constant(3)), b)
    m.output("y", [m.add(inner, m.constant(5)), inner])
    new = optimise(m)
    same(m, new)
    assert kinds(new).count(Kind.ADD) == 3


def test_small_neuron_becomes_a_table():
    m = Module("one")
    a, b, c = m.input("x", Intervals.of([0, 0, 0], [3, 3, 3], [0, 0, 0]))
    total = m.sub(m.add(m.add(a, m.shift(b, 1)), m.shift(c, 1)), m.constant(5))
    gate = m.select(m.less(total, m.constant(0)), m.constant(0), total)
    m.output("y", [m.wrap(gate, Fixed(False, 2, 0))])
    new = optimise(m)
    assert set(kinds(new)) == {Kind.INPUT, Kind.CONCAT, Kind.TABLE}
    codes = np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3)
    same(m, new, {"x": codes})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_small_cones_are_equal_on_every_input(seed):
    netlist = Netlist(seed)
    netlist.inputs(3, 2)
    netlist.grow(25)
    m = netlist.m
    m.output("y", list(netlist.meaning)[-6:])
    kind = m.intervals(m.inputs["x"])
    ranges = [np.arange(lo, hi + 1) for lo, hi in zip(kind.lo, kind.hi, strict=True)]
    every = np.stack(np.meshgrid(*ranges), -1).reshape(-1, 3)
    same(m, optimise(m), {"x": every})


# ---- modules


def test_a_module_used_twice_is_rewritten_once():
    child = neuron(3)
    top = Module("top")
    x = top.input("x", child.intervals(child.inputs["x"]))
    first = top.instance(child, {"x": x}, "one")["y"]
    second = top.instance(child, {"x": x}, "two")["y"]
    total = top.concat(first[0], second[1])  # reads codes: they must stay as wide as they were
    top.output("y", [*first, *second, total])
    new = optimise(top)
    same(top, new)
    assert new.instances[0].module is new.instances[1].module
    assert new.instances[0].module is not child
    assert len(modules(new)) == 2


def test_state_stays_as_it_is():
    m = Module("counter")
    r = m.register((0, 7, 0), reset=0)
    m.connect(r, m.wrap(m.add(r, m.constant(1)), Fixed(False, 3, 0)))
    m.output("y", [r])
    assert optimise(m) is m


def test_result_is_stable_and_deterministic():
    m = neuron(11)
    once, again = optimise(m), optimise(m)
    assert (once.kind, once.a, once.b, once.imm) == (again.kind, again.a, again.b, again.imm)
    assert optimise(once) is once


def test_result_can_be_pipelined():
    clock = Clock(1.5, find_device("xcvu13p").delay)
    m = neuron(5)
    (valid,) = m.input("valid_in", Intervals.of([0], [1], 0))
    m.output("valid_out", [valid])
    assert pipeline(optimise(m), clock).latency <= pipeline(m, clock).latency


def test_relu_is_what_rectify_looks_for():
    m = Module("one")
    (x,) = m.input("x", Intervals.of([-8], [7], [0]))
    y = Relu().lower_element(m, x, (0,))
    m.output("y", [m.wrap(y, Fixed(False, 2, 0))])
    new = optimise(m, [rectify])
    (gated,) = new.outputs["y"]
    assert new.kind[gated] == Kind.SELECT


def test_table_and_concat_read_operands_as_wide_as_before():
    m = Module("one")
    a, b = m.input("x", Intervals.of([-4, -4], [3, 3], [0, 0]))
    inner = m.add(m.add(a, m.constant(1)), b)
    total = m.add(inner, m.constant(2), within=(-5, 9))
    m.output("y", [m.table(total, Table.of("t", np.arange(32))), m.concat(a, total)])
    every = np.stack(np.meshgrid(*[np.arange(-4, 4)] * 2), -1).reshape(-1, 2)
    same(m, optimise(m), {"x": every})


def test_halves_that_add_up_to_a_whole_stay_on_their_grid():
    """Joined, they are even in units of a half: what they are added to has to be in such units."""
    m = Module("m")
    a, b = m.input("x", Intervals.of([-8, -8], [7, 7], 0))
    half = m.constant(1, 1)
    m.output("y", [m.add(m.add(m.add(a, b), half), half)])
    m.output("z", [m.add(m.add(m.sub(a, b), half), m.constant(-1, 1))])
    same(m, offsets(m))
    same(m, optimise(m))


def test_an_output_keeps_its_range():
    """A WRAP that only says how small a number is goes; who instances the module counts on it."""
    m = Module("narrow")
    (a,) = m.input("x", Intervals.of([0], [3], 0))
    table = m.table(a, Table.of("t", np.asarray([1, 3, 2, 1]), 0))
    wide = m.row(Kind.TABLE, (0, 3, 0), m.a[table], imm=m.imm[table])
    m.output("y", [m.row(Kind.WRAP, (1, 3, 0), wide, imm=4)])
    found = optimise(m)
    same(m, found)
    assert found.range(found.outputs["y"][0]) == (1, 3, 0)
