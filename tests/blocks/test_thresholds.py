"""Every circuit that counts thresholds, against counting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.blocks import thresholds as block
from gatewright.blocks.staircase import affine_staircase
from gatewright.hw import Module
from gatewright.hw.interpret import evaluate
from gatewright.num import Intervals, Rounding
from gatewright.passes.graph.exactly import round_ratio
from gatewright.passes.netlist.cost import FREE, cell_luts


def count(thresholds, q):
    return np.searchsorted(thresholds, q, side="right")


def run(build, lo, hi, frac=0):
    """Build a circuit on one input and return its answers to every code, with the module."""
    m = Module("m")
    (a,) = m.input("x", Intervals.of([lo], [hi], [frac]))
    m.output("y", [build(m, a)])
    q = np.arange(lo, hi + 1)
    got = evaluate(m, {"x": q[:, None]})["y"][:, 0]
    return q, got << -m.frac[m.outputs["y"][0]], m


CIRCUITS = {"flat": block._flat, "search": block._search, "look up": block._look_up}


@pytest.mark.parametrize("name", CIRCUITS)
@settings(max_examples=40)
@given(st.data())
def test_circuits_count(name, data):
    lo = data.draw(st.integers(-70, 20))
    hi = data.draw(st.integers(lo + 1, 90))
    extra = data.draw(st.integers(0, 2))  # thresholds may stand on a finer grid than the number
    steps = st.integers((lo << extra) + 1, hi << extra)
    falling = data.draw(st.booleans())
    if falling:
        steps = steps.map(lambda t: (lo << extra) + (hi << extra) + 1 - t)
        t = np.sort(
            data.draw(
                st.lists(st.integers((-hi << extra) + 1, -lo << extra), min_size=1, max_size=20)
            )
        )
    else:
        t = np.sort(data.draw(st.lists(steps, min_size=1, max_size=20)))
    q, got, m = run(lambda m, a: CIRCUITS[name](m, a, t, 1 + extra, falling), lo, hi, 1)
    sign = -1 if falling else 1
    assert got.tolist() == count(t, sign * (q << extra)).tolist()
    assert m.hi[m.outputs["y"][0]] <= len(t)


@settings(max_examples=80)
@given(
    st.floats(0.01, 3.0), st.floats(-40, 40), st.integers(-120, 0), st.integers(1, 400),
    st.booleans(), st.integers(-9, 9), st.sampled_from([1, 2]),
)  # fmt: skip
def test_codes_of_staircases(slope, start, lo, span, falling, first, step):
    hi = lo + span
    q = np.arange(lo, hi + 1)
    levels = np.clip(np.floor(slope * (-q if falling else q) + start), -3, 12)
    base = levels.min()
    t = np.asarray(
        [(-q if falling else q)[levels >= k].min() for k in np.arange(base + 1, levels.max() + 1)]
    )
    t = t.astype(np.int64) if len(t) else np.empty(0, np.int64)
    build = lambda m, a: block.threshold_code(m, a, t, 0, first=first, step=step, falling=falling)  # noqa: E731
    _, got, _ = run(build, lo, hi)
    assert got.tolist() == (first + step * (levels - base)).astype(int).tolist()


@settings(max_examples=60)
@given(st.integers(1, 1500), st.integers(-4000, 4000), st.integers(4, 127))
def test_quantizers_are_affine(slope, start, n):
    """Thresholds that a scale makes are always found, and found exactly."""
    q = np.arange(0, 997 * n // slope + 2)
    codes = np.clip((slope * q + start) // 997, 0, n)
    t = np.asarray([q[codes >= k][0] for k in range(codes[0] + 1, codes[-1] + 1)], dtype=np.int64)
    if len(t) < 4 or t[0] == t[-1]:
        return
    found = affine_staircase(t, 0, int(q[-1]))
    assert found is not None
    affine = (found.multiplier * q + found.offset) >> found.shift
    assert np.array_equal(np.clip(affine, 0, len(t)), count(t, q))


ROUNDINGS = [
    Rounding.RND_CONV, Rounding.RND_INF, Rounding.RND_ZERO, Rounding.TRN_ZERO, Rounding.AWAY,
    Rounding.RND,
]  # fmt: skip


@pytest.mark.parametrize("mode", ROUNDINGS)
@settings(max_examples=25)
@given(st.data())
def test_divisions_are_multiplied_under_every_rounding(mode, data):
    """Ties are frequent where a divisor is even: each rule of theirs has a form."""
    divisor = data.draw(st.integers(3, 60)) << data.draw(st.integers(0, 4))
    levels = data.draw(st.integers(8, 40))
    offset = data.draw(st.integers(-divisor, divisor))
    lo, hi = data.draw(st.integers(-levels, 0)) * divisor, levels * divisor
    q = np.arange(lo, hi + 1)
    codes = np.asarray([round_ratio(int(v) + offset, divisor, mode) for v in q])
    first = int(codes[0])
    t = q[np.searchsorted(codes, np.arange(first + 1, codes[-1] + 1), side="left")]
    sign_moves = offset and mode not in (Rounding.RND_CONV, Rounding.RND)
    found = affine_staircase(t, lo, hi, first)
    if found is None:
        assert sign_moves  # the sign that decides is then not that of the number
        return
    assert np.array_equal(np.clip(found.code(q), first, codes[-1]), codes)


@settings(max_examples=60)
@given(
    st.integers(3, 90), st.integers(0, 5), st.integers(-20, 20), st.integers(0, 3),
    st.booleans(), st.sampled_from([Rounding.RND_CONV, Rounding.RND_INF, Rounding.RND]),
)  # fmt: skip
def test_multiplying_circuits_give_the_codes(odd, twos, low, fine, falling, mode):
    divisor = odd << twos
    lo, hi = low * divisor // 2, (low + 12) * divisor // 2
    q = np.arange(lo, hi + 1)
    numbers = -q if falling else q
    codes = np.asarray([round_ratio(int(v), divisor, mode) for v in numbers])
    first = int(codes.min())
    t = np.asarray([numbers[codes >= k].min() for k in range(first + 1, codes.max() + 1)])

    def build(m, a):
        found = block.Multiply.of(m, a, t << fine, m.frac[a] + fine, falling, first)
        assert found is not None
        return found.build(m)

    _, got, _ = run(build, lo, hi, 2)
    assert got.tolist() == codes.tolist()


def test_many_levels_behind_a_mean_of_49_cost_no_thresholds():
    """16 bits, half to even, behind a scale of 1 / 49: 65,535 thresholds, one multiplication."""
    divisor = 49 << 9
    k = np.arange(1, 1 << 16)
    t = (2 * k - 1) * divisor // 2 + (k % 2)
    m = Module("m")
    hi = int(t[-1]) + 5 * divisor
    (a,) = m.input("x", Intervals.of([-hi], [hi], [0]))
    m.output("y", [block.threshold_code(m, a, t, 0, first=0, step=1, falling=False)])
    assert not m.tables
    rng = np.random.default_rng(1)
    near = (t[:, None] + np.arange(-2, 3)).ravel()
    q = np.concatenate([near, rng.integers(-hi, hi, 1000), [-hi, hi]])
    got = evaluate(m, {"x": q[:, None]})["y"][:, 0]
    assert np.array_equal(got, count(t, q))
    luts = sum(cell_luts(m, s) for s in range(len(m)) if m.kind[s] not in FREE)
    assert luts < 600


@settings(max_examples=100)
@given(st.lists(st.integers(-200, 200), min_size=2, max_size=30))
def test_other_thresholds_are_never_claimed_affine(values):
    t = np.sort(np.asarray(values))
    q = np.arange(-210, 211)
    found = affine_staircase(t, -210, 210)
    if found is not None:
        affine = np.clip((found.multiplier * q + found.offset) >> found.shift, 0, len(t))
        assert np.array_equal(affine, count(t, q))


def test_no_thresholds_and_unreachable_ones():
    t = np.asarray([-50, -19, 30, 60])
    _, got, m = run(
        lambda m, a: block.threshold_code(m, a, t, 0, first=3, step=1, falling=False), -10, 20
    )
    assert set(got.tolist()) == {5}
    assert m.is_constant(m.outputs["y"][0])
    _, got, m = run(
        lambda m, a: block.threshold_code(m, a, t, 0, first=3, step=1, falling=True), -20, 20
    )
    assert sorted(set(got.tolist())) == [4, 5]
    empty = np.empty(0, np.int64)
    _, got, _ = run(
        lambda m, a: block.threshold_code(m, a, empty, 0, first=3, step=1, falling=False), 0, 3
    )
    assert set(got.tolist()) == {3}


def test_the_cheapest_circuit_is_built():
    rng = np.random.default_rng(0)

    def kinds(t, width, falling=False):
        m = Module("m")
        (a,) = m.input("x", Intervals.of([0], [(1 << width) - 1], [0]))
        m.output("y", [block.threshold_code(m, a, t, 0, first=0, step=1, falling=falling)])
        return {"tables": len(m.tables), "cells": len(m)}

    irregular = np.sort(rng.integers(1, 1 << 20, 255))
    # One comparison and, but for the first, one table for each of 8 bits; not 255 comparisons.
    assert kinds(irregular, 20)["tables"] == 7
    assert kinds(irregular, 20)["cells"] < 60
    assert kinds(np.sort(rng.integers(1, 60, 7)), 6)["tables"] == 1
    assert kinds(np.arange(1, 256) * 4096, 20)["tables"] == 0


def test_a_constant_zero_is_on_the_grid_of_any_thresholds():
    m = Module("zero")
    found = block.threshold_code(
        m, m.constant(0), np.asarray([-3, 0, 2]), -1, first=5, step=2, falling=False
    )
    assert found == m.constant(9)
