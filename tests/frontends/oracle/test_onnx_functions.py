"""Functions and normalisations of onnxruntime, shapes and attributes at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import model, node, single

from gatewright.base import GatewrightError
from gatewright.frontends.onnx import read_onnx
from gatewright.ops.rounding_error import float_bounds

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

F = np.float32


def agree(proto, x, least=1e-3):
    """Compare onnxruntime with the graph: within the derived bound, and the bound is small."""
    graph = read_onnx(proto)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"x": x})
    values, bounds = float_bounds(graph, {graph.inputs[0].name: x.astype(np.float64)})
    y, bound = (v[graph.outputs[0].value] for v in (values, bounds))
    assert y.shape == answer.shape
    assert (np.abs(y - answer) <= bound).all(), (np.abs(y - answer).max(), bound.max())
    assert np.median(bound) <= least * max(1.0, float(np.abs(answer).max()))
    return graph


# operator, opset, low and high of the input, attributes drawn at random
FUNCTIONS = {
    "Acos": (13, -0.9, 0.9, {}), "Acosh": (13, 1.5, 9, {}), "Asin": (13, -0.9, 0.9, {}),
    "Asinh": (13, -5, 5, {}), "Atan": (13, -5, 5, {}), "Atanh": (13, -0.9, 0.9, {}),
    "Celu": (13, -5, 5, {"alpha": (0.5, 2.0)}), "Cos": (13, -5, 5, {}),
    "Cosh": (13, -2, 2, {}), "Elu": (13, -5, 5, {"alpha": (0.0, 2.0)}), "Erf": (13, -4, 4, {}),
    "Exp": (13, -5, 2, {}), "HardSigmoid": (13, -5, 5, {"alpha": (-1, 1), "beta": (-1, 1)}),
    "HardSwish": (14, -5, 5, {}), "LeakyRelu": (16, -5, 5, {"alpha": (-1, 1)}),
    "Log": (13, 0.2, 9, {}), "Mish": (18, -5, 5, {}), "Reciprocal": (13, 0.2, 9, {}),
    "Selu": (13, -5, 5, {"alpha": (0.5, 2.0), "gamma": (0.5, 2.0)}),
    "Shrink": (13, -3, 3, {"lambd": (0.1, 2.0), "bias": (-1.0, 1.0)}),
    "Sigmoid": (13, -9, 9, {}), "Sin": (13, -5, 5, {}), "Sinh": (13, -2, 2, {}),
    "Softplus": (13, -5, 5, {}), "Softsign": (13, -5, 5, {}), "Sqrt": (13, 0.2, 9, {}),
    "Tan": (13, -1.2, 1.2, {}), "Tanh": (13, -5, 5, {}),
    "ThresholdedRelu": (13, -3, 3, {"alpha": (-1.0, 2.0)}),
}  # fmt: skip


@settings(max_examples=60)
@given(st.data(), st.sampled_from(sorted(FUNCTIONS)), st.integers(0, 2**31))
def test_functions(data, kind, seed):
    opset, low, high, ranges = FUNCTIONS[kind]
    attributes = {
        name: float(F(data.draw(st.floats(a, b)))) for name, (a, b) in ranges.items()
        if data.draw(st.booleans())
    }  # fmt: skip
    x = np.random.default_rng(seed).uniform(low, high, (20, 3)).astype(F)
    agree(single(kind, [3], opset=opset, **attributes), x)


@pytest.mark.parametrize("form", ["none", "tanh"])
def test_gelu(form):
    x = np.linspace(-6, 6, 400, dtype=F).reshape(-1, 1)
    agree(single("Gelu", [1], opset=20, approximate=form), x)


@pytest.mark.parametrize("exponent", [2.0, 3.0, 0.5, -1.0, -0.5, 1.0, 4.0, 1.7])
def test_power(exponent):
    x = np.linspace(0.3, 3, 100, dtype=F).reshape(-1, 1)
    agree(single("Pow", [1], {"e": F(exponent)}), x)


@settings(max_examples=15)
@given(st.data(), st.lists(st.integers(2, 4), min_size=1, max_size=3), st.integers(0, 2**31))
def test_normalisations(data, shape, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 2, (8, *shape)).astype(F)
    axis = data.draw(st.integers(1, len(shape)))
    if data.draw(st.booleans()):
        axis -= len(shape) + 1
    part = shape[axis - 1 if axis > 0 else axis :]
    scale, bias = (rng.normal(size=part).astype(F) for _ in range(2))
    options = {"epsilon": 0.01} if data.draw(st.booleans()) else {}
    constants = {"s": scale} if data.draw(st.booleans()) else {"s": scale, "b": bias}
    agree(single("LayerNormalization", shape, constants, axis=axis, **options), x)
    agree(single("LpNormalization", shape, axis=axis, p=data.draw(st.sampled_from([1, 2]))), x)
    agree(single("LogSoftmax", shape, axis=axis), x)


@settings(max_examples=15)
@given(st.data(), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2**31))
def test_normalisations_of_channels(data, groups, each, seed):
    rng = np.random.default_rng(seed)
    shape = (groups * each, *data.draw(st.lists(st.integers(2, 3), min_size=1, max_size=2)))
    x = rng.normal(0, 2, (8, *shape)).astype(F)
    options = {"epsilon": 0.01} if data.draw(st.booleans()) else {}
    weights = lambda n: {k: rng.normal(size=n).astype(F) for k in "sb"}  # noqa: E731
    agree(single("InstanceNormalization", shape, weights(shape[0]), **options), x)
    for opset, count in ((18, groups), (21, shape[0])):
        proto = single(
            "GroupNormalization", shape, weights(count), opset=opset, num_groups=groups, **options
        )
        agree(proto, x)
    axes = data.draw(st.sets(st.integers(1, len(shape)), min_size=1))
    if np.prod([shape[a - 1] for a in axes]) == 1:
        return  # onnxruntime gives NaN for single elements
    agree(single("MeanVarianceNormalization", shape, opset=13, axes=sorted(axes)), x)


def test_rms_normalization_and_swish_as_defined():
    """Onnxruntime of this test may not know opsets 23 and 24: the definitions stand beside."""
    rng = np.random.default_rng(0)
    x, scale = rng.normal(0, 2, (8, 4)), rng.normal(size=4).astype(F)
    proto = single("RMSNormalization", [4], {"s": scale}, opset=23, epsilon=0.25)
    graph = read_onnx(proto)
    y = float_bounds(graph, {"x": x})[0][graph.outputs[0].value]
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.25) * scale
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    graph = read_onnx(single("Swish", [4], opset=24, alpha=1.5))
    y = float_bounds(graph, {"x": x})[0][graph.outputs[0].value]
    np.testing.assert_allclose(y, x / (1 + np.exp(-1.5 * x)), rtol=1e-12)


@settings(max_examples=10)
@given(st.booleans(), st.booleans(), st.integers(0, 2**31))
def test_division_of_tensors(constant, spread, seed):
    rng = np.random.default_rng(seed)
    b_shape = (1,) if spread else (3,)
    nodes = [node("Exp", "b", "c"), node("Div", "k c" if constant else "a c", "y")]
    proto = model(
        nodes, {"b": b_shape} if constant else {"a": (3,), "b": b_shape},
        constants={"k": rng.normal(size=3).astype(F)},
    )  # fmt: skip
    graph = read_onnx(proto)
    assert graph.nodes[-1].op.kind == "divide"
    x = {"a": rng.normal(size=(9, 3)).astype(F), "b": rng.uniform(-2, 2, (9, *b_shape)).astype(F)}
    x = {i.name: x[i.name] for i in proto.graph.input if i.name in x}
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, x)
    inputs = {i.name: x[j.name] for i, j in zip(graph.inputs, proto.graph.input, strict=False)}
    values, bounds = float_bounds(graph, {k: v.astype(np.float64) for k, v in inputs.items()})
    y, bound = (v[graph.outputs[0].value] for v in (values, bounds))
    assert (np.abs(y - answer) <= bound).all()
    assert bound.max() <= 1e-4


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (single("Gelu", [3], opset=20, approximate="erf"), "a Gelu of this form"),
        (single("Elu", [3], alpha=-1.0), "Elu has a negative alpha"),
        (single("Pow", [3], {"e": np.asarray([1.0, 2.0, 3.0], F)}), "the exponent is not one"),
        (single("LogSoftmax", [3, 2], opset=11), "a LogSoftmax before opset 13"),
        (single("LpNormalization", [3], p=3), "a norm of another order"),
        (single("MeanVarianceNormalization", [3, 2, 2]), "a normalisation over the batch"),
        (single("GroupNormalization", [3, 2], {"s": np.ones(2, F), "b": np.ones(2, F)}, opset=21,
                num_groups=2), "groups that do not divide"),
        (single("GroupNormalization", [4, 2], {"s": np.ones(2, F), "b": np.ones(2, F)}, opset=21,
                num_groups=2), "per channel in this opset"),
        (single("InstanceNormalization", [3], {"s": np.ones(3, F), "b": np.ones(3, F)}),
         "without positions"),
        (single("LayerNormalization", [3], {"s": np.ones(3, F)}, stash_type=11), "another type"),
    ],
)  # fmt: skip
def test_refused(proto, text):
    with pytest.raises(GatewrightError, match=text):
        read_onnx(proto)
