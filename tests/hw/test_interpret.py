"""Circuits with state, cycle by cycle, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.base import VerificationError
from gatewright.hw import Module, Simulator, evaluate
from gatewright.num import Fixed, Intervals


def counter(reset: int | None = 2) -> Module:
    """Count up, modulo 16, in cycles that are enabled."""
    m = Module("counter", origin="layer 'count'")
    (enable,) = m.input("enable", Intervals.of([0], [1], 0))
    r = m.register((0, 15, 0), reset)
    m.connect(r, m.wrap(m.add(r, m.constant(1)), Fixed(False, 4, 0)), enable)
    m.output("y", [r])
    return m


def run(simulator: Simulator, enables: list[int]) -> list[int]:
    steps = [simulator.step({"enable": np.asarray([[e]])}) for e in enables]
    return [int(step["y"][0, 0]) for step in steps]


def test_enable_and_reset():
    simulator = Simulator(counter())
    simulator.reset()
    assert run(simulator, [1, 1, 0, 1, 0, 0, 1]) == [2, 3, 4, 4, 5, 5, 5]
    simulator.reset()
    assert run(simulator, [0, 1] + 15 * [1]) == [2, 2, *range(3, 16), 0, 1]


def test_reset_leaves_a_register_without_reset_value_alone():
    simulator = Simulator(counter(None))
    first = run(simulator, [1, 1])
    assert first == [15, 0]  # before reset it holds something that is not zero
    simulator.reset()
    assert run(simulator, [0]) == [1]


def test_what_is_held_before_reset_is_not_zero_where_it_can_be():
    m = Module("held")
    (a,) = m.input("x", Intervals.of([-3], [0], 0))
    registers = [m.register((-3, 0, 0)), m.register((-3, 9, 0)), m.register((0, 0, 0))]
    for r in registers[:2]:
        m.connect(r, a)
    m.connect(registers[2], m.constant(0))
    m.output("y", registers)
    assert Simulator(m).peek({"x": np.asarray([[0]])})["y"].tolist() == [[-3, 9, 0]]


def test_registers_change_together():
    """A swap: each takes what the other held before the edge."""
    m = Module("swap")
    a, b = m.register((0, 9, 0), reset=1), m.register((0, 9, 0), reset=7)
    m.connect(a, b)
    m.connect(b, a)
    m.output("y", [a, b])
    simulator = Simulator(m)
    simulator.reset()
    seen = [simulator.step({})["y"][0].tolist() for _ in range(3)]
    assert seen == [[1, 7], [7, 1], [1, 7]]


def test_a_register_keeps_numbers_not_codes():
    """Data on a coarser grid than the register's."""
    m = Module("grids")
    (a,) = m.input("x", Intervals.of([-2], [1], 0))
    r = m.register((-8, 4, 2), reset=0)
    m.connect(r, a)
    m.output("y", [r])
    simulator = Simulator(m)
    simulator.step({"x": np.asarray([[-2]])})
    assert simulator.step({"x": np.asarray([[1]])})["y"].tolist() == [[-8]]
    assert simulator.step({"x": np.asarray([[0]])})["y"].tolist() == [[4]]


def test_peek_takes_no_clock_edge():
    simulator = Simulator(counter())
    simulator.reset()
    for _ in range(3):
        assert int(simulator.peek({"enable": np.asarray([[1]])})["y"][0, 0]) == 2


def test_copies_of_a_batch_are_independent():
    simulator = Simulator(counter(), batch=3)
    simulator.reset()
    enables = np.asarray([[0], [1], [1]])
    for cycle in range(4):
        found = simulator.step({"enable": enables})["y"].ravel().tolist()
        assert found == [2, 2 + cycle, 2 + cycle]


def nested() -> Module:
    """Two counters of one module in a parent, the second enabled where the first is odd."""
    child = counter()
    m = Module("nested")
    enable = m.input("enable", Intervals.of([0], [1], 0))
    (one,) = m.instance(child, {"enable": enable}, "one")["y"]
    odd = m.slice(one, 0, 1)
    (two,) = m.instance(child, {"enable": [odd]}, "two")["y"]
    m.output("y", [one, two])
    return m


def test_instances_hold_states_of_their_own():
    simulator = Simulator(nested())
    simulator.reset()
    one = two = 2
    for e in [1, 1, 0, 1, 1, 1, 0]:
        assert simulator.step({"enable": np.asarray([[e]])})["y"][0].tolist() == [one, two]
        one, two = one + e, two + one % 2
    simulator.reset()
    assert simulator.peek({"enable": np.asarray([[0]])})["y"][0].tolist() == [2, 2]


def lying() -> Module:
    m = Module("lying", origin="layer 'sum'")
    (a,) = m.input("x", Intervals.of([0], [7], 0))
    r = m.register((0, 5, 0), reset=0)
    m.connect(r, a)
    m.output("y", [m.sub(a, m.constant(1), within=(0, 6)), r])
    return m


def test_a_signal_that_leaves_its_range_wrong():
    with pytest.raises(VerificationError) as error:
        Simulator(lying()).peek({"x": np.asarray([[0]])})
    assert str(error.value) == (
        "a signal left the range that the circuit claims for it\n"
        "  at:        layer 'sum': signal 3 (SUB)\n"
        "  found:     -1..-1\n"
        "  supported: 0..6"
    )


def test_a_register_that_leaves_its_range_wrong():
    simulator = Simulator(lying())
    simulator.reset()
    with pytest.raises(VerificationError, match=r"signal 1 \(REG\)"):
        simulator.step({"x": np.asarray([[6]])})


def test_an_input_out_of_range_wrong():
    with pytest.raises(VerificationError, match=r"signal 0 \(INPUT\)"):
        Simulator(lying()).peek({"x": np.asarray([[8]])})


def test_the_check_of_ranges_can_be_switched_off_in_every_instance():
    m = Module("outer")
    x = m.input("x", Intervals.of([0], [7], 0))
    m.output("y", m.instance(lying(), {"x": x})["y"])
    simulator = Simulator(m)
    simulator.reset()
    simulator.checking(False)
    assert simulator.peek({"x": np.asarray([[0]])})["y"].tolist() == [[-1, 0]]
    simulator.checking(True)
    with pytest.raises(VerificationError):
        simulator.peek({"x": np.asarray([[0]])})


def test_evaluate_is_for_circuits_without_state():
    with pytest.raises(AssertionError, match="needs a `Simulator`"):
        evaluate(counter(), {"enable": np.asarray([[1]])})


def test_circuits_without_ports():
    m = Module("constant")
    m.output("y", [m.constant(5), m.constant(-3, 1)])
    m.output("none", [])
    found = evaluate(m, {})
    assert found["y"].tolist() == [[5, -3]]
    assert found["none"].shape == (1, 0)
    top = Module("top")
    parts = top.instance(m, {})
    top.output("y", parts["y"])
    assert evaluate(top, {})["y"].tolist() == [[5, -3]]
