"""The interpreter that needs no compiling equals the definition on every cell and form."""

from __future__ import annotations

import numpy as np
import pytest
from engine_circuits import random_inputs, random_module
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import DataError
from gatewright.engine import Interpreter, can_interpret
from gatewright.engine.interpreted import BLOCK
from gatewright.hw import Module, Table, evaluate
from gatewright.num import Fixed, Intervals


def agree(module, batch=70, threads=1):
    assert can_interpret(module)
    inputs = random_inputs(module, batch)
    expected = evaluate(module, inputs)
    found = Interpreter(module)
    actual = found.run(inputs, threads=threads)
    assert list(actual) == list(expected)
    for name, values in expected.items():
        assert actual[name].dtype == np.int64
        np.testing.assert_array_equal(actual[name], values, err_msg=f"port {name}")
    return found


@pytest.mark.parametrize("seed", range(24))
def test_random_circuits(seed):
    widest = [1, 3, 6, 8, 12, 16, 20, 31, 62][seed % 9]
    agree(random_module(seed, cells=90, widest=widest))


@settings(max_examples=40, deadline=None)
@given(st.integers(100, 1 << 30), st.integers(1, 61), st.integers(1, 40))
def test_random_circuits_of_any_width(seed, widest, cells):
    agree(random_module(seed, cells=cells, widest=widest), batch=33)


@pytest.mark.parametrize("seed", range(8))
def test_instances_of_instances(seed):
    leaf = [random_module(1000 + 10 * seed + i, cells=20, widest=10) for i in range(2)]
    middle = random_module(2000 + seed, cells=40, widest=12, children=leaf)
    agree(random_module(3000 + seed, cells=60, widest=12, children=[middle, leaf[0]]))


@pytest.mark.parametrize("batch", [0, 1, BLOCK, 9 * BLOCK + 5])
@pytest.mark.parametrize("threads", [1, 2])
def test_batches_of_any_size(batch, threads):
    """Several blocks: what is written once, as constants, must last."""
    agree(random_module(5, cells=120, widest=9), batch, threads)


def bits(count):
    m = Module("bits")
    return m, m.input("x", Intervals.of(*np.asarray([[0] * count, [1] * count, [0] * count])))


def test_bits_travel_as_bits():
    """Choices between bits are steps on words of 64 samples, and integers come back at the end."""
    m, x = bits(9)
    chosen = m.select(x[0], m.and_(x[1], x[2]), m.xor(x[3], m.or_(x[4], x[5])))
    code = m.concat(m.concat(chosen, x[6]), m.not_(x[7]))
    m.output("y", [m.table(code, Table.of("t", np.arange(8) * 3 - 5)), chosen])
    found = agree(m, 700)
    assert found.lane_bits == 32


def test_numbers_of_many_bits_take_64():
    m = Module("wide")
    (x,) = m.input("x", Intervals.of([-(2**20)], [2**20], [0]))
    m.output("y", [m.less(m.shift(x, -30), x), m.mul(x, x)])
    assert agree(m).lane_bits == 64


def test_a_value_outside_its_range_is_refused():
    m, x = bits(2)
    m.output("y", [m.and_(x[0], x[1])])
    with pytest.raises(DataError, match="outside the range") as error:
        Interpreter(m).run({"x": np.asarray([[0, 1], [1, 2]])})
    assert "element 1, sample 1" in str(error.value)
    with pytest.raises(DataError, match="do not match"):
        Interpreter(m).run({"z": np.zeros((1, 2), np.int64)})


def test_state_is_left_to_the_simulator():
    m, x = bits(1)
    register = m.register((0, 1, 0))
    m.connect(register, x[0])
    m.output("y", [register])
    assert not can_interpret(m)
    outer, z = bits(1)
    outer.output("y", outer.instance(m, {"x": z})["y"])
    assert not can_interpret(outer)


def test_a_sum_on_a_finer_grid_keeps_all_bits():
    """Operands of 30 bits whose common grid needs 40: integers of 64 bits."""
    m = Module("grids")
    a, b = m.input("x", Intervals.of([0, 0], [2**30 - 1, 7], [0, 10]))
    m.output("y", [m.less(a, b), m.wrap(a, Fixed(True, 4, -3))])
    assert agree(m).lane_bits == 64
