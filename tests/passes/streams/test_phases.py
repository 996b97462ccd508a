"""Operations with constants of each channel, on beats of some channels."""

import numpy as np
import pytest
from stream_runs import compare

from gatewright.blocks.phased import phased_code
from gatewright.hw import Kind, Module
from gatewright.ir import Graph, Input, Node, Output, Plan
from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import Affine, LeakyRelu, Quantize, Requantize

RNG = np.random.default_rng(5)


def graph(op, channels, kind=(-200, 199, 3), rows=()):
    low, high, frac = kind
    shape = (*rows, channels)
    types = Intervals.of(np.full(shape, low), np.full(shape, high), frac)
    return Graph(
        "parts", (Input("x", shape, types),), (Node("q", op, ("x",), "q"),), (Output("y", "q"),)
    )


def irregular(channels, levels, spread=150):
    return np.sort(RNG.integers(-spread, spread, (channels, levels)), axis=1)


@pytest.mark.parametrize("beat", [1, 3, 4])
@pytest.mark.parametrize(
    ("levels", "spread", "frac", "step"),
    [(7, 150, 3, 1), (1, 150, 3, 2), (3, 2000, 5, 1), (31, 180, 3, 1), (2, 900, 3, 1)],
)
def test_thresholds_of_each_channel_are_looked_up(beat, levels, spread, frac, step):
    falling = np.arange(12) % 5 == 2
    op = Requantize(irregular(12, levels, spread), falling, -3, step, frac)
    compare(graph(op, 12), {"x": Plan(beat=beat), "q": Plan(beat=beat)}, samples=6)


def test_thresholds_of_each_channel_for_several_rows():
    op = Requantize(irregular(6, 7), np.zeros(6, bool), 0, 1, 3)
    compare(graph(op, 6, rows=(2, 2)), {"x": Plan(beat=6), "q": Plan(beat=2)}, samples=3)


def test_staircases_of_each_channel_are_multiplied():
    slopes = np.array([5.3, 6.25, 4.9, 5.75])
    op = Requantize(
        np.stack([np.ceil(-90 + s * np.arange(31)) for s in slopes]).astype(np.int64),
        np.array([False, True, False, False]), -16, 1, 3,
    )  # fmt: skip
    compare(graph(op, 4), {"x": Plan(beat=2), "q": Plan(beat=2)}, samples=8)


def test_scales_and_formats_of_each_channel():
    plans = {"x": Plan(beat=2), "q": Plan(beat=2)}
    affine = Affine(RNG.integers(-9, 9, 10) / 2.0 ** np.arange(10), RNG.integers(-9, 9, 10) / 8)
    compare(graph(affine, 10), plans, samples=4)
    compare(graph(affine, 10), {"x": Plan(beat=5), "q": Plan(beat=5)}, samples=4)
    fracs = np.array([0, 1, 2, 3, 1, 2])
    narrow = Quantize.to(True, 6, fracs, Rounding.RND, Overflow.SAT)
    compare(graph(narrow, 6), plans, samples=4)
    compare(graph(LeakyRelu(np.array([0.5, 0.25, 0.0, 0.75])), 4), plans, samples=4)


def test_staircases_take_a_product_and_few_thresholds_a_search():
    def kinds(thresholds):
        m = Module("phased")
        (a,) = m.input("x", Intervals.of(-200, 199, 3))
        (phase,) = m.input("k", Intervals.of(0, 3, 0))
        phased_code(m, a, phase, thresholds, 3, 0, 1, np.zeros(4, np.int64))
        return m.holds(Kind.MUL), sum(kind == Kind.LESS for kind in m.kind)

    slopes = np.array([5.3, 6.25, 4.9, 5.75])
    stairs = np.ceil(-90 + slopes[:, None] * np.arange(31)).astype(np.int64)
    assert kinds(stairs) == (True, 2)  # the limits compare
    assert kinds(irregular(4, 7)) == (False, 3)
    assert kinds(irregular(4, 31, 180)) == (False, 5)
