"""Registers are as few as the latency allows, and nothing else changes."""

import random

import numpy as np
import pytest
from tests.passes.pipelines import MODEL, circuit, fewest_bits, grow, register_bits, worst_arrival

from gatewright.base import OptionError
from gatewright.hw import VALID_IN, VALID_OUT, Kind, Module, check, evaluate, run_stream
from gatewright.num import Fixed, Intervals
from gatewright.passes.netlist import Clock, least_latency, pipeline
from gatewright.passes.netlist.retime import retime
from gatewright.passes.netlist.schedule import Scheduler

PERIODS = (0.9, 1.3, 2.0, 3.5)
SEEDS = range(12)


def clocked(period):
    return Clock(period, MODEL)


def earliest(top, period, latency=None):
    return pipeline(top, clocked(period), latency, effort=0)


def one_level(seed, cells=8):
    """Return a module without shifts, which a placement may register before or behind."""
    rng = random.Random(seed)
    m = Module("tiny", "tiny")
    x = m.input("x", Intervals.of([-8, -2], [7, 1], [0, 0]))
    read = {o for s in grow(m, x, cells, rng) for o in m.operands(s)}
    m.output("y", [s for s in range(len(m)) if s not in read and not m.is_constant(s)])
    return m


def is_small(m):
    constant = any(m.is_constant(s) and k != Kind.CONST for s, k in enumerate(m.kind))
    return len(m) <= 10 and Kind.SHIFT not in m.kind and not constant


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("more", [0, 1])
def test_no_placement_of_a_small_circuit_has_fewer_bits(seed, more):
    m = one_level(seed)
    if not is_small(m):
        return
    period = 1.1 if seed % 2 else 1.4
    depth = least_latency(m, clocked(period)) + more
    if (depth + 1) ** len(m) > 20_000:
        return
    placed = pipeline(m, clocked(period), depth)
    wanted = fewest_bits(m, depth, clocked(period).budget, MODEL)
    assert register_bits(placed) == wanted


def test_enough_small_circuits_are_tried():
    found = [one_level(seed) for seed in range(40)]
    assert sum(map(is_small, found)) >= 8


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("period", PERIODS)
def test_latency_stays_registers_do_not_grow_and_the_clock_is_met(seed, period):
    top = circuit(seed)
    before, after = earliest(top, period), pipeline(top, clocked(period))
    check(after)
    assert after.latency == before.latency == least_latency(top, clocked(period))
    assert register_bits(after) <= register_bits(before)
    for placed in (before, after):
        assert worst_arrival(placed, MODEL) <= clocked(period).budget + 1e-9


def test_registers_do_shrink():
    pairs = [
        (earliest(circuit(seed, 30), 0.9), pipeline(circuit(seed, 30), clocked(0.9)))
        for seed in SEEDS
    ]
    assert sum(register_bits(b) for _, b in pairs) < 0.95 * sum(register_bits(a) for a, _ in pairs)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("more", [0, 3])
def test_the_circuit_computes_what_it_did(seed, more):
    top = circuit(seed)
    period = PERIODS[seed % len(PERIODS)]
    latency = least_latency(top, clocked(period)) + more
    placed = pipeline(top, clocked(period), latency)
    check(placed)
    assert placed.latency == latency
    x = np.random.default_rng(seed).integers(-8, 8, (20, 3))
    wanted = evaluate(top, {VALID_IN: np.ones((20, 1), np.int64), "x": x})
    gaps = np.random.default_rng(seed).integers(0, 3, 20)
    found = run_stream(placed, {"x": x}, gaps)
    np.testing.assert_array_equal(found.outputs["y"], wanted["y"])
    assert set((found.output_cycle - found.accept_cycle).tolist()) == {latency}


def test_a_budget_of_work_that_runs_out_leaves_a_sound_circuit():
    top = circuit(3, 30)
    bits = register_bits(earliest(top, 0.9))
    for effort in (1, 2_000, 8_000, 40_000, 10_000_000):
        placed = pipeline(top, clocked(0.9), effort=effort)
        check(placed)
        assert placed.latency == least_latency(top, clocked(0.9))
        assert worst_arrival(placed, MODEL) <= clocked(0.9).budget + 1e-9
        assert register_bits(placed) <= bits
        bits = register_bits(placed)


def layers():
    """Return two layers with a narrow value inside the first: wide in, narrow, wide out."""
    first, second, top = Module("first", "first"), Module("second", "second"), Module("top", "top")
    a, b = first.input("x", Intervals.of([-512, -512], [511, 511], [0, 0]))
    first.output("y", [first.wrap(first.add(a, b), Fixed(True, 3, 0))])
    (c,) = second.input("x", Intervals.of([-4], [3], [0]))
    grown = second.mul(c, c)
    second.output("y", [second.add(second.shift(grown, 4), c)])
    (valid,) = top.input(VALID_IN, Intervals.of([0], [1], [0]))
    x = top.input("x", Intervals.of([-512, -512], [511, 511], [0, 0]))
    y = top.instance(second, {"x": top.instance(first, {"x": x})["y"]})["y"]
    top.output(VALID_OUT, [valid])
    top.output("y", y)
    return top


def test_registers_between_layers_stand_where_numbers_are_narrow():
    top = layers()
    least = least_latency(top, clocked(2.0))
    placed = pipeline(top, clocked(2.0), least + 4)
    # Each cycle more costs the 3 bits between the layers and `valid`, wherever the wide ones are.
    assert register_bits(placed) == register_bits(pipeline(top, clocked(2.0))) + 4 * (3 + 1)


def test_a_latency_that_is_too_short_names_the_least():
    top = circuit(1)
    least = least_latency(top, clocked(0.9))
    with pytest.raises(OptionError) as error:
        pipeline(top, clocked(0.9), least - 1)
    assert str(error.value) == (
        "the latency is too short for this circuit\n"
        "  at:        top\n"
        f"  found:     {least - 1} cycles at 1111 MHz\n"
        f"  supported: {least} to 4096 cycles\n"
        f"  remedy:    ask for {least} cycles or more, choose a slower clock, or leave the latency "
        "out"
    )


def test_a_latency_beyond_all_use_is_refused():
    with pytest.raises(OptionError, match="the latency is too long") as error:
        pipeline(circuit(1), clocked(2.0), 5000)
    assert "delay the answers outside of the design" in str(error.value)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_search_ends_in_an_optimum_and_finds_nothing_more(seed):
    top, clock = circuit(seed, 30), clocked(1.1)
    schedule = Scheduler(clock).run(top, [0.0] * len(top.input_signals))
    assert retime(schedule, clock.budget).optimal
    again = retime(schedule, clock.budget)
    assert (again.optimal, again.moves) == (True, 0)
