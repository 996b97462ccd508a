"""Layers of graphs and sets, against plain NumPy; and one of each kind compiled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import UnsupportedError
from gatewright.flow.verify import first_difference, reference, to_ports
from gatewright.frontends.recipes.graph import (
    aggregate,
    complete_edges,
    edge_conv,
    gar_net,
    grav_net,
    interaction_network,
    nearest,
)
from gatewright.frontends.recipes.reductions import reduce
from gatewright.frontends.scores import Extension, Tensor
from gatewright.hw import check, evaluate
from gatewright.ir import Graph, Input, Output, run_real
from gatewright.ir import evaluate as evaluate_graph
from gatewright.num import Fixed, FixedArray, Intervals, Overflow, Rounding
from gatewright.ops import (
    Absolute,
    Add,
    Affine,
    Compare,
    Dense,
    Logical,
    Quantize,
    Relu,
    Sign,
    Where,
)
from gatewright.passes.lower import lower
from gatewright.quantize import quantize

RNG = np.random.default_rng(8)
NODES, FEATURES = 4, 3


def dense(n_in, n_out, bits=4):
    return Dense.of(RNG.integers(-8, 8, (n_in, n_out)) / 8, RNG.integers(-8, 8, n_out) / 8)


def build(recipe, *shapes, types=None):
    """Return the graph of a recipe on inputs of some shapes."""
    names = [f"x{i}" for i in range(len(shapes))]
    types = types or [None] * len(shapes)
    inputs = tuple(Input(n, s, t) for n, s, t in zip(names, shapes, types, strict=True))
    empty = Graph("g", inputs, (), tuple(Output("y", n) for n in names[:1]))
    to = Extension(empty, "layer")
    found = recipe(to, *(Tensor(n, s) for n, s in zip(names, shapes, strict=True)))
    return Graph("g", inputs, tuple(to.nodes), (Output("y", found.name),))


def answer(graph, *inputs):
    feeds = {i.name: x for i, x in zip(graph.inputs, inputs, strict=True)}
    return run_real(graph, feeds)[graph.outputs[0].value]


def network(to, op):
    return lambda x: to.emit(Relu(), to.emit(op, x, suffix="dense"), suffix="relu")


def relu_dense(x, op):
    return np.maximum(x @ op.weight + op.bias, 0)


def segments(x, nodes, count, how, empty=0.0):
    """Reduce (batch, edges, features), edge by edge."""
    out = np.full((len(x), count, x.shape[2]), 0.0 if how in ("sum", "mean") else empty)
    for b in range(len(x)):
        places = nodes if np.ndim(nodes) == 1 else nodes[b]
        for n in range(count):
            rows = x[b][places == n]
            if len(rows):
                out[b, n] = getattr(np, how)(rows, axis=0)
    return out


@settings(max_examples=15)
@given(st.data())
@pytest.mark.parametrize("how", ["sum", "mean", "max", "min"])
def test_aggregation_of_known_and_of_computed_edges(how, data):
    edges = data.draw(st.integers(1, 6))
    seed = data.draw(st.integers(0, 999))
    rng = np.random.default_rng(seed)
    nodes = rng.integers(0, NODES, edges)
    if data.draw(st.booleans()):
        nodes = np.repeat(np.arange(NODES), 2)[rng.permutation(2 * NODES)]
        edges = 2 * NODES
    x = rng.normal(size=(3, edges, 2))
    graph = build(lambda to, v: aggregate(to, v, nodes, NODES, how, -2.0), (edges, 2))
    np.testing.assert_allclose(answer(graph, x), segments(x, nodes, NODES, how, -2.0), atol=1e-12)
    graph = build(lambda to, v, n: aggregate(to, v, n, NODES, how, -2.0), (edges, 2), (edges,))
    places = rng.integers(0, NODES, (3, edges)).astype(float)
    wanted = segments(x, places, NODES, how, -2.0)
    np.testing.assert_allclose(answer(graph, x, places), wanted, atol=1e-12)


def test_interaction_network():
    """Of TrackML size in small: given edges, and edges that come in as numbers."""
    edge, node = dense(2 * FEATURES, 3), dense(FEATURES + 3, 2)
    edges = complete_edges(NODES)
    assert edges.T.tolist()[:4] == [[0, 1], [0, 2], [0, 3], [1, 0]]

    def reference(x):
        ends = np.concatenate([x[:, edges[0]], x[:, edges[1]]], -1)
        inflow = segments(relu_dense(ends, edge), edges[0], NODES, "sum")
        return relu_dense(np.concatenate([x, inflow], -1), node)

    x = RNG.normal(size=(5, NODES, FEATURES))
    known = build(
        lambda to, v: interaction_network(to, v, edges, network(to, edge), network(to, node)),
        (NODES, FEATURES),
    )
    np.testing.assert_allclose(answer(known, x), reference(x), atol=1e-12)
    count = edges.shape[1]
    computed = build(lambda to, v, r, s: interaction_network(
        to, v, (r, s), network(to, edge), network(to, node)),
        (NODES, FEATURES), (count,), (count,))  # fmt: skip
    given = [np.repeat(e[None].astype(float), 5, axis=0) for e in edges]
    np.testing.assert_allclose(answer(computed, x, *given), reference(x), atol=1e-12)


def neighbours_of(x, k):
    apart = ((x[:, :, None] - x[:, None]) ** 2).sum(-1)
    apart[:, np.arange(x.shape[1]), np.arange(x.shape[1])] = np.inf
    return np.argsort(apart, axis=-1, kind="stable")[..., :k]


@pytest.mark.parametrize("how", ["max", "mean"])
def test_edge_conv_over_nearest_neighbours(how):
    op = dense(2 * FEATURES, 3)
    x = RNG.integers(-8, 8, (6, NODES, FEATURES)) / 4  # on a grid, so that some are as near
    graph = build(lambda to, v: nearest(to, v, 2), (NODES, FEATURES))
    near = neighbours_of(x, 2)
    np.testing.assert_array_equal(answer(graph, x), near)
    graph = build(lambda to, v: edge_conv(to, v, nearest(to, v, 2), network(to, op), how),
                  (NODES, FEATURES))  # fmt: skip
    other = np.take_along_axis(x[:, None], near[..., None], axis=2)
    own = np.repeat(x[:, :, None], 2, axis=2)
    edges = relu_dense(np.concatenate([own, other - own], -1), op)
    np.testing.assert_allclose(answer(graph, x), getattr(edges, how)(2), atol=1e-12)


def test_gar_net_and_grav_net():
    x = RNG.normal(size=(5, NODES, FEATURES)) / 2
    d, f, out = dense(FEATURES, 2), dense(FEATURES, 3), dense(6, 2)
    graph = build(lambda to, v: gar_net(to, v, d, f, out), (NODES, FEATURES))
    weight = np.exp(-((x @ d.weight + d.bias) ** 2))
    passed = x @ f.weight + f.bias
    mean = (weight[..., None] * passed[:, :, None]).mean(1, keepdims=True)
    back = (weight[..., None] * mean).reshape(5, NODES, -1)
    np.testing.assert_allclose(answer(graph, x), back @ out.weight + out.bias, atol=1e-12)
    s, out = dense(FEATURES, 2), dense(FEATURES + 6, 2)
    graph = build(lambda to, v: grav_net(to, v, s, f, out, 2), (NODES, FEATURES))
    space = x @ s.weight + s.bias
    near = neighbours_of(space, 2)
    apart = np.take_along_axis(space[:, None], near[..., None], axis=2) - space[:, :, None]
    weight = np.exp(-10 * (apart**2).sum(-1, keepdims=True))
    rows = np.take_along_axis(passed[:, None], near[..., None], axis=2) * weight
    joined = np.concatenate([x, rows.mean(2), rows.max(2)], -1)
    np.testing.assert_allclose(answer(graph, x), joined @ out.weight + out.bias, atol=1e-12)


def test_too_many_neighbours():
    with pytest.raises(UnsupportedError) as error:
        build(lambda to, v: nearest(to, v, NODES), (NODES, FEATURES))
    assert "supported: 1 to 3" in str(error.value)


def agrees(graph):
    """Lower a typed graph and compare the circuit with the reference."""
    netlist = lower(graph)
    check(netlist)
    rng = np.random.default_rng(3)
    inputs = {
        i.name: FixedArray(rng.integers(i.type.lo, i.type.hi + 1, (40, *i.shape)), i.type.frac)
        for i in graph.inputs
    }
    feed = {"valid_in": np.ones((40, 1), np.int64), **to_ports(graph, netlist, inputs)}
    assert first_difference(reference(graph, netlist, inputs), evaluate(netlist, feed)) == ""
    assert len(evaluate_graph(graph, inputs)) > 0


def test_networks_of_computed_edges_are_circuits():
    edge, node, op = dense(4, 2), dense(4, 2), dense(4, 2)
    short = Quantize.to_format(Fixed.parse("fixed<5,3>"), Rounding.TRN, Overflow.SAT)

    def narrow(to, op):
        return lambda v: to.emit(short, network(to, op)(v), suffix="q")

    x = Intervals.format(Fixed.parse("fixed<4,2>"), (NODES, 2))
    number = Intervals.format(Fixed.parse("ufixed<2,2>"), (5,))
    agrees(build(lambda to, v, r, s: interaction_network(
        to, v, (r, s), narrow(to, edge), narrow(to, node)),
        (NODES, 2), (5,), (5,), types=[x, number, number]))  # fmt: skip
    agrees(build(lambda to, v: edge_conv(to, v, nearest(to, v, 2), narrow(to, op)),
                 (NODES, 2), types=[x]))  # fmt: skip
    agrees(build(lambda to, v, n: aggregate(to, v, n, 3, "max", -1.0), (NODES, 2), (NODES,),
                 types=[x, Intervals.format(Fixed.parse("fixed<3,3>"), (NODES,))]))  # fmt: skip


@pytest.mark.parametrize("layer", ["edge_conv", "gar_net", "grav_net", "decisions"])
def test_float_layers_of_graphs_are_quantized(layer):
    """What only decides (distances, comparisons) keeps the bits that the decisions need."""
    d, f, op = dense(FEATURES, 2), dense(FEATURES, 3), dense(2 * FEATURES, 3)
    wide = dense(FEATURES + 6, 2)
    recipes = {
        "edge_conv": lambda to, v: edge_conv(to, v, nearest(to, v, 2), network(to, op)),
        "gar_net": lambda to, v: gar_net(to, v, d, f, dense(6, 2)),
        "grav_net": lambda to, v: grav_net(to, v, d, f, wide, 2),
        "decisions": decisions,
    }
    graph = build(recipes[layer], (NODES, FEATURES))
    x = RNG.normal(size=(300, NODES, FEATURES)) / 2
    found = quantize(graph, {"x0": x}, tolerance=0.05)
    assert found.loss <= 0.05
    lower(found.graph)


def decisions(to, x):
    """Keep what exceeds its node's mean in size, and its sign."""
    mean = reduce(to, x, "mean", (1,), True)
    above = to.emit(Compare("greater"), x, mean, suffix="above")
    low = to.emit(Compare("less"), x, to.emit(Affine(np.asarray(-1.0), np.asarray(0.0)), mean))
    either = to.emit(Logical("xor"), above, low)
    kept = to.emit(Where(), either, to.emit(Absolute(), x), mean)
    return to.emit(Add(), kept, to.emit(Affine(np.asarray(0.1), np.asarray(0.0)),
                                        to.emit(Sign(), x)))  # fmt: skip
