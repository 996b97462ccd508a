"""Inputs of all kinds: constant, on a grid, with outliers, far from 1, positions and classes."""

from __future__ import annotations

import numpy as np
import pytest
from quantize_models import chain, dense, integers, samples

from gatewright.base import DataError
from gatewright.ir import Graph, Input, Node, Output, run_real
from gatewright.num import Fixed, Overflow, Rounding
from gatewright.ops import Add, Dense, Embedding, Gather, Quantize, Relu, Segment, Take
from gatewright.quantize import quantize
from gatewright.quantize.judge import relative_error

RNG = np.random.default_rng(11)


def error_of(graph, q, x):
    """Return the relative output error on all data, computed on integers."""
    real = run_real(graph, x)
    outputs = {o.name: real[o.value] for o in graph.outputs}
    return relative_error(outputs, integers(q.graph, x))


@pytest.mark.parametrize("hidden", [1, 8])
def test_constant_features_are_no_obstacle(hidden):
    x = samples(600)
    x[:, 1:3] = 7.25
    graph = chain(dense(RNG, 6, hidden), Relu(), dense(RNG, hidden, 2))
    q = quantize(graph, x)
    assert error_of(graph, q, {"x": x}) < 0.03
    assert "never change in the calibration data" in q.notes[0]
    assert "x[1], x[2]" in q.notes[0]


def test_whole_numbers_keep_their_grid():
    x = np.concatenate([RNG.integers(0, 2, (600, 3)), RNG.integers(-8, 8, (600, 3)) * 4], axis=1)
    q = quantize(chain(dense(RNG, 6, 4)), x.astype(float), tolerance=0.001)
    kinds = q.graph.inputs[0].type.formats()
    assert kinds == [Fixed.parse("ufixed<1,1>")] * 3 + [Fixed.parse("fixed<4,6>")] * 3


def test_outliers_are_pointed_out():
    x = samples(600)
    x[17, 3] = 1e4
    q = quantize(chain(dense(RNG, 6, 2)), x, tolerance=0.1)
    note = next(n for n in q.notes if "outside" in n)
    assert "x[3]: 1 of 600 samples, up to 1e+04, where 99 % lie within" in note
    assert "drop them, or fix the input's format" in note


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_units_far_from_one_are_refused(scale):
    with pytest.raises(DataError) as error:
        quantize(chain(dense(RNG, 6, 2)), samples(200) * scale)
    text = str(error.value)
    assert "an input's numbers are too far from 1" in text
    assert "at element [0]" in text
    assert "supported: largest magnitudes from 9.1e-13 to 1.1e+12" in text
    assert "remedy:    give the input in another unit" in text


def test_small_units_are_not():
    graph, x = chain(dense(RNG, 6, 4), Relu()), samples(400) * 1e-7
    graph = chain(Dense.of(graph.nodes[0].op.weight), Relu())
    assert error_of(graph, quantize(graph, x), {"x": x}) < 0.03


def test_a_value_read_by_the_users_quantizer_and_raw():
    step = Quantize.to(False, 6, 3, Rounding.RND, Overflow.SAT)
    nodes = (
        Node("d", dense(RNG, 6, 5), ("x",)),
        Node("r", Relu(), ("d",)),
        Node("u", step, ("r",)),
        Node("a", Dense.of(RNG.integers(-8, 8, (5, 3)) / 8.0), ("u",)),
        Node("b", dense(RNG, 5, 3), ("r",)),
        Node("s", Add(), ("a", "b")),
    )
    graph = Graph("g", (Input("x", (6,)),), nodes, (Output("y", "s"),))
    q = quantize(graph, samples(), tolerance=0.05)
    inner = {n.name: n for n in q.graph.nodes}
    assert inner["u"].inputs == ("r",)
    assert inner["b"].inputs == ("r_q",)
    assert error_of(graph, q, {"x": samples()}) < 0.075


def graph_of_positions():
    """Return a model with embedded classes, edges and a second output."""
    nodes = (
        Node("e", Embedding(RNG.normal(size=(7, 3))), ("kind",)),
        Node("n", Add(), ("e", "x")),
        Node("d", dense(RNG, 3, 4), ("n",)),
        Node("r", Relu(), ("d",)),
        Node("from", Gather.of([1], 0), ("edges",)),
        Node("t", Take(0), ("r", "from")),
        Node("to", Gather.of([0, 1, 1, 0], 0), ("edges",)),
        Node("s", Segment(3), ("r", "to")),
        Node("o", dense(RNG, 4, 2), ("s",)),
    )
    inputs = (Input("x", (4, 3)), Input("kind", (4,)), Input("edges", (2,)))
    return Graph("g", inputs, nodes, (Output("y", "o"), Output("z", "t")), "model.onnx")


def positions(count=300):
    return {
        "x": RNG.normal(size=(count, 4, 3)),
        "kind": RNG.integers(0, 6, (count, 4)).astype(float),  # the seventh is never seen
        "edges": RNG.integers(0, 3, (count, 2)).astype(float),
    }


def test_positions_and_classes_stay_exact_integers():
    graph, x = graph_of_positions(), positions()
    q = quantize(graph, x, tolerance=0.05)
    kinds = {i.name: i.type for i in q.graph.inputs}
    assert (kinds["kind"].lo.min(), kinds["kind"].hi.max(), kinds["kind"].frac.max()) == (0, 6, 0)
    assert (kinds["edges"].lo.min(), kinds["edges"].hi.max()) == (0, 3)
    assert error_of(graph, q, x) < 0.075


def test_positions_that_are_none():
    x = positions()
    x["edges"][5, 1] = 0.5
    with pytest.raises(DataError) as error:
        quantize(graph_of_positions(), x, tolerance=0.05)
    text = str(error.value)
    assert "an input of positions or classes holds fractions" in text
    assert "found:     0.5" in text
    assert "supported: whole numbers from 0 to 3" in text
