"""Operators of ONNX on integers as they are read, against onnxruntime: the same integers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_models import model, node, onnxruntime_run

from gatewright.base import GatewrightError
from gatewright.frontends.onnx import read_onnx
from gatewright.ir import run_real
from gatewright.passes.graph import streamline

pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install onnxruntime")
F = np.float32
SETTINGS = settings(max_examples=15, deadline=None)


def framed(nodes, constants, shape, out=("c", "ys", "yz")):
    """Put a QuantizeLinear in front, and a DequantizeLinear behind where there is a scale."""
    before = [node("QuantizeLinear", "x xs xz", "q")]
    after = [node("DequantizeLinear", list(out), "y")] if out else []
    domains = ("com.microsoft",)
    return model([*before, *nodes, *after], {"x": shape}, constants=constants, domains=domains)


def compare(proto, x):
    graph = read_onnx(proto)
    ours = run_real(graph, {"x": x.astype(np.float64)})[graph.outputs[0].value]
    (theirs,) = onnxruntime_run(proto, {"x": x})
    assert np.array_equal(ours.astype(F), theirs.astype(F))
    turned = streamline(graph)
    assert "scaled_quantize" not in {n.op.kind for n in turned.nodes}
    return graph


def drawn(seed, per_channel, shape, channels, signed):
    rng = np.random.default_rng(seed)
    kind = np.int8 if signed else np.uint8
    info = np.iinfo(kind)
    n = channels if per_channel else 1
    scales = rng.uniform(0.002, 0.02, n).astype(F)
    return rng, {
        "xs": F(rng.uniform(0.01, 0.1)), "xz": np.uint8(rng.integers(0, 255)),
        "w": rng.integers(info.min, info.max + 1, shape).astype(kind),
        "ws": scales if per_channel else scales[0],
        "wz": np.zeros(n, kind) if per_channel else kind(0 if signed else 120),
        "ys": F(rng.uniform(0.02, 0.3)), "yz": np.uint8(rng.integers(0, 255)),
    }  # fmt: skip


def samples(rng, constants, shape, count=40):
    steps = rng.integers(-300, 300, (count, *shape))
    return (steps * F(constants["xs"]) / F(2)).astype(F)


@SETTINGS
@given(st.integers(0, 999), st.booleans())
def test_qlinear_matmul(seed, signed):
    rng, constants = drawn(seed, False, (6, 4), 4, signed)
    proto = framed([node("QLinearMatMul", "q xs xz w ws wz ys yz", "c")], constants, (6,))
    compare(proto, samples(rng, constants, (6,)))


@SETTINGS
@given(st.integers(0, 999), st.booleans(), st.sampled_from([1, 2]), st.booleans())
def test_qlinear_conv(seed, per_channel, group, bias):
    rng, constants = drawn(seed, per_channel, (4, 2 // group, 3), 4, True)
    if bias:
        constants["b"] = rng.integers(-999, 999, 4).astype(np.int32)
    made = node("QLinearConv", "q xs xz w ws wz ys yz" + " b" * bias, "c", group=group,
                pads=[1, 0], strides=[2], kernel_shape=[3])  # fmt: skip
    compare(framed([made], constants, (2, 7)), samples(rng, constants, (2, 7)))


@SETTINGS
@given(st.integers(0, 999), st.booleans())
def test_qgemm(seed, bias):
    rng, constants = drawn(seed, False, (4, 6), 4, True)
    constants["b"] = rng.integers(-999, 999, 4).astype(np.int32)
    inputs = f"q xs xz w ws wz {'b' if bias else ''} ys yz".split(" ")
    made = node("QGemm", inputs, "c", transB=1, domain="com.microsoft")
    compare(framed([made], constants, (6,)), samples(rng, constants, (6,)))


@pytest.mark.parametrize("op_type", ["MatMulInteger", "ConvInteger"])
def test_integers_that_are_scaled_behind(op_type):
    conv = op_type == "ConvInteger"
    rng, constants = drawn(3, False, (4, 2, 3) if conv else (6, 4), 4, True)
    constants["one"] = F(0.125)
    nodes = [
        node(op_type, "q w xz wz", "i"),
        node("Cast", "i", "f", to=TensorProto.FLOAT),
        node("Mul", "f one", "y"),
    ]
    shape = (2, 7) if conv else (6,)
    compare(framed(nodes, constants, shape, out=()), samples(rng, constants, shape))


def test_a_network_on_integers_throughout():
    rng, constants = drawn(5, True, (3, 2, 3), 3, True)
    _, second = drawn(6, False, (9, 4), 4, True)
    constants |= {"v": second["w"], "vs": second["ws"], "vz": second["wz"],
                  "us": F(0.4), "uz": np.uint8(9)}  # fmt: skip
    nodes = [
        node("QLinearConv", "q xs xz w ws wz ys yz", "a"),
        node("MaxPool", "a", "p", kernel_shape=[2], strides=[2]),
        node("Flatten", "p", "f"),
        node("QLinearMatMul", "f ys yz v vs vz us uz", "c"),
    ]
    proto = framed(nodes, constants, (2, 8), out=("c", "us", "uz"))
    graph = compare(proto, samples(rng, constants, (2, 8)))
    assert "requantize" in {n.op.kind for n in streamline(graph).nodes}


def refused(made, **more):
    _, constants = drawn(0, False, (6, 4), 4, True)
    return framed(made, {**constants, **more}, (6,))


REFUSED = {
    "dynamic": (
        model([helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
               node("DequantizeLinear", "q s z", "y")], {"x": (6,)}),
        "anew from the data",
    ),
    "another scale": (
        refused([node("QLinearMatMul", "q o xz w ws wz ys yz", "c")], o=F(0.7)),
        "another scale or zero point",
    ),
    "real numbers": (
        refused([node("QLinearMatMul", "x xs xz w ws wz ys yz", "c")]), "no QuantizeLinear gave",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    proto, what = REFUSED[case]
    with pytest.raises(GatewrightError, match=what):
        read_onnx(proto)
