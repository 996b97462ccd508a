"""Products of computed tensors and composed attention in ONNX, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import model, node

from gatewright.base import GatewrightError
from gatewright.frontends import read_model
from gatewright.frontends.compare import compare_with_source
from gatewright.ops import Matmul

SEEDS = st.integers(0, 10**6)


def run(nodes, shapes, seed, constants=None, opset=18):
    proto = model(nodes, shapes, constants=constants, opset=opset)
    graph = read_model(proto)
    rng = np.random.default_rng(seed)
    feeds = {i.name: rng.integers(-12, 12, (4, *i.shape)) / 8 for i in graph.inputs}
    found = compare_with_source(proto, graph, feeds)
    assert any(f.vectors for f in found), found
    return graph


@settings(max_examples=8)
@given(st.sampled_from([((2, 3), (3, 4)), ((2, 2, 3), (2, 3, 1)), ((1, 2, 3), (4, 3, 2))]), SEEDS)
def test_matmul_of_two_computed_tensors(shapes, seed):
    graph = run([node("MatMul", "x z", "y")], {"x": shapes[0], "z": shapes[1]}, seed)
    assert any(isinstance(n.op, Matmul) for n in graph.nodes)


EQUATIONS = ["bij,bkj->bik", "bij,bjk->bk", "b...j,bkj->b...k", "bij,bij->bi", "bij,bkj->bkij"]


@settings(max_examples=8)
@given(st.sampled_from(EQUATIONS), SEEDS)
def test_einsum(equation, seed):
    shapes = {"x": (3, 3), "z": (3, 3)}
    run([node("Einsum", "x z", "y", equation=equation)], shapes, seed)


@settings(max_examples=4)
@given(st.sampled_from(["bij,jk->bik", "bij,ij->bi", "bij,k->bik"]), SEEDS)
def test_einsum_with_a_constant(equation, seed):
    shape = {"jk": (3, 2), "ij": (2, 3), "k": (4,)}[equation.split("->")[0].split(",")[1]]
    weight = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    run([node("Einsum", "x w", "y", equation=equation)], {"x": (2, 3)}, seed, {"w": weight})


def test_attention_as_exporters_write_it():
    scale = np.asarray(0.5, np.float32)
    nodes = [
        node("Transpose", "k", "t", perm=[0, 2, 1]), node("MatMul", "q t", "s"),
        node("Mul", "s c", "u"), node("Softmax", "u", "p", axis=-1), node("MatMul", "p v", "y"),
    ]  # fmt: skip
    run(nodes, {"q": (3, 4), "k": (5, 4), "v": (5, 2)}, 1, {"c": scale})


def test_refusals():
    with pytest.raises(GatewrightError, match="joins the batch with another axis"):
        read_model(model([node("MatMul", "x z", "y")], {"x": (2, 3), "z": (3,)}))
    bad = node("Einsum", "x z", "y", equation="bij,cij->bc")
    with pytest.raises(GatewrightError, match="an einsum equation is not handled"):
        read_model(model([bad], {"x": (2, 3), "z": (2, 3)}))
