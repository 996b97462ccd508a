"""Registers change nothing but the latency, and every stage fits the clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from netlists import Netlist

from gatewright.base import OptionError
from gatewright.hw import Kind, Module, Simulator, Table, check
from gatewright.num import Fixed, Intervals
from gatewright.passes.netlist import Clock, DelayModel, cell_delay, modules, pipeline
from gatewright.passes.netlist.pipeline import least_latency
from gatewright.passes.netlist.split_products import split_products

# Fixed constants: what a recalibration of a device changes is not tested here.
MODEL = DelayModel(0.30, 0.46, 0.008, 0.12, 0.20, "for tests")
PERIODS = [0.9, 1.3, 2.0, 5.0, 20.0]


def feed_forward(seed: int) -> Module:
    """A random circuit with `valid` beside it."""
    netlist = Netlist(seed)
    m = netlist.m
    (valid,) = m.input("valid_in", Intervals.of([0], [1], 0))
    netlist.inputs(5, 5)
    netlist.grow(45)
    m.output("valid_out", [valid])
    m.output("y", list(netlist.meaning)[-12:])
    return m


def with_state(seed: int) -> Module:
    """Random logic before and behind accumulators that count valid samples only."""
    netlist = Netlist(seed)
    m, rng = netlist.m, netlist.rng
    (valid,) = m.input("valid_in", Intervals.of([0], [1], 0))
    netlist.inputs(4, 4)
    netlist.grow(20)
    held = []
    for _ in range(3):
        fmt = Fixed(bool(rng.integers(2)), int(rng.integers(2, 7)), int(rng.integers(-1, 3)))
        register = m.register(
            (fmt.low, fmt.high, fmt.frac), reset=int(rng.integers(0, fmt.high + 1))
        )
        step = m.wrap(netlist.pick(), Fixed(fmt.signed, fmt.width, fmt.frac))
        total = m.add(register, step)
        if held and rng.integers(2):
            total = m.sub(total, held[-1])  # one loop reads another
        m.connect(register, m.wrap(total, fmt), valid)
        held.append(register)
        netlist.meaning[register] = [None] * netlist.samples
    late = [m.add(held[0], held[1]), m.mul(held[1], held[2]), m.less(held[0], held[2])]
    inputs = [m.mul(late[0], netlist.pick()) if rng.integers(2) else late[0]]
    m.output("valid_out", [valid])
    m.output("y", [*held, *late, *inputs])
    return m


def drive(m: Module, cycles: int, seed: int) -> list[dict[str, np.ndarray]]:
    """Return legal inputs for some cycles; `valid` in half of them."""
    rng = np.random.default_rng(seed)
    kinds = {p: m.intervals(s) for p, s in m.inputs.items()}
    return [
        {p: rng.integers(k.lo, k.hi + 1)[None] for p, k in kinds.items()} for _ in range(cycles)
    ]


def outputs(m: Module, given) -> list[list[int]]:
    """Return all outputs of each cycle, after a reset and some idle cycles."""
    simulator = Simulator(m, check=False)
    simulator.reset()
    for values in drive(m, m.latency + 1, 99):
        simulator.step({**values, "valid_in": np.asarray([[0]])})
    return [np.concatenate([*simulator.step(v).values()], axis=1)[0].tolist() for v in given]


def behaves_the_same(m: Module, period: float) -> Module:
    built = pipeline(m, Clock(period, MODEL))
    check(built)
    given = drive(m, 40, 5)
    wanted, found = outputs(m, given), outputs(built, given)
    late = built.latency
    assert found[late:] == wanted[: 40 - late]
    return built


@pytest.mark.parametrize("seed", range(12))
def test_feed_forward_circuits_are_only_later(seed):
    m = feed_forward(seed)
    latencies = []
    for period in PERIODS:
        try:
            built = behaves_the_same(m, period)
        except OptionError:
            continue
        latencies.append(built.latency)
        fits(built, period)
    assert latencies == sorted(latencies, reverse=True)
    assert latencies[-1] <= 1


@pytest.mark.parametrize("seed", range(12))
def test_circuits_with_state_are_only_later(seed):
    m = with_state(seed)
    built = 0
    for period in PERIODS:
        try:
            fits(behaves_the_same(m, period), period)
        except OptionError:
            continue
        built += 1
    assert built >= 2


def fits(top: Module, period: float) -> None:
    """Compute anew when every signal settles, through instances; all must be within the period."""
    budget = period - MODEL.register

    def settle(m: Module, arrivals: list[float]) -> list[float]:
        at: list[float] = []
        children: dict[int, list[float]] = {}
        feeds = iter(arrivals)
        given = dict(zip(m.input_signals, feeds, strict=True))
        for s, kind in enumerate(m.kind):
            if kind == Kind.INPUT:
                now = given[s]
            elif kind in (Kind.REG, Kind.CONST):
                now = 0.0
            elif kind == Kind.INSTANCE:
                number, index = m.imm[s] >> 32, m.imm[s] & 0xFFFFFFFF
                if number not in children:
                    instance = m.instances[number]
                    children[number] = settle(instance.module, [at[o] for o in instance.inputs])
                now = children[number][index]
            else:
                now = max(at[o] for o in m.operands(s)) + cell_delay(m, s, MODEL)
            assert now <= budget + 1e-9, f"{m.name}: signal {s} settles after {now} ns"
            at.append(now)
        return [at[s] for s in m.output_signals]

    settle(top, [0.0] * len(top.input_signals))


def shared(uses: int, wide: bool) -> Module:
    """Uses of one module, one behind the other, and some of the first that are fed at once."""
    child = Module("child")
    x = child.input("x", Intervals.of([-128, -128], [127, 127], 0))
    total = child.add(child.mul(x[0], x[1]), x[0])
    child.output("y", [child.wrap(total, Fixed(True, 8, 0)), child.wrap(x[1], Fixed(True, 8, 0))])
    m = Module("uses")
    (valid,) = m.input("valid_in", Intervals.of([0], [1], 0))
    a = m.input("x", Intervals.of([-128] * 4, [127] * 4, 0))
    pair, ends = a[:2], []
    for i in range(uses):
        pair = m.instance(child, {"x": pair}, f"u{i}")["y"]
        if wide:
            early = m.wrap(m.add(a[i % 4], pair[0]), Fixed(True, 8, 0))
            ends += m.instance(child, {"x": [early, a[2]]}, f"v{i}")["y"]
    m.output("valid_out", [valid])
    m.output("y", pair + ends)
    return m


@pytest.mark.parametrize("uses", [1, 2, 5])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("period", [2.0, 3.0, 5.0, 12.0])
def test_a_shared_module_is_pipelined_once_and_fits_every_use(uses, wide, period):
    built = behaves_the_same(shared(uses, wide), period)
    assert len(modules(built)) == 2
    fits(built, period)


def test_an_instance_that_nothing_reads_is_left_out():
    child = Module("sink")
    child.input("x", Intervals.of([0], [7], 0))
    m = Module("top")
    (a,) = m.input("x", Intervals.of([0], [7], 0))
    m.instance(child, {"x": [a]})
    m.output("y", [a])
    assert pipeline(m, Clock(2.0, MODEL)).instances == []


def test_instances_are_named_as_before():
    built = pipeline(shared(2, True), Clock(3.0, MODEL))
    assert [i.name for i in built.instances] == ["u0", "v0", "u1", "v1"]


def test_registers_are_shared_by_all_readers():
    m = Module("late")
    (valid,) = m.input("valid_in", Intervals.of([0], [1], 0))
    a, b = m.input("x", Intervals.of([-128] * 2, [127] * 2, 0))
    total = m.add(m.add(m.add(a, b), m.shift(b, 3)), m.shift(a, 5))
    m.output("valid_out", [valid])
    m.output("y", [m.sub(total, m.shift(b, k)) for k in range(4)])
    built = behaves_the_same(m, 1.0)
    # b waits for the sum: one chain, and its shifts are wires behind it.
    registers = [s for s, k in enumerate(built.kind) if k == Kind.REG]
    waiting = {built.a[s]: s for s in registers}
    assert len(waiting) == len(registers), "a signal is registered twice"


def test_constants_are_never_registered_and_keep_their_grid():
    """A choice that can only be 4 has the code 100, not the code 1 of `1 * 2**2`."""
    m = Module("grid")
    (valid,) = m.input("valid_in", Intervals.of([0], [1], 0))
    bit, other = m.input("x", Intervals.of([0, 0], [1, 7], 0))
    four = m.row(Kind.SELECT, (4, 4, 0), bit, m.constant(4), m.constant(4))
    odd = m.add(m.mul(m.add(other, m.shift(bit, 1)), other), four)
    m.output("valid_out", [valid])
    m.output(
        "y", [m.concat(other, four), m.slice(odd, 1, 3), m.table(four, Table.of("t", np.arange(8)))]
    )
    for period in (0.9, 2.0, 9.0):
        behaves_the_same(m, max(period, 1.6))


def test_labels_of_registers_carry_the_name():
    m = Module("names")
    (valid,) = m.input("valid_in", Intervals.of([0], [1], 0))
    a, b = m.input("x", Intervals.of([-128] * 2, [127] * 2, 0))
    m.label(b, "late")
    m.output("valid_out", [valid])
    m.output("y", [m.add(m.add(m.add(a, a), m.constant(3)), b)])
    built = pipeline(m, Clock(0.9, MODEL))
    assert list(built.names.values()) == ["late", "late_r1", "late_r2"][: built.latency + 1]


def test_valid_is_reset_and_data_are_not():
    built = pipeline(feed_forward(3), Clock(1.3, MODEL))
    chain, s = [], built.outputs["valid_out"][0]
    while built.kind[s] == Kind.REG:
        chain.append(built.imm[s])
        s = built.a[s]
    assert chain == [0] * built.latency
    assert s == built.inputs["valid_in"][0]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ([0, 0], [2**16 - 1, 2**9 - 1]),
        ([-(2**15), -(2**8)], [2**15 - 1, 2**8 - 1]),
        ([-(2**15), 0], [2**15 - 1, 2**3 - 1]),
        ([-3, -(2**20)], [100, 5]),
    ],
)
@pytest.mark.parametrize("square", [False, True])
def test_a_product_longer_than_the_period_is_cut(low, high, square):
    inner = Module("product")
    a, b = inner.input("x", Intervals.of(low, high, [3, -1]))
    inner.output("y", [inner.mul(a, a if square else b), inner.mul(inner.shift(a, 2), b)])
    m = Module("top")
    (valid,) = m.input("valid_in", Intervals.of([0], [1], 0))
    first = m.instance(inner, {"x": m.input("x", Intervals.of(low, high, [3, -1]))}, "u")["y"]
    m.output("valid_out", [valid])
    m.output("y", first)
    whole = behaves_the_same(m, 20.0)
    assert whole.latency == 0
    for period in (2.0, 1.1):
        built = behaves_the_same(m, period)
        fits(built, period)
        assert [built.range(s) for s in built.outputs["y"]] == [m.range(s) for s in first]
        assert least_latency(m, Clock(period, MODEL)) == built.latency
    assert built.latency > 0  # at the last, shortest period


def test_a_product_for_a_dsp_block_stays_whole():
    m = Module("block")
    a, b = m.input("x", Intervals.of([0, 0], [2**17 - 1, 2**17 - 1], 0))
    m.output("y", [m.mul(a, b, blocks=1)])
    clock = Clock(1.3, replace(MODEL, dsp=1.0))
    assert split_products(m, clock) is m
    assert list(pipeline(m, clock).kind).count(Kind.MUL) == 1


def test_a_clock_that_no_cell_meets_wrong():
    what, needs = "add of 41 bits", 0.46 + 0.008 * 41 + 0.2
    m = Module("fast", origin="layer 'dense'")
    a, b = m.input("x", Intervals.of([0, 0], [2**40 - 1, 2**20 - 1], 0))
    m.output("y", [m.add(a, b)])
    with pytest.raises(OptionError) as error:
        pipeline(m, Clock(needs - 0.001, MODEL))
    assert str(error.value) == (
        "the clock is too fast for this circuit\n"
        "  at:        layer 'dense'\n"
        f"  found:     {1e3 / (needs - 0.001):.0f} MHz; {what} needs {needs:.2f} ns\n"
        f"  supported: up to {1e3 / needs:.0f} MHz (estimated)\n"
        "  remedy:    choose a slower clock, or narrower numbers in this layer"
    )
    assert pipeline(m, Clock(needs, MODEL)).latency == 0


def test_a_clock_that_the_size_of_the_design_forbids_wrong():
    m = Module("large", origin="layer 'lstm'")
    (a,) = m.input("x", Intervals.of([0], [127], 0))
    m.output("y", [m.table(a, Table.of("t", np.arange(128)))])
    with pytest.raises(OptionError) as error:
        pipeline(m, Clock(5.0, replace(MODEL, register=4.7)))
    assert str(error.value) == (
        "the clock is too fast for this circuit\n"
        "  at:        layer 'lstm'\n"
        "  found:     200 MHz; table of 7 bits needs 5.12 ns, 4.70 ns of them for a register and "
        "the nets of a design this large\n"
        "  supported: up to 195 MHz (estimated)\n"
        "  remedy:    choose a slower clock, or a smaller design: coarser formats, a reuse factor"
    )


def test_a_loop_that_no_register_may_cut_wrong():
    m = Module("loop", origin="layer 'fold'")
    (a,) = m.input("x", Intervals.of([0], [255], 0))
    r = m.register((0, 255, 0), reset=0)
    low = m.wrap(m.mul(m.slice(r, 0, 4), m.slice(a, 0, 4)), Fixed(False, 8, 0))
    m.connect(r, m.wrap(m.add(low, a), Fixed(False, 8, 0)))
    m.output("y", [r])
    with pytest.raises(OptionError, match="layer 'fold'"):
        pipeline(m, Clock(1.6, MODEL))
    assert pipeline(m, Clock(3.0, MODEL)).latency == 0


def test_no_hurry_places_no_register():
    m = feed_forward(1)
    built = pipeline(m, Clock(float("inf"), DelayModel(1, 1, 1, 1, 1, "")))
    assert Kind.REG not in built.kind
    assert built.latency == 0


def test_an_empty_module():
    assert len(pipeline(Module("empty"), Clock(1.0, MODEL))) == 0
