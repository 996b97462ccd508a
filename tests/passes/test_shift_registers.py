"""Estimated resources: shift registers, as Yosys makes them."""

import pytest

from gatewright.base.cache import Cache
from gatewright.emit import emit_verilog
from gatewright.hw import Module
from gatewright.num import Intervals
from gatewright.passes.netlist import total_resources
from gatewright.passes.netlist.cost import register_runs, run_cost
from gatewright.tools.yosys import synthesize

LENGTHS = (1, 2, 3, 16, 17, 18, 32, 33, 34, 64, 65, 66)


def chain(m, s, length, reset=None):
    registers = []
    for _ in range(length):
        register = m.register(m.range(s), reset)
        m.connect(register, registers[-1] if registers else s)
        registers.append(register)
    return registers


def delays(lengths):
    """Return a module that delays each of its inputs by another number of cycles."""
    m = Module("delays")
    inputs = m.input("x", Intervals.of([0] * len(lengths), [3] * len(lengths), [0] * len(lengths)))
    m.output("y", [chain(m, s, length)[-1] for s, length in zip(inputs, lengths, strict=True)])
    return m


@pytest.mark.parametrize(
    ("length", "cost"),
    [(1, (1, 0)), (2, (2, 0)), (3, (0, 1)), (17, (1, 1)), (32, (0, 1)), (33, (1, 1)), (34, (0, 2))],
)
def test_cost_of_a_run(length, cost):
    assert run_cost(length) == cost


def test_yosys_makes_the_shift_registers_that_are_estimated(tmp_path):
    m = delays(LENGTHS)
    found = synthesize(
        emit_verilog(m), "delays", "xcup", flow="fast", cache=Cache(tmp_path)
    ).total  # fmt: skip
    wanted = total_resources(m)
    assert (found.ff, found.srl) == (wanted.ff, wanted.srl)
    assert wanted.srl == wanted.lut > 0


def test_a_run_ends_where_it_is_read_reset_or_held():
    m = Module("runs")
    x, enable = m.input("x", Intervals.of([0, 0], [7, 1], [0, 0]))
    tapped = chain(m, x, 7)
    cleared = chain(m, x, 4, reset=0)
    held = m.register(m.range(x))
    m.connect(held, x, enable)
    m.output("y", [tapped[-1], tapped[2], cleared[-1], held])
    runs = sorted(map(len, register_runs(m)))
    assert runs == [1, 1, 1, 1, 1, 3, 4]
    assert (total_resources(m).ff, total_resources(m).srl) == (3 * 5, 3 * 2)
