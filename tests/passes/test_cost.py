"""Delays and resources from the cells themselves."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.hw import Kind, Module, Table
from gatewright.num import Fixed, Intervals
from gatewright.passes.netlist import DelayModel, cell_delay, modules, resources, total_resources
from gatewright.passes.netlist.cost import Resources, cell_luts

MODEL = DelayModel(lut=1.0, carry=10.0, carry_bit=0.1, mux=0.01, register=0.5, source="a test")


def pair(a=(-8, 7, 0), b=(0, 15, 0)) -> tuple[Module, int, int]:
    m = Module("pair")
    x = m.input("x", Intervals.of(*np.asarray([a, b]).T))
    return m, *x


def carried_bits(m: Module, s: int) -> int:
    """Return the bits of a sum less those, from the lowest on, that are bits of one operand."""
    a, b = m.a[s], m.b[s]
    sign = -1 if m.kind[s] == Kind.SUB else 1
    p, q = np.meshgrid(np.arange(m.lo[a], m.hi[a] + 1), np.arange(m.lo[b], m.hi[b] + 1))
    p, q = p << (m.frac[s] - m.frac[a]), q << (m.frac[s] - m.frac[b])
    total, width = p + sign * q, m.width(s)
    free = 0
    while free < width and any(((total ^ o) >> free & 1 == 0).all() for o in (p, q)):
        free += 1
    return width - free


@pytest.mark.parametrize("b", [(0, 15, 0), (-8, 7, -2), (-8, 7, 3), (-4, 3, 1), (0, 15, 2)])
@pytest.mark.parametrize("build", ["add", "sub"])
def test_bits_of_an_adder_that_take_a_lut(b, build):
    """The lowest bit of a difference is that of its subtrahend where only that has it: left out."""
    m, x, y = pair(b=b)
    s = getattr(m, build)(x, y)
    own = build == "sub" and b[2] > 0
    assert cell_luts(m, s) == carried_bits(m, s) + own


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
        "top": 0, "middle": 4, "inner": 4,
    }  # fmt: skip
    assert total_resources(nested()) == Resources(lut=40.0)
    assert [m.name for m in modules(nested())] == ["inner", "middle", "top"]


def test_modules_of_one_name_are_both_counted():
    top = Module("top")
    x = top.input("x", Intervals.of([0, 0], [7, 7], 0))
    for _ in range(2):
        twin = Module("twin")
        a = twin.input("x", Intervals.of([0, 0], [7, 7], 0))
        twin.output("y", [twin.add(*a)])
        top.instance(twin, {"x": x})
    assert total_resources(top).lut == 8


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
        (m.mul(x, y), 2 * (10 + 0.1 * 4)),
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
    assert cell_luts(m, m.mul(x, y)) == 16
    for s in (m.equal(x, y), m.less(x, y), m.and_(x, y), m.select(m.less(x, y), x, y)):
        assert 0 < cell_luts(m, s) <= m.width(x) + m.width(y)


def test_resources_add_and_multiply():
    one = Resources(1.5, 2, 3)
    assert one + one == one * 2 == Resources(3.0, 4, 6)
