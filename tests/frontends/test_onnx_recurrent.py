"""Recurrent operators of ONNX, and batches behind the steps: what is refused, with its text."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import model, node

from gatewright.base import GatewrightError
from gatewright.frontends.onnx import read_onnx

SHAPES = {"w": (1, 2, 3), "r": (1, 2, 2), "b": (1, 4)}


def recurrent(names="t w r b", extra=None, end=True, shape=(4, 3), **attributes):
    constants = {k: np.ones(v, np.float32) for k, v in SHAPES.items()} | (extra or {})
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("RNN", names, "z h", **attributes),
    ]
    if end:
        nodes.append(node("Transpose", "z", "y", perm=[2, 0, 1, 3]))
    return model(nodes, {"x": shape}, ["y"] if end else ["z"], constants)


def refused(proto):
    with pytest.raises(GatewrightError) as error:
        read_onnx(proto)
    return str(error.value)


CASES = {
    "a recurrent node's direction is not known": {"direction": "sideways"},
    "a recurrent node's hidden_size does not fit its weights": {"hidden_size": 7},
    "a recurrent node's clip is not positive": {"clip": -1.0},
    "a recurrent node has another number of activations": {"activations": ["Tanh", "Relu"]},
    "an activation of a recurrent node is not handled": {"activations": ["ThresholdedRelu"]},
    "a recurrent node has more activation parameters than": {"activation_alpha": [0.5]},
    "the batch is not where a recurrent node has it": {"layout": 1},
    "an attribute is not handled": {"flavour": 3},
}


@pytest.mark.parametrize("text", CASES)
def test_attributes(text):
    assert refused(recurrent(**CASES[text])).startswith(text)


def test_weights_of_another_shape():
    text = refused(recurrent(extra={"w": np.ones((1, 2, 5), np.float32)}))
    assert text.startswith("the weights W of a recurrent node have the wrong shape")


def test_part_of_the_steps():
    text = refused(recurrent("t w r b n", {"n": np.array([3], np.int32)}))
    assert text.startswith("a recurrent node takes only part of its steps")
    assert "sequence_lens [3] of 4 steps" in text


def test_all_steps_named():
    read_onnx(recurrent("t w r b n", {"n": np.array([4], np.int32)}))


def test_initial_state_of_another_shape():
    text = refused(
        recurrent(["t", "w", "r", "b", "", "h0"], {"h0": np.ones((1, 1, 5), np.float32)})
    )
    assert text.startswith("a recurrent node's initial state has the wrong shape")


def test_output_with_the_batch_behind():
    text = refused(recurrent(end=False))
    assert text.startswith("an output of the model has no batch as its first axis")
    assert "the batch at axis 2" in text


def moved(*nodes, shape=(4, 3), **constants):
    first = node("Transpose", "x", "t", perm=[1, 0, 2])
    return model([first, *nodes], {"x": shape}, ["y"], constants)


def test_operator_that_wants_the_batch_in_front():
    text = refused(moved(node("Softmax", "t", "y", axis=-1)))
    assert text.startswith("an operator is not handled where the batch is not the first axis")
    assert "remedy:    transpose the batch to the front" in text


def test_reshape_that_mixes_the_batch():
    text = refused(moved(node("Reshape", "t s", "y"), s=np.array([2, 2, 0, 3])))
    assert text.startswith("a Reshape mixes the batch with other axes")


@pytest.mark.parametrize(
    ("op", "constants", "attributes"),
    [
        ("Slice", {"s": np.array([0]), "e": np.array([1]), "a": np.array([1])}, {}),
        ("Squeeze", {"a": np.array([1])}, {}),
    ],
)
def test_what_touches_the_batch(op, constants, attributes):
    text = refused(moved(node(op, ["t", *constants], "y", **attributes), **constants))
    assert text.startswith(f"{op} works along the batch")


def test_transposed_there_and_back_is_nothing():
    graph = read_onnx(moved(node("Transpose", "t", "y", perm=[1, 0, 2])))
    assert not graph.nodes
