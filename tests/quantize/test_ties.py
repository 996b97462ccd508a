"""Tied operations: one set of constants and formats, and equal types in all steps."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields

import numpy as np
import pytest

from gatewright.frontends.recipes.recurrent import (
    GruCell,
    LstmCell,
    Product,
    SimpleCell,
    recurrent,
)
from gatewright.ir import Graph, Input, Node, Output, infer, run_real
from gatewright.ops import Affine, Clip, Dense, Function
from gatewright.passes.graph.fold_affine import fold_affine
from gatewright.quantize import Formats, quantize


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple[int, ...]


class Recorder:
    """Gathers what a recipe emits."""

    def __init__(self):
        self.nodes = []

    def emit(self, op, *inputs, suffix="", part="", tie=""):
        shape = op.real(*(np.zeros((1, *v.shape)) for v in inputs)).shape[1:]
        name = f"r{len(self.nodes)}_{suffix}"
        self.nodes.append(Node(name, op, tuple(v.name for v in inputs), "r", part, tie))
        return Tensor(name, shape)


SIGMOID, TANH = (Function("sigmoid"),), (Function("tanh"),)
HARD = (Affine(np.asarray(0.2), np.asarray(0.5)), Clip(0.0, 1.0))
UNITS, FEATURES, STEPS = 3, 2, 5


def product(rng, n_in, gates, bias=True):
    weight = rng.normal(0, 0.6, (n_in, gates * UNITS))
    return Product(weight, rng.normal(0, 0.2, gates * UNITS) if bias else None)


def cell(kind, rng):
    gates = {"simple": 1, "lstm": 4, "peephole": 4}.get(kind, 3)
    kernel = product(rng, FEATURES, gates)
    back = product(rng, UNITS, gates, bias=kind == "after")
    if kind == "simple":
        return SimpleCell(kernel, back, TANH)
    if kind == "lstm":
        return LstmCell(kernel, back, SIGMOID, TANH, TANH)
    if kind == "peephole":
        return LstmCell(kernel, back, HARD, TANH, TANH, rng.normal(0, 0.3, (3, UNITS)))
    return GruCell(kernel, back, SIGMOID, TANH, kind == "after")


def layer(kind):
    rng = np.random.default_rng(3)
    recorder = Recorder()
    run = recurrent(recorder, cell(kind, rng), Tensor("x", (STEPS, FEATURES)))
    head = recorder.emit(Dense.of(rng.normal(size=(UNITS, 2))), run.outputs[-1], suffix="head")
    x = Input("x", (STEPS, FEATURES))
    return Graph("g", (x,), tuple(recorder.nodes), (Output("y", head.name),))


def ties(graph):
    found = defaultdict(list)
    for node in graph.nodes:
        if node.tie:
            found[node.tie].append(node)
    return found


@pytest.mark.parametrize(
    ("kind", "granularity"),
    [(k, "channel") for k in ("simple", "lstm", "peephole", "after", "before")]
    + [("lstm", "tensor"), ("after", "tensor")],
)
def test_steps_share_constants_formats_and_types(kind, granularity):
    graph = layer(kind)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, STEPS, FEATURES))
    found = quantize(graph, x, tolerance=0.05, formats=Formats(granularity=granularity))
    assert found.loss <= 0.05
    types = infer(found.graph)
    shared = {tie: nodes for tie, nodes in ties(found.graph).items() if len(nodes) > 1}
    assert len(shared) > 3
    for nodes in shared.values():
        for f in fields(nodes[0].op):
            values = [getattr(node.op, f.name) for node in nodes]
            if isinstance(values[0], np.ndarray) and f.name != "indices":
                assert all(np.array_equal(values[0], v) for v in values), f.name
        # The first step sees constant states, all others equal types.
        kinds = [types[node.name] for node in nodes if node.part != "step 0"]
        for key in ("lo", "hi", "frac"):
            assert all(np.array_equal(getattr(kinds[0], key), getattr(k, key)) for k in kinds)


def test_a_product_without_bias_gets_none():
    graph = layer("lstm")
    rng = np.random.default_rng(0)
    found = quantize(graph, rng.normal(size=(400, STEPS, FEATURES)), tolerance=0.05)
    biases = [n.op.bias for n in found.graph.nodes if n.tie == "recurrent"]
    assert len(biases) == STEPS
    assert not np.any(biases)


def chain(*, ties, parts=("", "")):
    dense, scale = Dense.of(np.ones((2, 2))), Affine(np.asarray(2.0), np.asarray(1.0))
    nodes = []
    for k, (tie, part) in enumerate(zip(ties, parts, strict=True)):
        nodes.append(Node(f"d{k}", dense, ("x",), "l", part, tie and f"{tie}d"))
        nodes.append(Node(f"a{k}", scale, (f"d{k}",), "l", part, tie and f"{tie}a"))
    outputs = tuple(Output(f"y{k}", f"a{k}") for k in range(len(ties)))
    return Graph("g", (Input("x", (2,)),), tuple(nodes), outputs)


def test_tied_pairs_fold_together():
    graph = chain(ties=("t", "t"), parts=("step 0", "step 1"))
    folded = fold_affine(graph)
    assert [node.name for node in folded.nodes] == ["a0", "a1"]
    assert [(n.part, n.tie) for n in folded.nodes] == [("step 0", "ta"), ("step 1", "ta")]
    x = {"x": np.array([[1.0, 2.0]])}
    before, after = run_real(graph, x), run_real(folded, x)
    assert all(np.array_equal(before[o.value], after[o.value]) for o in graph.outputs)


def test_tied_pairs_that_cannot_all_fold_stay():
    graph = chain(ties=("t", "t"))
    reader = Node("more", Affine(np.asarray(3.0), np.asarray(0.0)), ("d1",), "l")
    graph = graph.with_nodes((*graph.nodes, reader))
    assert [node.name for node in fold_affine(graph).nodes] == ["d0", "a0", "d1", "a1", "more"]


def test_a_shared_layer_on_tensors_of_several_lengths():
    op = Affine(np.asarray([0.3, 1.7, -0.9]), np.asarray([0.1, 0.2, -0.7]))
    inputs = (Input("a", (4, 3)), Input("b", (2, 3)))
    nodes = tuple(
        Node(f"y_{i.name}", op, (i.name,), "shared", f"call {i.name}", "shared/scale")
        for i in inputs
    )
    outputs = tuple(Output(f"out_{node.name}", node.name) for node in nodes)
    graph = Graph("shared", inputs, nodes, outputs)
    rng = np.random.default_rng(3)
    data = {i.name: rng.normal(size=(300, *i.shape)) for i in inputs}
    found = quantize(graph, data).graph
    scales = [node.op.scale for node in found.nodes if isinstance(node.op, Affine)]
    assert len(scales) == 2
    np.testing.assert_array_equal(*scales)
