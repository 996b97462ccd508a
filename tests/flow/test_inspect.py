"""Looking at a model before it is compiled."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.cli_models import build, node, quantized, run, write

import gatewright as gw
from gatewright.base import FileError

DATA = Path(__file__).parents[1] / "data" / "keras"


def unknown(tmp_path):
    """A model with two nodes that are not handled, and one that is."""
    nodes = [
        node("Relu", "x", "a", "first"),
        node("Whatever", "a", "b", "second"),
        node("Whatever", "b", "c", "third"),
        node("Relu", "c", "y", "last"),
    ]
    return write(tmp_path / "unknown.onnx", build(nodes, {}))


def test_every_layer_with_shape_format_and_operations(tmp_path):
    found = gw.inspect(write(tmp_path / "small.onnx", quantized()))
    assert found.supported
    assert found.quantized
    by_name = {view.name: view for view in found.layers}
    dense = next(view for view in by_name.values() if "dense" in view.becomes)
    assert dense.kind in ("Gemm", "MatMul")
    assert dense.shape
    assert "fixed<" in dense.formats
    assert all("fixed<" in view.formats for view in (*found.inputs, *found.outputs))


def test_the_parts_of_a_layer_stand_below_it():
    """Seven attention layers that quantize the same inputs differently: that is said, too."""
    found = gw.inspect(DATA / "hgq_attention.keras")
    names = [view.name for view in found.layers]
    place = names.index("plain")
    parts = found.layers[place + 1 : place + 6]
    assert [view.name for view in parts] == [
        f"plain/{part}" for part in ("query", "key", "value", "softmax", "attention_output")
    ]
    assert all(view.kind == "part of plain" for view in parts)
    assert all("dense" in view.becomes for view in parts if view.name != "plain/softmax")
    assert found.layers[place].shape == parts[-1].shape
    assert not found.supported
    assert {view.formats for view in (*found.layers, *found.outputs)} == {""}
    problems = [*found.problems, *(p for view in found.layers for p in view.problems)]
    assert {p["what"] for p in problems} == {"an input is not read through one quantizer"}


def test_a_float_model_needs_calibration(tmp_path):
    nodes = [node("MatMul", "x w", "h", "product"), node("Relu", "h", "y", "rectifier")]
    path = write(tmp_path / "float.onnx", build(nodes, {"w": np.eye(6, 3) / 3}))
    found = gw.inspect(path)
    assert found.supported
    assert not found.quantized
    assert {view.formats for view in found.layers} == {"real, to be quantized"}
    done = run("inspect", path)
    assert done.returncode == 0
    assert "number formats need calibration data (--calibrate)" in done.stdout


def test_what_is_not_handled_is_named_with_the_reason(tmp_path):
    found = gw.inspect(unknown(tmp_path))
    assert not found.supported
    problems = {view.name: [p["what"] for p in view.problems] for view in found.layers}
    refused = ["an operator is not handled"]
    assert problems == {"first": [], "second": refused, "third": refused, "last": []}


def test_the_command_says_no_with_status_1(tmp_path):
    done = run("inspect", unknown(tmp_path))
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert "2 of 4 layers cannot be compiled as they are" in done.stdout
    for text in ("an operator is not handled", "'second'", "'third'", "found:", "remedy:"):
        assert text in done.stdout, text
    facts = json.loads(run("inspect", unknown(tmp_path), "--json").stdout)
    assert facts["supported"] is False
    assert [view["name"] for view in facts["layers"]] == ["first", "second", "third", "last"]


def test_a_file_that_is_no_model_is_bad_input(tmp_path):
    (tmp_path / "cut.onnx").write_bytes(b"nothing")
    done = run("inspect", tmp_path / "cut.onnx")
    assert done.returncode == 2
    assert "not an ONNX model" in done.stderr
    with pytest.raises(FileError, match="cannot be read"):
        gw.inspect(tmp_path / "missing.onnx")


def test_quantized_keras_layers_of_nested_names(shared_data):
    found = gw.inspect(shared_data / "models" / "jets_hgq2_mlp_a.keras")
    assert found.supported
    assert [view.name for view in found.layers] == ["t1", "t2", "t3", "out"]
    assert found.layers[0].becomes == ("quantize", "dense", "relu")
