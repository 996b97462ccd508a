"""Transposes sink behind elementwise operations and cancel; numbers and names stay."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.ir import Graph, Input, Node, Output, run_real
from gatewright.num import Overflow, Rounding
from gatewright.ops import (
    Add,
    Affine,
    Concatenate,
    Dense,
    Function,
    Quantize,
    Relu,
    Reshape,
    ScaledQuantize,
    Softmax,
    Transpose,
)
from gatewright.passes.graph import settle_layout

LAST, FIRST = Transpose((1, 2, 0)), Transpose((2, 0, 1))
RNG = np.random.default_rng(2)
PER_CHANNEL = RNG.normal(size=(3, 1, 1))


def chain(*ops, shape=(2, 4, 5)):
    nodes, before = [], "x"
    for number, op in enumerate(ops):
        nodes.append(Node(f"n{number}", op, (before,), f"layer{number}"))
        before = f"n{number}"
    return Graph("g", (Input("x", shape),), tuple(nodes), (Output("y", before),))


def check(graph):
    """Compare values of the outputs and of all nodes that kept their names."""
    settled = settle_layout(graph)
    x = {i.name: RNG.normal(size=(3, *i.shape)) for i in graph.inputs}
    old, new = run_real(graph, x), run_real(settled, x)
    for a, b in zip(graph.outputs, settled.outputs, strict=True):
        assert a.name == b.name
        np.testing.assert_allclose(new[b.value], old[a.value], rtol=0, atol=1e-12)
    for node in settled.nodes:
        if node.name in old:
            np.testing.assert_allclose(new[node.name], old[node.name], rtol=0, atol=1e-12)
    return [node.op.kind for node in settled.nodes]


def block(*between):
    dense = (LAST, Dense.of(RNG.normal(size=(2, 3))), FIRST)
    return (*dense, *between, LAST, Dense.of(RNG.normal(size=(3, 2))), FIRST)


FOUR_BITS = Quantize.to(True, [[[4]], [[5]], [[3]]], 2, Rounding.RND, Overflow.SAT)


@pytest.mark.parametrize(
    "between",
    [
        (),
        (Relu(),),
        (Affine(PER_CHANNEL, PER_CHANNEL), Relu(high=1.0)),
        (Affine(RNG.normal(size=(4, 1)), RNG.normal(size=5)),),
        (FOUR_BITS,),
        (Function("tanh", FOUR_BITS),),
        (
            ScaledQuantize(
                np.abs(PER_CHANNEL) + 0.1, np.zeros(()), -8, 7, Rounding.RND_CONV, shift_after=True
            ),
        ),
    ],
)
def test_transposes_between_two_products_cancel(between):
    kinds = check(chain(*block(*between)))
    assert kinds.count("transpose") == 2
    assert kinds == ["transpose", "dense", *(op.kind for op in between), "dense", "transpose"]


def test_what_works_along_an_axis_stays_where_it_is():
    kinds = check(chain(*block(Softmax())))
    assert kinds.count("transpose") == 4
    assert check(chain(LAST, FIRST)) == []
    assert check(chain(LAST, Reshape((40,)))) == ["transpose", "reshape"]


def test_branches_and_joins():
    nodes = (
        Node("a", LAST, ("x",)),
        Node("b", Dense.of(RNG.normal(size=(2, 3))), ("a",)),
        Node("c", FIRST, ("b",)),
        Node("d", Relu(), ("c",)),
        Node("e", Add(), ("c", "d")),
        Node("f", Concatenate(0), ("e", "d")),
        Node("g", LAST, ("f",)),
        Node("h", Add(), ("d", "d"), tie="step"),
    )
    outputs = (Output("y", "g"), Output("z", "d"), Output("w", "h"))
    graph = Graph("g", (Input("x", (2, 4, 5)),), nodes, outputs)
    kinds = check(graph)
    assert kinds.count("transpose") == 2  # of the input, and of output z
    settled = settle_layout(graph)
    assert next(n for n in settled.nodes if n.op.kind == "concatenate").op.axis == 2
    assert next(n for n in settled.nodes if n.name == "h").tie == "step"


def test_shapes_of_other_rank_do_not_sink():
    nodes = (
        Node("a", Transpose((1, 0)), ("x",)),
        Node("b", Add(), ("a", "v")),
        Node("c", Transpose((1, 0)), ("b",)),
    )
    graph = Graph("g", (Input("x", (3, 3)), Input("v", (3,))), nodes, (Output("y", "c"),))
    assert check(graph) == ["transpose", "add", "transpose"]
