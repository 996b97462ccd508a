"""Delays and resources from the cells themselves."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.hw import Kind, Module, Table
from gatewright.num import Fixed, Intervals
from gatewright.passes.netlist import DelayModel, cell_delay, modules, resources, total_resources
from gatewright.passes.netlist.bits import Bits
from gatewright.passes.netlist.cost import Resources, cell_luts
from gatewright.passes.netlist.delay import carry_length

MODEL = DelayModel(lut=1.0, carry=10.0, carry_bit=0.1, mux=0.01, register=0.5, source="a test")


def pair(a=(-8, 7, 0), b=(0, 15, 0)) -> tuple[Module, int, int]:
    m = Module("pair")
    x = m.input("x", Intervals.of(*np.asarray([a, b]).T))
    return m, *x


ADDERS = [
    ((-8, 7, 0), (0, 15, 0), 4, 5),
    ((-8, 7, 0), (-8, 7, -2), 4, 5),
    ((-8, 7, 0), (-8, 7, 3), 4, 4),
    ((-8, 7, 0), (-4, 3, 1), 4, 4),
    ((-8, 7, 0), (0, 15, 2), 2, 2),
    ((0, 15, 0), (0, 15, 0), 4, 5),
    ((0, 15, 0), (-8, 7, -2), 2, 3),
    ((0, 15, 0), (0, 15, -4), 0, 0),
]
"""Operands, and the LUTs that `synth_xilinx` takes for their sum and for their difference."""


@pytest.mark.parametrize(("a", "b", "sum_", "difference"), ADDERS)
def test_bits_of_an_adder_that_take_a_lut(a, b, sum_, difference):
    """Those where both operands have a bit; equal pairs above both signs share one."""
    m, x, y = pair(a, b)
    assert cell_luts(m, m.add(x, y)) == sum_
    assert cell_luts(m, m.sub(x, y)) == difference


def test_constants_take_no_lut():
    m, x, y = pair((0, 15, 0), (0, 15, 0))
    beside = m.add(m.shift(y, 3), m.constant(5))
    for s in (m.add(x, m.constant(5)), beside, m.xor(x, m.constant(15))):
        assert cell_luts(m, s) == 0
    assert cell_luts(m, m.add(x, beside)) == 1  # of x only the top bit meets one of y


def test_a_chain_is_as_long_as_it_carries():
    m, x, y = pair((0, 15, 0), (0, 15, 0))
    lengths = {
        m.add(x, m.shift(y, 2)): 5,  # bits 2 to 6
        m.add(x, m.shift(y, 4)): 0,
        m.add(m.shift(y, 3), m.constant(5)): 0,
        m.add(x, m.constant(4)): 3,
        m.neg(x): 5,
    }
    for s, length in lengths.items():
        assert carry_length(m, s, Bits(m)) == length


def test_a_choice_of_four_by_two_bits_is_one_lut_a_bit():
    """`synth_xilinx` takes as many: 8 with a common inner condition, 16 with two of them."""

    def luts(common):
        m = Module("four")
        data = m.input("x", Intervals.of([0] * 4, [255] * 4, 0))
        high, low, other = m.input("s", Intervals.of([0] * 3, [1] * 3, 0))
        inner = [
            m.select(c, *pair)
            for c, pair in ((low, data[:2]), (low if common else other, data[2:]))
        ]
        m.output("y", [m.select(high, *inner)])
        return total_resources(m).lut

    assert (luts(True), luts(False)) == (8, 16)


def test_a_choice_that_is_read_twice_takes_its_luts():
    m = Module("two")
    a, b, c = m.input("x", Intervals.of([0] * 3, [15] * 3, 0))
    high, low = m.input("s", Intervals.of([0] * 2, [1] * 2, 0))
    inner = m.select(low, a, b)
    m.output("y", [m.select(high, inner, c)])
    assert total_resources(m).lut == 4
    m.output("z", [inner])
    assert total_resources(m).lut == 8


def test_flip_flops_are_counted_exactly():
    child, m = Module("child"), Module("top")
    (a,) = child.input("x", Intervals.of([-8], [7], 0))
    for rng in ((-8, 7, 0), (-8, 7, 3)):
        r = child.register(rng)
        child.connect(r, a)
        a = r
    child.output("y", [a])
    x = m.input("x", Intervals.of([-8], [7], 0))
    for _ in range(3):
        m.instance(child, {"x": x})
    bit = m.register((0, 1, 0), reset=0)
    m.connect(bit, m.constant(1))
    assert total_resources(m).ff == 3 * 2 * 4 + 1


def nested() -> Module:
    """A module used twice by one that is used three times, and once by the top itself."""
    inner, middle, top = Module("inner"), Module("middle"), Module("top")
    kinds = Intervals.of([0, 0], [7, 7], 0)
    x = inner.input("x", kinds)
    inner.output("y", [inner.add(*x)])
    x = middle.input("x", kinds)
    for _ in range(2):
        middle.instance(inner, {"x": x})
    middle.output("y", [middle.add(*x)])
    x = top.input("x", kinds)
    for _ in range(3):
        top.instance(middle, {"x": x})
    top.instance(inner, {"x": x})
    return top


def test_instances_multiply():
    found = resources(nested())
    assert {name: count for name, (_, count) in found.items()} == {
        "top": 1, "middle": 3, "inner": 7,
    }  # fmt: skip
    assert {name: own.lut for name, (own, _) in found.items()} == {
        "top": 0, "middle": 3, "inner": 3,
    }  # fmt: skip
    assert total_resources(nested()) == Resources(lut=30.0)
    assert [m.name for m in modules(nested())] == ["inner", "middle", "top"]


def test_modules_of_one_name_are_both_counted():
    top = Module("top")
    x = top.input("x", Intervals.of([0, 0], [7, 7], 0))
    for _ in range(2):
        twin = Module("twin")
        a = twin.input("x", Intervals.of([0, 0], [7, 7], 0))
        twin.output("y", [twin.add(*a)])
        top.instance(twin, {"x": x})
    assert total_resources(top).lut == 6


def test_wiring_is_free():
    m, x, y = pair()
    free = [m.constant(3), m.shift(x, 2), m.wrap(x, Fixed(True, 3, 0)), m.slice(x, 1, 2),
            m.concat(x, y), x]  # fmt: skip
    assert [cell_delay(m, s, MODEL) for s in free] == [0.0] * 6
    assert total_resources(m) == Resources()


def test_delays():
    m, x, y = pair()
    zero = m.constant(0)
    wide = m.input("w", Intervals.of([0], [255], 0))[0]
    cases = [
        (m.add(x, y), 10 + 0.1 * 6),  # -8..22
        (m.sub(x, y), 10 + 0.1 * 6),
        (m.less(x, y), 10 + 0.1 * 4),
        (m.less(x, zero), 0.0),  # the sign bit
        (m.less(zero, x), 10 + 0.1 * 4),
        (m.equal(x, y), 2.0),
        (m.select(m.less(x, zero), x, y), 1.0),
        (m.xor(x, y), 1.0),
        (m.table(y, Table.of("t", np.arange(16))), 1.0),
        (m.table(wide, Table.of("t", np.arange(256))), 1.02),
        (m.mul(x, y), 1 + 2 * (10 + 0.1 * 4)),
        (m.register((0, 1, 0)), 0.0),
    ]
    for s, wanted in cases:
        assert cell_delay(m, s, MODEL) == pytest.approx(wanted), Kind(m.kind[s]).name


def test_luts():
    m, x, y = pair()
    wide = m.input("w", Intervals.of([0], [255], 0))[0]
    assert cell_luts(m, m.less(x, m.constant(0))) == 0
    assert cell_luts(m, m.table(y, Table.of("t", np.arange(16)))) == 4
    assert cell_luts(m, m.table(wide, Table.of("t", np.arange(256)))) == 32
    assert cell_luts(m, m.mul(x, y)) == pytest.approx(1.65 * 2 * 4)  # two rows of four bits
    for s in (m.equal(x, y), m.less(x, y), m.and_(x, y), m.select(m.less(x, y), x, y)):
        assert 0 < cell_luts(m, s) <= m.width(x) + m.width(y)


def test_resources_add_and_multiply():
    one = Resources(1.5, 2, 3)
    assert one + one == one * 2 == Resources(3.0, 4, 6)
