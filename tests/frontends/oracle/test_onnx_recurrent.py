"""Recurrent operators as onnxruntime computes them, weights, shapes and attributes at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx_models import model, node

from gatewright.frontends.onnx import read_onnx
from gatewright.ops.rounding_error import float_bounds

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

FEW = settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
PLAIN = ["Tanh", "Sigmoid", "Relu", "Softsign", "Softplus"]
SCALED = ["Affine", "HardSigmoid", "ScaledTanh"]


def agree(proto, seed, batch=3):
    """Compare onnxruntime with the graph: within the bound of float32, everywhere."""
    graph = read_onnx(proto)
    rng = np.random.default_rng(seed)
    raw = {i.name: rng.normal(size=(batch, *s.shape)) for i, s in zip(
        proto.graph.input, graph.inputs, strict=True
    )}  # fmt: skip
    raw = {name: x.astype(np.float32) for name, x in raw.items()}
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    answers = session.run(None, raw)
    ours = dict(zip((i.name for i in graph.inputs), raw.values(), strict=True))
    values, bounds = float_bounds(graph, ours)
    for output, answer in zip(graph.outputs, answers, strict=True):
        assert answer.shape == values[output.value].shape
        assert (np.abs(values[output.value] - answer) <= bounds[output.value]).all()
    return graph


def drawn(draw, kind):
    """Draw a node with its weights; return the nodes, inputs, outputs and constants of a model."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    steps, features, units = (draw(st.integers(1, 3)) for _ in range(3))
    direction = draw(st.sampled_from(["forward", "reverse", "bidirectional"]))
    dirs, rows = 1 + (direction == "bidirectional"), GATES[kind] * units
    names = ["x", "w", "r", "b", "", "h0"]
    constants = {
        "w": (dirs, rows, features), "r": (dirs, rows, units), "b": (dirs, 2 * rows),
    }  # fmt: skip
    inputs = {"x": (steps, features), "h0": (dirs, units)}
    own = {"direction": direction, "hidden_size": units}
    if draw(st.booleans()):
        own["clip"] = 0.5
    if kind == "GRU":
        own["linear_before_reset"] = int(draw(st.booleans()))
    if kind == "LSTM":
        names += ["c0"]
        inputs["c0"] = (dirs, units)
        if draw(st.booleans()):
            names += ["p"]
            constants["p"] = (dirs, 3 * units)
        if draw(st.booleans()):
            own["input_forget"] = 1
    if draw(st.booleans()):
        own |= activations(draw, {"RNN": 1, "GRU": 2, "LSTM": 3}[kind] * dirs)
    arrays = {k: rng.normal(0, 0.7, v).astype(np.float32) for k, v in constants.items()}
    return names, inputs, arrays, own


def activations(draw, count):
    """Draw activations, and parameters for those that have two."""
    names = [draw(st.sampled_from(PLAIN + SCALED)) for _ in range(count)]
    scaled = sum(name in SCALED for name in names)
    if not scaled:
        return {"activations": names}
    parameters = {"activation_alpha": [0.3] * scaled, "activation_beta": [0.4] * scaled}
    return {"activations": names, **parameters}


@FEW
@given(st.data())
@pytest.mark.parametrize("kind", sorted(GATES))
def test_batch_behind_the_steps(kind, data):
    names, inputs, constants, own = drawn(data.draw, kind)
    swaps = {"x": [1, 0, 2], "h0": [1, 0, 2], "c0": [1, 0, 2]}
    nodes = [node("Transpose", name, f"{name}_t", perm=swaps[name]) for name in inputs]
    wired = [f"{name}_t" if name in inputs else name for name in names]
    results = ["yt", "ht", "ct"][: 3 if kind == "LSTM" else 2]
    nodes.append(helper.make_node(kind, wired, results, name="layer", **own))
    nodes.append(node("Transpose", "yt", "y", perm=[2, 0, 1, 3]))
    ends = [(n, n[0]) for n in results[1:]]
    nodes += [node("Transpose", a, b, perm=[1, 0, 2]) for a, b in ends]
    outputs = ["y", *(b for _, b in ends)]
    agree(model(nodes, inputs, outputs, constants), data.draw(st.integers(0, 9)))


def two_layers(rng, kind, shape):
    """Return the constants of two bidirectional layers of 2 units, as exporters write them."""
    rows = GATES[kind] * 2
    widths = {"1": shape[1], "2": 4}
    made = {}
    for n, width in widths.items():
        made |= {f"w{n}": (2, rows, width), f"r{n}": (2, rows, 2), f"b{n}": (2, 2 * rows)}
    return {k: rng.normal(0, 0.7, v).astype(np.float32) for k, v in made.items()}


@pytest.mark.parametrize("kind", sorted(GATES))
def test_stack_as_pytorch_exports_it(kind):
    rng = np.random.default_rng(3)
    constants = two_layers(rng, kind, (3, 2)) | {
        "merge": np.array([0, 0, -1]),
        "last": np.array(-1),
    }
    own = {"direction": "bidirectional", "hidden_size": 2}
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node(kind, "t w1 r1 b1", "y1 h1", **own),
        node("Transpose", "y1", "m1", perm=[0, 2, 1, 3]),
        node("Reshape", "m1 merge", "s1"),
        node("Relu", "s1", "a1"),
        node(kind, "a1 w2 r2 b2", "y2 h2", **own),
        node("Transpose", "y2", "m2", perm=[0, 2, 1, 3]),
        node("Reshape", "m2 merge", "s2"),
        node("Gather", "s2 last", "z", axis=0),
        node("Tanh", "z", "y"),
    ]
    agree(model(nodes, {"x": (3, 2)}, ["y"], constants), 1)


def test_squeezed_as_keras_exporters_write_it():
    rng = np.random.default_rng(3)
    constants = {"w": (1, 8, 2), "r": (1, 8, 2), "b": (1, 16)}
    constants = {k: rng.normal(0, 0.7, v).astype(np.float32) for k, v in constants.items()}
    constants |= {"axis": np.array([1]), "first": np.array([0]), "starts": np.array([-1]),
                  "ends": np.array([9])}  # fmt: skip
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("LSTM", "t w r b", "y1 h1 c1", hidden_size=2),
        node("Squeeze", "y1 axis", "s"),
        node("Slice", "s starts ends first", "l"),
        node("Squeeze", "l first", "y"),
        node("Squeeze", "h1 first", "h"),
    ]
    agree(model(nodes, {"x": (3, 2)}, ["y", "h"], constants), 1)
