"""Every circuit that counts thresholds, against counting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.blocks import thresholds as block
from gatewright.blocks.staircase import affine_staircase
from gatewright.hw import Module
from gatewright.hw.interpret import evaluate
from gatewright.num import Intervals


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
