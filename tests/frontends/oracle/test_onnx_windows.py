"""Convolutions, poolings, borders and sizes of ONNX against onnxruntime, on drawn attributes.

Inputs and weights are multiples of 1/16, so that float32 adds and multiplies them exactly.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx_models import model, node, onnxruntime_run, single

from gatewright.base import GatewrightError
from gatewright.frontends.onnx import read_onnx
from gatewright.ir import run_real

pytest.importorskip("onnxruntime", reason="onnxruntime is the oracle")
few = settings(max_examples=25, deadline=None)
F = np.float32


class Draw:
    """Draws attributes for one rank."""

    def __init__(self, data, least: int = 6) -> None:
        self.draw = data.draw
        self.rank = self.draw(st.integers(1, 2))
        self.rng = np.random.default_rng(self.draw(st.integers(0, 999)))
        self.lengths = self.numbers(least, 9)

    def numbers(self, low: int, high: int) -> tuple[int, ...]:
        return tuple(self.draw(st.integers(low, high)) for _ in range(self.rank))

    def grid(self, *shape: int) -> np.ndarray:
        return (self.rng.integers(-64, 64, shape) / 16).astype(F)

    def padding(self, kernel: tuple[int, ...]) -> dict:
        """Give nothing, pads of each end, or a rule."""
        way = self.draw(st.sampled_from(["none", "pads", "SAME_UPPER", "SAME_LOWER", "VALID"]))
        if way == "none":
            return {}
        if way == "pads":
            ends = [self.draw(st.integers(0, k - 1)) for _ in range(2) for k in kernel]
            return {"pads": ends}
        return {"auto_pad": way}

    def compare(self, proto, shape, exact: bool = True) -> None:
        data = self.grid(2, *shape)
        graph = read_onnx(proto)
        values = run_real(graph, {graph.inputs[0].name: data})
        ours = values[graph.outputs[0].value]
        (theirs,) = onnxruntime_run(proto, {"x": data})
        assert ours.shape == theirs.shape
        tolerance = 0.0 if exact else 2e-6 * max(1.0, float(np.abs(ours).max(initial=0)))
        assert np.abs(ours - theirs).max(initial=0) <= tolerance


@few
@given(st.data())
def test_conv(data) -> None:
    d = Draw(data)
    group = d.draw(st.integers(1, 2))
    channels, filters = 2 * group, group * d.draw(st.integers(1, 2))
    kernel = d.numbers(1, 3)
    attributes = {"strides": d.numbers(1, 3), "dilations": d.numbers(1, 2), "group": group}
    attributes |= d.padding(kernel)
    if "auto_pad" in attributes:  # onnxruntime knows no SAME with dilation
        attributes["dilations"] = (1,) * d.rank
    weights = {"w": d.grid(filters, channels // group, *kernel)}
    if d.draw(st.booleans()):
        weights["b"] = d.grid(filters)
    shape = (channels, *d.lengths)
    d.compare(single("Conv", shape, weights, **attributes), shape)


@few
@given(st.data())
def test_conv_transpose(data) -> None:
    d = Draw(data, 3)
    group = d.draw(st.integers(1, 2))
    channels, filters = 2 * group, d.draw(st.integers(1, 2))
    kernel, strides, dilations = d.numbers(1, 3), d.numbers(1, 3), d.numbers(1, 2)
    extra = tuple(d.draw(st.integers(0, s - 1)) for s in strides)
    spans = [(k - 1) * r + 1 for k, r in zip(kernel, dilations, strict=True)]
    attributes = {
        "strides": strides, "dilations": dilations, "group": group, "output_padding": extra,
    }  # fmt: skip
    way = d.draw(st.sampled_from(["pads", "SAME_UPPER", "SAME_LOWER", "output_shape"]))
    if way == "pads":
        attributes["pads"] = [d.draw(st.integers(0, s // 2)) for _ in range(2) for s in spans]
    elif way == "output_shape":
        whole = [
            (n - 1) * s + k + e for n, s, k, e in zip(d.lengths, strides, spans, extra, strict=True)
        ]
        attributes["output_shape"] = [max(w - d.draw(st.integers(0, 2)), 1) for w in whole]
    else:
        assume(all(k + e >= s for k, s, e in zip(spans, strides, extra, strict=True)))
        attributes["auto_pad"] = way
    weights = {"w": d.grid(channels, filters, *kernel), "b": d.grid(filters * group)}
    shape = (channels, *d.lengths)
    d.compare(single("ConvTranspose", shape, weights, **attributes), shape)


@few
@given(st.data())
def test_pools(data) -> None:
    d = Draw(data)
    kernel = d.numbers(1, 3)
    attributes = {"kernel_shape": kernel, "strides": d.numbers(1, 3), **d.padding(kernel)}
    if "auto_pad" in attributes:  # onnxruntime refuses a SAME whose windows leave gaps
        pairs = zip(attributes["strides"], kernel, strict=True)
        attributes["strides"] = tuple(min(s, k) for s, k in pairs)
    else:
        attributes["ceil_mode"] = d.draw(st.integers(0, 1))
    shape = (2, *d.lengths)
    opset = d.draw(st.sampled_from([13, 17, 19, 22]))
    more = {"dilations": d.numbers(1, 2)} if "auto_pad" not in attributes else {}
    d.compare(single("MaxPool", shape, opset=opset, **attributes, **more), shape)
    count = d.draw(st.integers(0, 1))
    proto = single("AveragePool", shape, opset=opset, count_include_pad=count, **attributes)
    d.compare(proto, shape, exact=False)
    d.compare(single("GlobalMaxPool", shape), shape)
    d.compare(single("GlobalAveragePool", shape), shape, exact=False)


@few
@given(st.data())
def test_pad(data) -> None:
    d = Draw(data, 3)
    mode = d.draw(st.sampled_from(["constant", "reflect", "edge", "wrap"]))
    shape, rank = (2, *d.lengths), d.rank + 2
    ends = [0, *(d.draw(st.integers(0, 1)) for _ in range(rank - 1))] * 2
    if mode == "constant":
        ends[-1] = d.draw(st.integers(-2, 2))
    constants = {"p": np.asarray(ends, np.int64)}
    if mode == "constant" and d.draw(st.booleans()):
        constants["v"] = F(-1.5)
    opset = 19 if mode == "wrap" else d.draw(st.sampled_from([11, 13, 18, 21]))
    d.compare(single("Pad", shape, constants, opset=opset, mode=mode), shape)


@few
@given(st.data())
def test_resize(data) -> None:
    d = Draw(data, 3)
    d.rank = 2
    d.lengths = d.numbers(3, 6)
    mode = d.draw(st.sampled_from(["nearest", "linear", "cubic"]))
    rule = d.draw(
        st.sampled_from(["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
    )
    attributes = {"mode": mode, "coordinate_transformation_mode": rule}
    if mode == "nearest":
        rounding = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
        attributes["nearest_mode"] = d.draw(st.sampled_from(rounding))
    if mode == "cubic":
        attributes["cubic_coeff_a"] = d.draw(st.sampled_from([-0.75, -0.5]))
        attributes["exclude_outside"] = d.draw(st.integers(0, 1))
    factors = [d.draw(st.sampled_from([0.5, 1.0, 2.0, 4.0])) for _ in range(2)]
    shape = (2, *d.lengths)
    empty = np.zeros(0, F)
    if d.draw(st.booleans()):
        constants = {"roi": empty, "s": np.asarray([1, 1, *factors], F)}
    else:
        sizes = [max(int(n * f), 1) for n, f in zip(d.lengths, factors, strict=True)]
        constants = {"roi": empty, "s": empty, "z": np.asarray([1, 2, *sizes], np.int64)}
    batch_of_one = "z" in constants
    proto = single(
        "Resize", shape, constants, opset=d.draw(st.sampled_from([13, 18])), **attributes
    )
    if batch_of_one:
        proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    data_ = d.grid(1, *shape)
    graph = read_onnx(proto)
    ours = run_real(graph, {graph.inputs[0].name: data_})[graph.outputs[0].value]
    (theirs,) = onnxruntime_run(proto, {"x": data_})
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_blocks(mode) -> None:
    rng = np.random.default_rng(3)
    for proto, shape in (
        (single("DepthToSpace", (8, 2, 3), blocksize=2, mode=mode), (8, 2, 3)),
        (single("SpaceToDepth", (2, 4, 6), blocksize=2), (2, 4, 6)),
    ):
        data = rng.normal(size=(2, *shape)).astype(F)
        graph = read_onnx(proto)
        ours = run_real(graph, {graph.inputs[0].name: data})[graph.outputs[0].value]
        assert (ours == onnxruntime_run(proto, {"x": data})[0]).all()


def test_upsample() -> None:
    shape = (2, 3, 4)
    data = np.random.default_rng(4).normal(size=(2, *shape)).astype(F)
    proto = single("Upsample", shape, {"s": np.asarray([1, 1, 2, 3], F)}, opset=9, mode="nearest")
    graph = read_onnx(proto)
    ours = run_real(graph, {graph.inputs[0].name: data})[graph.outputs[0].value]
    assert (ours == onnxruntime_run(proto, {"x": data})[0]).all()


W = {"w": np.ones((2, 2, 3), F)}


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (single("Conv", (2, 6), W, auto_pad="SAME"), "an auto_pad is not known"),
        (single("Conv", (2, 6), W, pads=[1]), "the attribute pads does not fit"),
        (single("Conv", (2, 6), W, strides=[0]), "the attribute strides does not fit"),
        (single("Conv", (2, 6), W, kernel_shape=[4]), "kernel_shape is not that of the weights"),
        (single("Conv", (3, 6), W), "kernel does not fit its input"),
        (single("Conv", (2, 2), W), "a window is larger than its input"),
        (single("Conv", (6,), W), "without spatial axes"),
        (single("Conv", (2, 6), W, pads=[1 << 40, 0]), "larger than a circuit can be"),
        (single("MaxPool", (2, 6)), "kernel_shape does not fit"),
        (single("MaxPool", (2, 6), kernel_shape=[3], pads=[3, 0]), "in the padding alone"),
        (single("Pad", (2, 6), {"p": np.asarray([1, 0, 0, 0, 0, 0])}), "adds to the batch"),
        (single("Pad", (2, 6), {"p": np.asarray([0, 0, 9, 0, 0, 0])}, mode="reflect"), "longer"),
        (single("DepthToSpace", (3, 2, 2), blocksize=2), "a DepthToSpace does not fit"),
        (
            single(
                "Resize", (2, 6), {"r": np.zeros(0, F), "s": np.asarray([1, 1, 2], F)},
                coordinate_transformation_mode="tf_crop_and_resize",
            ),
            "a rule of coordinates is not handled",
        ),
        (
            single("Resize", (2, 6), {"r": np.zeros(0, F), "s": np.asarray([2, 1, 2], F)}),
            "a Resize changes the batch",
        ),
    ],
)  # fmt: skip
def test_refusals(proto, text) -> None:
    with pytest.raises(GatewrightError, match=text) as error:
        read_onnx(proto)
    assert proto.graph.node[0].name in str(error.value)


@pytest.mark.parametrize(
    ("kind", "shape", "axis", "scales", "group"),
    [
        ("Conv", (4, 2, 3), 0, (4,), 1),
        ("Conv", (4, 1, 3), 0, (4,), 2),
        ("Conv", (4, 2, 3), 0, (), 1),
        ("ConvTranspose", (2, 3, 2), 1, (3,), 1),
        ("ConvTranspose", (2, 3, 2), 1, (), 2),
    ],
)
def test_quantized_weights(kind, shape, axis, scales, group) -> None:
    """Codes stay exact integers in the matrix; what is no power of two follows per channel."""
    rng = np.random.default_rng(6)
    constants = {
        "w": rng.integers(-7, 8, shape).astype(np.int8),
        "s": rng.uniform(0.01, 0.1, scales).astype(F),
        "z": np.zeros(scales, np.int8),
        "b": rng.normal(size=shape[0] if kind == "Conv" else shape[1] * group).astype(F),
        "xs": F(0.05),
        "xz": np.int8(3),
    }
    nodes = [
        node("QuantizeLinear", "x xs xz", "q"),
        node("DequantizeLinear", "q xs xz", "d"),
        node("DequantizeLinear", "w s z", "v", axis=axis),
        node(kind, "d v b", "y", group=group),
    ]
    proto = model(nodes, {"x": (2, 6)}, constants=constants)
    data = rng.normal(size=(5, 2, 6)).astype(F)
    graph = read_onnx(proto)
    ours = run_real(graph, {graph.inputs[0].name: data})[graph.outputs[0].value]
    np.testing.assert_allclose(ours, onnxruntime_run(proto, {"x": data})[0], rtol=0, atol=1e-5)
    for one in graph.nodes:
        if one.op.kind in ("dense", "grouped_dense"):
            assert (one.op.weight == np.rint(one.op.weight)).all()


def test_scales_that_change_within_a_sum_are_refused() -> None:
    constants = {"w": np.ones((2, 2, 1), np.int8), "s": np.asarray([0.1, 0.3], F)}
    nodes = [
        node("DequantizeLinear", "w s", "v", axis=1),
        node("Conv", "x v", "y"),
    ]
    with pytest.raises(GatewrightError, match="scale of quantized weights changes along"):
        read_onnx(model(nodes, {"x": (2, 6)}, constants=constants))
