"""Streams in the plain interpreter: values, cycles, stalls, deadlocks, broken promises."""

from __future__ import annotations

import numpy as np
import pytest
import stream_modules as modules

from gatewright.base import DataError, VerificationError
from gatewright.hw import Module, check, random_ready, run_streams, stream_names
from gatewright.num import Intervals

RNG = np.random.default_rng(5)
X = RNG.integers(-300, 301, (40, 3))
NIBBLES = {"x": np.arange(12)[:, None]}


def test_a_skid_buffer_moves_a_beat_in_each_cycle():
    check(modules.skid())
    result = run_streams(modules.skid(), {"x": X}, {"y": 40})
    np.testing.assert_array_equal(result.outputs["y"], X)
    assert result.accept_cycle["x"].tolist() == list(range(40))
    assert result.output_cycle["y"].tolist() == list(range(1, 41))
    assert (result.cycles, result.deadlock) == (41 + 64, "")


@pytest.mark.parametrize("probability", [0.2, 0.7])
def test_stalls_and_gaps_change_no_value(probability):
    gaps = RNG.integers(0, 4, 40)
    ready = {"y": random_ready(probability, seed=3)}
    result = run_streams(modules.skid(), {"x": X}, {"y": 40}, gaps={"x": gaps}, ready=ready)
    np.testing.assert_array_equal(result.outputs["y"], X)
    assert ready["y"][result.output_cycle["y"]].all()
    assert (np.diff(result.accept_cycle["x"]) >= gaps[1:] + 1).all()
    assert result.accept_cycle["x"][0] == gaps[0]


def test_two_streams_join():
    a, b = RNG.integers(-8, 8, (20, 2)), RNG.integers(0, 201, (20, 2))
    gaps = {"b": np.arange(20) % 3}
    result = run_streams(modules.adder(), {"a": a, "b": b}, {"y": 20}, gaps=gaps)
    np.testing.assert_array_equal(result.outputs["y"], a + 2 * b)
    np.testing.assert_array_equal(result.accept_cycle["a"], result.accept_cycle["b"])
    np.testing.assert_array_equal(result.output_cycle["y"], result.accept_cycle["a"] + 2)


def test_streams_of_other_rates():
    x = RNG.integers(-4, 4, (18, 1))
    ready = {"z": random_ready(0.3)}
    result = run_streams(modules.decimator(), {"x": x}, {"y": 6, "z": 6}, ready=ready)
    np.testing.assert_array_equal(result.outputs["y"][:, 0], x.reshape(6, 3).sum(1))
    assert result.outputs["z"].tolist() == [[0]] * 6


def test_a_deadlock_says_who_waits():
    result = run_streams(modules.wrong("sticks"), NIBBLES, {"y": 12}, patience=50)
    assert result.deadlock == "input x: 9 of 12 beats taken; output y: 9 of 12 beats came"
    short = run_streams(modules.decimator(), {"x": NIBBLES["x"][:3] - 4}, {"y": 2, "z": 1})
    assert short.deadlock == "output y: 1 of 2 beats came"


def test_patience_is_not_for_what_the_surroundings_do():
    """A long gap and a long stall are no deadlock, whatever the patience."""
    gaps = {"x": np.asarray([0, 90] + [0] * 10)}
    ready = {"y": np.arange(70) == 69}
    result = run_streams(
        modules.skid(1), NIBBLES, {"y": 12}, gaps=gaps, ready=ready, patience=5, drain=3
    )
    assert result.deadlock == ""
    assert set(np.diff(result.output_cycle["y"]).tolist()) <= {70, 140}


def test_spurious_beats_show():
    result = run_streams(modules.wrong("spills"), NIBBLES, {"y": 12})
    assert len(result.outputs["y"]) == 12 + 65
    assert result.deadlock == ""


def test_a_receiver_must_be_ready_now_and_then_wrong():
    with pytest.raises(DataError, match="probability 0, 4093 cycles"):
        random_ready(0)
    assert random_ready(1e-9).sum() == 1
    assert random_ready(1.0, cycles=7).tolist() == [True] * 7


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("drops", "output stream 'y' breaks the protocol: valid falls before the beat is taken"),
        ("changes", "output stream 'y' breaks the protocol: the data change before the beat is"),
    ],
)
def test_a_broken_promise_wrong(how, text):
    ready = {"y": random_ready(0.3)}
    with pytest.raises(VerificationError, match=text) as error:
        run_streams(modules.wrong(how), NIBBLES, {"y": 12}, ready=ready)
    assert f"module 'wrong_{how}'" in str(error.value)


def test_ranges_are_checked_while_it_runs_wrong():
    m = modules.skid(1)
    m.hi[m.outputs["y"][0]] = 5
    with pytest.raises(VerificationError, match="left the range"):
        run_streams(m, {"x": np.full((40, 1), 6)}, {"y": 40})


@pytest.mark.parametrize(
    ("beats", "expected", "options", "text"),
    [
        ({}, {"y": 1}, {}, r"beats of \[\], the inputs are \['x'\]"),
        ({"x": X[:, :2]}, {"y": 1}, {}, r"x: int64\(40, 2\), a beat has \(3,\)"),
        ({"x": X + 300}, {"y": 1}, {}, "x: a value is outside its range"),
        ({"x": X}, {}, {}, r"expected beats of \[\], the outputs are \['y'\]"),
        ({"x": X}, {"y": -1}, {}, "y: -1 beats expected"),
        ({"x": X}, {"y": 1}, {"gaps": {"x": np.zeros(3, int)}}, r"x: gaps int64\(3,\) for 40 b"),
        ({"x": X}, {"y": 1}, {"gaps": {"z": np.zeros(40, int)}}, "z: no such input"),
        ({"x": X}, {"y": 1}, {"ready": {"y": np.zeros(9, bool)}}, "y: a ready pattern bool"),
        ({"x": X}, {"y": 1}, {"ready": {"x": np.ones(9, bool)}}, "x: no such output"),
    ],
)
def test_beats_that_do_not_fit_wrong(beats, expected, options, text):
    with pytest.raises(DataError, match=text):
        run_streams(modules.skid(), beats, expected, **options)


def test_a_loose_port_wrong():
    m = modules.skid()
    m.input("mode", Intervals.of([0], [1], 0))
    with pytest.raises(DataError, match="port mode belongs to no stream"):
        run_streams(m, {"x": X}, {"y": 40})


def test_a_stream_is_known_by_its_three_ports():
    m = Module("m")
    for name in ("x_valid", "x", "lone_valid", "y_ready"):
        m.input(name, Intervals.of([0], [1], 0))
    for name in ("x_ready", "y", "y_valid"):
        m.output(name, m.inputs["x"])
    assert stream_names(m) == (["x"], ["y"])
