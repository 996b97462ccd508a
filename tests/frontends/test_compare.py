"""The comparison with the source model finds what an importer could get wrong."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from onnx_models import model, node

from gatewright.base import VerificationError
from gatewright.frontends import compare, read_model
from gatewright.frontends.compare import compare_with_source
from gatewright.ir import Graph, Input, Node, Output, run_real
from gatewright.ops import Affine, Function

RNG = np.random.default_rng(0)
W = RNG.normal(0, 1, (4, 3)).astype(np.float32)


def small(batch: object = "N"):
    nodes = [
        node("Gemm", "x w b", "h"),
        node("Relu", "h", "r"),
        node("Softmax", "r", "y", axis=-1),
    ]
    constants = {"w": W, "b": RNG.normal(0, 1, 3).astype(np.float32)}
    return model(nodes, {"x": [batch, 4]}, constants=constants)


def samples(graph, count=20):
    return {graph.inputs[0].name: RNG.normal(0, 2, (count, 4))}


@pytest.mark.parametrize("batch", ["N", 1])
def test_an_exact_import_passes_both_ways(batch):
    source = small(batch)
    graph = read_model(source)
    checks = compare_with_source(source, graph, samples(graph))
    assert [c.vectors for c in checks] == [20, 20] or checks[1].detail == "it is not installed"
    assert checks[0].method == "ONNX reference evaluator (float64)"
    assert checks[0].worst < 1e-14
    assert all(c.share <= 1 for c in checks)


@pytest.mark.parametrize("factor", [1 + 1e-6, -1.0])
def test_a_changed_weight_is_found(factor):
    source = small()
    graph = read_model(source)
    place = next(i for i, n in enumerate(graph.nodes) if n.op.kind == "dense")
    nodes = list(graph.nodes)
    weight = nodes[place].op.weight.copy()
    weight[2, 1] *= factor
    nodes[place] = dataclasses.replace(
        nodes[place], op=dataclasses.replace(nodes[place].op, weight=weight)
    )
    with pytest.raises(VerificationError, match="the imported model differs from its source"):
        compare_with_source(source, graph.with_nodes(nodes), samples(graph))


def test_a_forgotten_limit_is_found():
    constants = {"low": np.float32(0), "high": np.float32(1)}
    source = model([node("Clip", "x low high", "y")], {"x": (4,)}, constants=constants)
    graph = read_model(source)
    nodes = [dataclasses.replace(n, op=dataclasses.replace(n.op, high=None)) for n in graph.nodes]
    with pytest.raises(VerificationError):
        compare_with_source(source, graph.with_nodes(nodes), samples(graph))


def test_quantizers_that_onnx_does_not_know_are_said_so():
    constants = {"s": np.float32(0.5), "z": np.float32(0), "b": np.float32(4)}
    attributes = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
    quant = node("Quant", "x s z b", "y", domain="qonnx.custom_op.general", **attributes)
    source = model([quant], {"x": (4,)}, constants=constants)
    checks = compare_with_source(source, read_model(source), {"x": np.zeros((2, 4))})
    assert all(c.vectors == 0 and "Quant (QONNX)" in c.detail for c in checks)


def test_where_both_have_no_number_there_is_nothing_to_tell():
    source = model([node("Log", "x", "h"), node("Relu", "h", "y")], {"x": ["N", 3]})
    graph = read_model(source)
    inputs = {graph.inputs[0].name: np.asarray([[1.0, 0.0, 2.0], [-1.0, 3.0, 0.5]])}
    with np.errstate(invalid="ignore", divide="ignore"):
        checks = compare_with_source(source, graph, inputs)
    assert checks[0].vectors == 2
    assert checks[0].worst < 1e-12
    nodes = [dataclasses.replace(n, op=dataclasses.replace(n.op, name="exp"))
             if n.op.kind == "function" else n for n in graph.nodes]  # fmt: skip
    with (
        np.errstate(invalid="ignore", divide="ignore"),
        pytest.raises(VerificationError, match="differs from its source"),
    ):
        compare_with_source(source, graph.with_nodes(nodes), inputs)


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs Keras")
@pytest.mark.skipif(importlib.util.find_spec("hgq") is not None, reason="needs HGQ2 to be absent")
def test_a_keras_file_of_a_package_that_is_not_installed():
    path = Path(__file__).parents[1] / "data" / "keras" / "hgq_layers.keras"
    graph = read_model(path)
    inputs = {i.name: np.zeros((2, *i.shape)) for i in graph.inputs}
    (check,) = compare_with_source(path, graph, inputs)
    assert check.vectors == 0
    assert re.fullmatch(
        r"it cannot load the file: the package of class Q\w+ is not installed", check.detail
    )


def test_answers_that_floats_cannot_tell_are_counted(monkeypatch):
    """A bound that lets anything pass is no agreement: it is said of how many answers."""
    less_one = Affine(np.asarray(1.0), np.asarray(-1.0))
    nodes = (Node("d", less_one, ("x",)), Node("y", Function("log"), ("d",)))
    graph = Graph("g", (Input("x", (2,)),), nodes, (Output("y", "y"),))
    ways = [("a run", lambda model, graph, i: [run_real(graph, i)["y"]], 2.0**-24)]
    monkeypatch.setattr(compare, "_runners", lambda model: ways)
    x = np.asarray([[5.0, 2.5], [1.0 + 2.0**-23, 3.0]])  # float32 may see 0 in place of 2**-23
    (found,) = compare.compare_with_source("m.onnx", graph, {"x": x})
    assert found.detail == "1 of 4 answers are too uncertain in floats to compare"
    (sure,) = compare.compare_with_source("m.onnx", graph, {"x": x[:1]})
    assert sure.detail == ""
