"""The slowest path: counted by hand on small circuits, and against a plain recomputation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.arch import critical_path
from gatewright.arch.timing import CONSTANTS
from gatewright.hw import NONE, Kind, Module, Table
from gatewright.num import Fixed, Intervals
from gatewright.passes.netlist import Clock, DelayModel, cell_delay, pipeline

MODEL = DelayModel(0.5, 0.7, 0.01, 0.125, 0.25, "made up", lut_inputs=6, spread=0.1)


def start(count, width, name="m"):
    m = Module(name)
    return m, m.input("x", Intervals.format(Fixed(True, width, 0), (count,)))


def test_adder_then_choice_is_counted():
    m, (a, b, c) = start(3, 8)
    total = m.add(a, b)
    m.output("y", [m.select(m.less(total, c), total, c)])
    path = critical_path(m, MODEL, luts=4000)
    # 9 bits of sum, 9 of comparison, a choice; twice the spread at 4,000 LUTs.
    assert path.terms == {
        "register": 1, "lut": 1, "carry": 2, "carry_bit": 18, "mux": 0, "spread": 2
    }  # fmt: skip
    assert path.period == pytest.approx(0.25 + 0.2 + 0.5 + 1.4 + 0.18)
    assert path.fmax == pytest.approx(1e3 / path.period)
    assert path.module == "m"


def test_registers_cut_paths():
    m, (a, b, c) = start(3, 8)
    held = m.register((-256, 254, 0))
    m.connect(held, m.add(a, b))
    m.output("y", [m.add(held, c)])
    path = critical_path(m, MODEL, luts=0)
    assert path.terms["carry"] == 1
    assert path.terms["carry_bit"] == 10


def test_wide_tables_take_select_levels():
    m, (a,) = start(1, 9)
    m.output("y", [m.table(a, Table.of("t", np.arange(512) % 7))])
    assert critical_path(m, MODEL, luts=0).terms["mux"] == 3
    narrow = DelayModel(**{**vars(MODEL), "lut_inputs": 4})
    assert critical_path(m, narrow, luts=0).terms["mux"] == 5


def test_copies_of_an_instance_have_arrivals_of_their_own():
    inner, (p, q) = start(2, 10, "inner")
    inner.output("y", [inner.add(p, q), p])
    m, (a, b, c, d) = start(4, 7)
    late = m.add(m.add(c, d), c)
    feeds = np.asarray([[a, b], [late, a], [a, b], [a, late]])
    m.output("y", m.instances_of(inner, feeds).ravel().tolist())
    alone, (e, f, g, h) = start(4, 7)
    outer = alone.add(alone.add(g, h), g)
    found = [alone.instance(inner, {"x": each}, f"u{i}")["y"] for i, each in
             enumerate([[e, f], [outer, e], [e, f], [e, outer]])]  # fmt: skip
    alone.output("y", [s for each in found for s in each])
    path = critical_path(m, MODEL, luts=0)
    assert path == critical_path(alone, MODEL, luts=0)
    assert path.terms["carry"] == 3


def test_paths_go_through_instances():
    inner, (p, q) = start(2, 8, "inner")
    inner.output("y", [inner.add(p, q), p])
    m, (a, b, c) = start(3, 8)
    first = m.instance(inner, {"x": [a, b]}, "u1")["y"]
    second = m.instance(inner, {"x": [first[1], c]}, "u2")["y"]
    m.output("y", [m.add(first[0], second[0])])
    path = critical_path(m, MODEL, luts=0)
    assert path.terms["carry"] == 2
    assert path.terms["carry_bit"] == 9 + 10


def test_copies_side_by_side_each_have_their_own_arrivals():
    inner, (p, q) = start(2, 8, "inner")
    inner.output("y", [p, inner.sub(p, q)])
    m, (a, b, c) = start(3, 8)
    early = m.wrap(m.add(a, b), Fixed(True, 8, 0))
    found = m.instances_of(inner, np.asarray([[a, b], [early, c]]), "u")
    m.output("y", [m.add(found[0, 1], found[0, 0]), m.add(found[1, 1], c)])
    path = critical_path(m, MODEL, luts=0)
    assert path.terms["carry"] == 3
    m.outputs.clear()
    m.output("y", [m.add(found[0, 1], found[0, 0]), m.add(found[1, 0], c)])
    assert critical_path(m, MODEL, luts=0).terms["carry"] == 2


def test_the_slowest_path_may_lie_inside_an_instance():
    inner, (p, q) = start(2, 8, "inner")
    held = inner.register((-512, 510, 0))
    inner.connect(held, inner.add(inner.add(p, q), q))
    inner.output("y", [held])
    m, (a, b) = start(2, 8)
    m.output("y", m.instance(inner, {"x": [a, b]}, "u")["y"])
    path = critical_path(m, MODEL, luts=0)
    assert (path.module, path.terms["carry"]) == ("inner", 2)


def test_constants_cost_no_time():
    m, (a,) = start(1, 8)
    m.output("y", [m.add(a, m.constant(5))])
    assert critical_path(m, MODEL, luts=0).terms["carry"] == 1
    empty = Module("empty")
    empty.output("y", [empty.constant(3)])
    assert critical_path(empty, MODEL, luts=0).period == MODEL.register


@st.composite
def circuits(draw):
    m, signals = start(4, draw(st.integers(2, 6)))
    for _ in range(draw(st.integers(1, 20))):
        a, b, c = (signals[draw(st.integers(0, len(signals) - 1))] for _ in range(3))
        kind = draw(st.sampled_from(["add", "sub", "max"]))
        if m.width(a) > 20 or m.width(b) > 20:
            continue
        made = {
            "add": lambda a=a, b=b: m.add(a, b),
            "sub": lambda a=a, b=b: m.sub(a, b),
            "max": lambda a=a, b=b, c=c: m.select(m.less(a, b), b, c),
        }[kind]()
        signals.append(made)
    m.output("y", signals[-3:])
    return m


def slowest(m):
    """Try every path of a flat circuit."""
    time: dict[int, float] = {}
    worst = 0.0
    for s, kind in enumerate(m.kind):
        before = [time[o] for o in m.operands(s) if kind != Kind.REG and not m.is_constant(o)]
        moves = kind not in (Kind.REG, Kind.INPUT, Kind.CONST) and before
        time[s] = max(before) + cell_delay(m, s, MODEL) if moves else 0.0
    ends = [m.a[s] for s, kind in enumerate(m.kind) if kind == Kind.REG and m.a[s] != NONE]
    for o in [*ends, *m.output_signals]:
        worst = max(worst, time[o])
    return worst + MODEL.register


@settings(max_examples=60)
@given(circuits(), st.sampled_from([3.0, 4.0, 8.0]))
def test_agrees_with_every_path_and_with_the_clock_asked_for(m, period):
    built = pipeline(m, Clock(period, MODEL))
    path = critical_path(built, MODEL, luts=0)
    assert path.period == pytest.approx(slowest(built))
    assert path.period <= period + 1e-9
    constants = [getattr(MODEL, name) for name in CONSTANTS]
    assert np.dot(list(path.terms.values()), constants) == pytest.approx(path.period)
