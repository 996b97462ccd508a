"""Graphs as streams give the reference's integers in the cycles of the model."""

import numpy as np
import pytest
from stream_runs import compare

from gatewright.ir import Graph, Input, Node, Output, Plan
from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import Dense, Quantize, Relu


def mlp(shape=(6, 4)):
    rng = np.random.default_rng(0)
    dense = Dense.of(rng.integers(-4, 5, (4, 6)) / 4, rng.integers(-4, 5, 6) / 4)
    narrow = Quantize.to(True, 6, 2, Rounding.RND, Overflow.SAT)
    kind = Intervals.of(np.full(shape, -8), np.full(shape, 7), 2)
    nodes = [
        Node("d", dense, ("x",), "dense"),
        Node("q", narrow, ("d",), "dense"),
        Node("r", Relu(), ("q",), "relu"),
    ]
    return Graph("mlp", (Input("x", shape, kind),), tuple(nodes), (Output("y", "r"),))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 6])
def test_rows_of_a_dense_layer(rows):
    plans = {"x": Plan(beat=4), "d": Plan(beat=6 * rows), "q": Plan(beat=6), "r": Plan(beat=3)}
    compare(mlp(), plans)


def test_a_vector_is_collected_and_given_in_parts():
    compare(mlp((4,)), {"x": Plan(beat=2), "d": Plan(beat=6), "q": Plan(beat=2), "r": Plan(beat=1)})
