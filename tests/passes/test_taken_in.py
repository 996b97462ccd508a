"""A table that an adder's lookup tables compute gets no register behind it."""

import numpy as np
import pytest
from tests.passes.pipelines import MODEL

from gatewright.hw import VALID_IN, VALID_OUT, Kind, Module, Table, check, evaluate, run_stream
from gatewright.num import Intervals
from gatewright.passes.netlist import Clock, pipeline
from gatewright.passes.netlist.taken_in import taken_in

TABLE, ADD, REG = int(Kind.TABLE), int(Kind.ADD), int(Kind.REG)


def sums(terms=6, bits=5):
    """Return a module that adds tables up one after the other, and what it reads."""
    rng = np.random.default_rng(terms)
    m = Module("sums", "sums")
    x = m.input("x", Intervals.of([0] * terms, [(1 << bits) - 1] * terms, [0] * terms))
    total = x[0]
    for k, s in enumerate(x[1:]):
        words = rng.integers(0, 40, 1 << bits)
        words[0] = 0
        total = m.add(total, m.table(s, Table.of(f"t{k}", words, 0)))
    m.output("y", [total])
    return m


def registered_tables(m):
    return sum(m.kind[s] == REG and m.kind[m.a[s]] == TABLE for s in range(len(m)))


@pytest.mark.parametrize("bits", [3, 5, 6])
def test_registers_go_in_front_of_small_tables(bits):
    m = sums(bits=bits)
    assert len(taken_in(m)) == (0 if bits > 5 else 5)
    placed = pipeline(m, Clock(1.3, MODEL))
    assert placed.latency > 1
    assert (registered_tables(placed) == 0) == (bits <= 5)
    check(placed)


@pytest.mark.parametrize("latency", [None, 9])
@pytest.mark.parametrize("period", [0.9, 1.3, 2.0])
def test_values_stay(period, latency):
    m = sums()
    codes = np.random.default_rng(1).integers(0, 32, (50, 6))
    (valid,) = m.input(VALID_IN, Intervals.of([0], [1], [0]))
    m.output(VALID_OUT, [valid])
    wanted = evaluate(m, {VALID_IN: np.ones((50, 1), np.int64), "x": codes})["y"]
    placed = pipeline(m, Clock(period, MODEL), latency)
    assert registered_tables(placed) == 0
    check(placed)
    np.testing.assert_array_equal(run_stream(placed, {"x": codes}).outputs["y"], wanted)


def test_the_wiring_of_a_table_stays_with_its_sum():
    m = Module("shifted", "shifted")
    x = m.input("x", Intervals.of([0, 0], [31, 31], [0, 0]))
    words = m.table(x[0], Table.of("t", np.arange(32) ** 2 % 29, 0))
    total = m.add(m.shift(words, 2), x[1])
    m.output("y", [total])
    (rows,) = taken_in(m).values()
    assert [m.kind[s] for s in rows] == [TABLE, int(Kind.SHIFT)]


def test_tables_that_others_read_are_left_alone():
    m = Module("shared", "shared")
    x = m.input("x", Intervals.of([0, 0], [31, 31], [0, 0]))
    words = m.table(x[0], Table.of("t", np.arange(32) ** 2 % 29, 0))
    m.output("y", [m.add(words, x[1]), words])
    assert taken_in(m) == {}
