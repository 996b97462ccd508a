"""Products whose elements come some bits at a time: the reference's values, to the cycle."""

import numpy as np
import pytest
from stream_runs import compare

from gatewright.ir import Graph, Input, Node, Output, Plan
from gatewright.num import Intervals
from gatewright.ops import Dense


def layer(lo, hi, frac, n_out=3, rows=2, seed=0):
    """One dense layer; types by element of a row."""
    rng = np.random.default_rng(seed)
    shape = (rows, len(lo))
    kind = Intervals.of(*(np.broadcast_to(v, shape) for v in (lo, hi, frac)))
    dense = Dense.of(rng.integers(-9, 10, (len(lo), n_out)) / 4, rng.integers(-40, 40, n_out) / 32)
    nodes = (Node("d", dense, ("x",), "dense"),)
    return Graph("serial", (Input("x", shape, kind),), nodes, (Output("y", "d"),))


SIGNED = ([-8, -8, -8, -8], [7, 7, 7, 7], [2, 2, 2, 2])
MIXED = ([-8, 0, -2, 5, 0], [7, 3, 1, 5, 12], [2, 0, 3, 1, 2])  # grids, signs, a constant
WIDE = ([-(1 << 11)] * 9, [(1 << 11) - 1] * 9, [4] * 9)


@pytest.mark.parametrize(
    ("kinds", "bits", "turns"),
    [(SIGNED, 1, 4), (SIGNED, 2, 2), (SIGNED, 3, 2), (MIXED, 1, 5), (MIXED, 2, 3), (WIDE, 1, 12),
     (WIDE, 4, 3), (WIDE, 6, 2)],
)  # fmt: skip
@pytest.mark.parametrize("memory", ["auto", "block"])
def test_every_cut_of_the_bits_gives_the_reference(kinds, bits, turns, memory):
    graph = layer(*kinds)
    plan = Plan(beat=3, bits=bits, memory=memory)
    cycles = compare(graph, {"x": Plan(beat=len(kinds[0])), "d": plan}, 2)
    assert cycles.interval == 2 * turns


def test_all_bits_at_once_are_a_parallel_product():
    graph = layer(*SIGNED)
    cycles = compare(graph, {"x": Plan(beat=4), "d": Plan(beat=3, bits=4)}, 2)
    assert cycles.interval == 2
