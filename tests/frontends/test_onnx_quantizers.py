"""QONNX and QDQ quantizers as they are read, against plain transcriptions of their rules."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_models import QONNX, model, node, onnxruntime_run

from gatewright import ops
from gatewright.base import UnsupportedError
from gatewright.frontends.onnx import read_onnx
from gatewright.ir import evaluate, run_real
from gatewright.num import FixedArray, Overflow, Rounding
from gatewright.passes.graph import streamline

F = np.float32

# qonnx's own definitions (src/qonnx/custom_op/general/quant.py), transcribed.
ROUND = {
    "ROUND": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.fix,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def qonnx_rule(x, scale, zero_point, bits, signed, narrow, mode):
    # float32 throughout, as its executor computes; the last product is exact here.
    x, scale, zero_point = (np.asarray(v, F) for v in (x, scale, zero_point))
    shifted = x / scale + zero_point
    scale, zero_point = scale.astype(np.float64), zero_point.astype(np.float64)
    if signed and bits == 1:
        return np.where(shifted >= 0, 1.0, -1.0) * scale
    low = -(2 ** (bits - 1)) + narrow if signed else 0
    high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    return (ROUND[mode](np.clip(shifted, low, high)) - zero_point) * scale


def quant(scale, zero_point=0.0, bits=4.0, domain=QONNX, op_type="Quant", shape=(3,), **attributes):
    attributes = {"signed": 1, "narrow": 0, **attributes}
    made = node(op_type, "x s z b", "y", domain=domain, **attributes)
    constants = {
        "s": np.asarray(scale, F),
        "z": np.asarray(zero_point, F),
        "b": np.asarray(bits, F),
    }
    return model([made], {"x": shape}, constants=constants)


def half_steps(scale):
    """Return numbers on and between the steps, in the shape of samples of three."""
    steps = np.arange(-40, 41) / 4 * scale
    return np.stack([steps, -steps, steps + scale / 8], axis=1)


@settings(max_examples=120)
@given(
    st.sampled_from([0.5, 1.0, 4.0, 0.75, 3.0, 0.3]),
    st.sampled_from([0, 0, 3, 4]),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
    st.sampled_from(list(ROUND)),
)
def test_quant_is_qonnx_rule(scale, zero_point, bits, signed, narrow, mode):
    if bits == 1 and (narrow or (signed and zero_point)):
        return  # no code is left, or refused: see below
    proto = quant(
        scale, zero_point, bits, signed=int(signed), narrow=int(narrow), rounding_mode=mode
    )
    graph = read_onnx(proto)
    x = half_steps(float(F(scale)))
    expected = qonnx_rule(x, F(scale), zero_point, bits, signed, narrow, mode)
    assert np.array_equal(run_real(graph, {"x": x})[graph.outputs[0].value], expected)


def test_power_of_two_scale_is_fixed_point():
    def only(proto):
        return [n.op for n in read_onnx(proto).nodes]

    (op,) = only(quant(0.25, bits=6))
    assert (op.signed, op.width, op.frac) == (True, 6, 2)
    assert (op.rounding, op.overflow) == (Rounding.RND_CONV, Overflow.SAT)
    assert only(quant(0.25, narrow=1))[0].overflow is Overflow.SAT_SYM
    quantize, clip = only(quant(0.25, signed=0, narrow=1))
    assert (quantize.signed, quantize.width, clip.high) == (False, 4, 14 * 0.25)
    assert isinstance(only(quant(0.25, zero_point=1))[0], ops.ScaledQuantize)
    (op,) = only(quant([0.25, 0.5, 1.0]))
    assert op.frac.tolist() == [2, 1, 0]
    assert isinstance(only(quant([0.25, 0.5, 1.0], signed=0, narrow=1))[0], ops.ScaledQuantize)


@pytest.mark.parametrize("domain", ["", QONNX, "finn.custom_op.general", "onnx.brevitas"])
@pytest.mark.parametrize("op_type", ["Quant", "IntQuant"])
def test_domains_and_a_missing_rounding_mode(domain, op_type):
    (made,) = read_onnx(quant(0.3, domain=domain, op_type=op_type)).nodes
    assert made.op.rounding is Rounding.RND_CONV


def test_lower_case_mode_and_broadcast_scale():
    proto = quant(np.full((1, 2, 1), 0.3), rounding_mode="floor", shape=(2, 3))
    (made,) = read_onnx(proto).nodes
    assert made.op.rounding is Rounding.TRN
    assert made.op.scale.shape == ()
    proto = quant(np.asarray([[[0.3], [0.4]]]), shape=(2, 3))
    assert read_onnx(proto).nodes[0].op.scale.shape == (2, 1)


def test_bipolar_quant():
    proto = model(
        [node("BipolarQuant", "x s", "y", domain=QONNX)], {"x": (3,)}, constants={"s": F(0.3)}
    )
    graph = read_onnx(proto)
    result = run_real(graph, {"x": np.asarray([[-1.0, 0.0, 2.0]])})[graph.outputs[0].value]
    assert np.array_equal(result, np.asarray([[-1, 1, 1]]) * np.float64(F(0.3)))


def weights(scale, bits=3, shape=(4, 3), bias=None, zero_point=0.0, **attributes):
    """Build Quant of the weights, Quant of the input, and a MatMul or a Gemm."""
    rng = np.random.default_rng(3)
    constants = {
        "w": rng.normal(size=shape).astype(F), "s": np.asarray(scale, F), "z": F(zero_point),
        "b": F(bits), "xs": F(0.5), "zero": F(0), "xb": F(8),
    }  # fmt: skip
    nodes = [
        node("Quant", "x xs zero xb", "xq", domain=QONNX, signed=1, narrow=0),
        node("Quant", "w s z b", "wq", domain=QONNX, signed=1, narrow=1, **attributes),
    ]
    if bias is None:
        nodes.append(node("MatMul", "xq wq", "y"))
    else:
        constants["bias"] = np.asarray(bias, F)
        nodes.append(node("Gemm", "xq wq bias", "y", alpha=0.5, beta=2.0))
    return model(nodes, {"x": (4,)}, constants=constants), constants


def test_weights_of_any_scale_become_codes_and_a_scale():
    scale = np.asarray([[0.3, 0.2, 0.7]])
    proto, constants = weights(scale)
    _, dense, affine = read_onnx(proto).nodes
    values = qonnx_rule(constants["w"], F(scale), 0, 3, True, True, "ROUND")
    assert np.array_equal(dense.op.weight, np.rint(values / F(scale)))
    assert np.array_equal(affine.op.scale, F(scale[0]).astype(np.float64))
    assert dense.layer == affine.layer == "MatMul_y"


def test_gemm_scales_and_bias():
    proto, _ = weights(0.3, bias=[1, 2, 3])
    _, dense, affine = read_onnx(proto).nodes
    assert float(affine.op.scale) == float(F(0.3)) * 0.5
    assert affine.op.offset.tolist() == [2.0, 4.0, 6.0]
    assert not dense.op.bias.any()


def test_weights_of_power_of_two_scale_are_one_dense():
    proto, _ = weights(np.asarray([[0.25, 0.5, 2.0]]), bias=[1, 2, 3])
    _, dense = read_onnx(proto).nodes
    assert np.array_equal(dense.op.weight * 8, np.rint(dense.op.weight * 8))
    assert dense.op.bias.tolist() == [2.0, 4.0, 6.0]


def test_weight_ties_are_rounded_as_the_file_says():
    for mode, expected in (("ROUND", [0, 2]), ("HALF_UP", [1, 2]), ("FLOOR", [0, 1])):
        constants = {"w": np.asarray([[0.375, 1.125]], F), "s": F(0.75), "z": F(0), "b": F(4)}
        nodes = [
            node("Quant", "w s z b", "q", domain=QONNX, signed=1, narrow=0, rounding_mode=mode),
            node("MatMul", "x q", "y"),
        ]
        dense, _ = read_onnx(model(nodes, {"x": (1,)}, constants=constants)).nodes
        assert dense.op.weight.tolist() == [expected]


REFUSED = {
    "fractional zero point": (quant(0.3, 0.5), "a zero point is no integer"),
    "negative scale": (quant(-0.3), "a quantizer's scale is not positive"),
    "zero scale": (quant(0.0), "a quantizer's scale is not positive"),
    "bits": (quant(0.3, bits=2.5), "unusable bit width"),
    "many bits": (quant(0.3, bits=40), "unusable bit width"),
    "mode": (quant(0.3, rounding_mode="STOCHASTIC"), "unknown rounding mode"),
    "one bit with zero point": (quant(0.3, 1, 1), "one-bit Quant has a zero point"),
    "scale per sample": (quant(np.ones((2, 3))), "differs along the batch"),
    "scale of no fit": (quant(np.ones(2) * [0.1, 0.2]), "does not fit its tensor"),
    "scale per input of a product": (weights([[0.1], [0.2], [0.3], [0.4]])[0], "along the inputs"),
    "attribute": (quant(0.3, surprise=1), "attribute is not handled"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    proto, what = REFUSED[case]
    with pytest.raises(UnsupportedError, match=what) as caught:
        read_onnx(proto)
    assert "_y" in str(caught.value)


# ---- QDQ and QCDQ


def qdq(scale, zero_point, clip=None, opset=17, axis=None, shape=(3,), dq_scale=None, kind=None):
    more = {} if axis is None else {"axis": axis}
    kind = kind or helper.np_dtype_to_tensor_dtype(np.asarray(zero_point).dtype)
    values = np.asarray(zero_point)
    zero = helper.make_tensor("z", kind, values.shape, values.ravel().tolist())
    constants = {"s": np.asarray(scale, F), "z": zero}
    constants["t"] = np.asarray(scale if dq_scale is None else dq_scale, F)
    nodes, last = [node("QuantizeLinear", "x s z", "q", **more)], "q"
    if clip:
        constants["lo"], constants["hi"] = (np.asarray(v, values.dtype) for v in clip)
        nodes.append(node("Clip", "q lo hi", "c"))
        last = "c"
    nodes.append(node("DequantizeLinear", f"{last} t z", "y", **more))
    return model(nodes, {"x": shape}, constants=constants, opset=opset)


PAIRS = {
    "int8": qdq(0.3, np.int8(0)),
    "uint8 with zero point": qdq(0.75, np.uint8(3)),
    "int8 with odd zero point": qdq(0.75, np.int8(-5)),
    "power of two": qdq(0.25, np.int8(0)),
    "per axis": qdq([0.3, 0.5, 0.75], np.asarray([1, 2, 3], np.uint8), axis=1),
    "per inner axis": qdq([0.3, 0.5], np.asarray([0, 0], np.int8), axis=1, shape=(2, 3)),
    "clipped to 4 bits": qdq(0.3, np.int8(0), clip=(-8, 7)),
    "clipped to 3 bits of a power of two": qdq(0.5, np.int8(0), clip=(-3, 3)),
    "clipped unsigned": qdq(0.5, np.uint8(0), clip=(0, 6)),
    "int16": qdq(0.3, np.int16(0), opset=21),
    "int4": qdq(0.3, np.int8(0), opset=21, kind=TensorProto.INT4),
    "uint4": qdq(0.3, np.uint8(7), opset=21, kind=TensorProto.UINT4),
}


@pytest.mark.parametrize("case", PAIRS)
def test_pairs_equal_onnxruntime(case):
    pytest.importorskip("onnxruntime")
    proto = PAIRS[case]
    shape = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim[1:]]
    # Multiples of 3/16 meet the ties of the scales that are short binary fractions.
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.integers(-900, 900, (60, *shape)) * 0.1875, rng.normal(0, 30, (60, *shape))]
    )
    x = x.astype(F)
    graph = read_onnx(proto)
    ours = run_real(graph, {"x": x})[graph.outputs[0].value]
    (theirs,) = onnxruntime_run(proto, {"x": x})
    assert (np.abs(ours - theirs) <= 2.0**-24 * np.abs(ours)).all()  # one float32 product


def test_quantized_weights_and_bias():
    nodes = [
        node("QuantizeLinear", "x xs xz", "xq"), node("DequantizeLinear", "xq xs xz", "xd"),
        node("DequantizeLinear", "w ws wz", "wd", axis=0), node("DequantizeLinear", "b bs", "bd"),
        node("Gemm", "xd wd bd", "h", transB=1),
    ]  # fmt: skip
    constants = {
        "xs": F(0.1), "xz": np.uint8(12), "w": np.asarray([[1, -2], [3, 4], [-128, 127]], np.int8),
        "ws": np.asarray([0.1, 0.2, 0.3], F), "wz": np.zeros(3, np.int8),
        "b": np.asarray([10, -20, 30], np.int32), "bs": F(0.01),
    }  # fmt: skip
    proto = model(nodes, {"x": (2,)}, outputs=("h",), constants=constants)
    graph = read_onnx(proto)
    _, dense, affine = graph.nodes
    assert dense.op.weight.T.tolist() == [[1, -2], [3, 4], [-128, 127]]
    assert np.array_equal(affine.op.scale, constants["ws"].astype(np.float64))
    x = np.random.default_rng(0).normal(0, 2, (100, 2)).astype(F)
    turned = streamline(graph)
    assert [n.op.kind for n in turned.nodes] == ["dense"]
    (theirs,) = onnxruntime_run(proto, {"x": x})
    ours = run_real(graph, {"x": x})[graph.outputs[0].value]
    bound = 2.0**-24 * 8 * (np.abs(x) + 0.1).max() * 255 * 0.3
    assert (np.abs(ours - theirs) <= bound).all()


def perceptron(rng, dims=(6, 8, 3)):
    """Build an eight-bit QDQ network with zero points, as the common tools write it."""
    nodes = [node("QuantizeLinear", "x s0 z0", "q0"), node("DequantizeLinear", "q0 s0 z0", "h0")]
    constants = {"s0": F(0.05), "z0": np.uint8(128)}
    for i, (n, m) in enumerate(pairwise(dims)):
        last = i == len(dims) - 2
        constants |= {
            f"w{i}": rng.integers(-127, 128, (m, n)).astype(np.int8),
            f"v{i}": rng.uniform(0.002, 0.01, m).astype(F),
            f"b{i}": rng.normal(size=m).astype(F),
            f"s{i + 1}": F(rng.uniform(0.02, 0.06)),
            f"z{i + 1}": np.uint8(117 if last else 0),
        }
        nodes += [
            node("DequantizeLinear", f"w{i} v{i}", f"d{i}", axis=0),
            node("Gemm", f"h{i} d{i} b{i}", f"g{i}", transB=1),
            node("Identity" if last else "Relu", f"g{i}", f"r{i}"),
            node("QuantizeLinear", f"r{i} s{i + 1} z{i + 1}", f"q{i + 1}"),
            node("DequantizeLinear", f"q{i + 1} s{i + 1} z{i + 1}", f"h{i + 1}"),
        ]
    return model(nodes, {"x": (dims[0],)}, outputs=(f"h{len(dims) - 1}",), constants=constants)


def test_a_whole_network_in_integers():
    """Integers give the replay's numbers, and onnxruntime's but where float32 crosses a step."""
    rng = np.random.default_rng(0)
    proto = perceptron(rng)
    graph = read_onnx(proto)
    turned = streamline(graph)
    assert [n.op.kind for n in turned.nodes] == ["dense", "requantize", "dense", "requantize"]
    x = rng.normal(0, 3, (500, 6)).astype(F)
    codes = x.astype(np.float64)
    for op in turned.inputs[0].encode:
        codes = op.real(codes)
    (output,) = turned.outputs
    values = evaluate(turned, {"x": FixedArray(codes.astype(np.int64), np.asarray(0))})
    ours = values[output.value].value
    for op in output.decode:
        ours = op.real(ours)
    assert np.array_equal(ours, run_real(graph, {"x": x})[graph.outputs[0].value])
    pytest.importorskip("onnxruntime")
    (theirs,) = onnxruntime_run(proto, {"x": x})
    assert (np.abs(ours - theirs) < 1e-6).mean() > 0.999


def test_weights_quantized_in_the_file():
    nodes = [
        node("QuantizeLinear", "w s z", "q"), node("Clip", "q lo hi", "c"),
        node("DequantizeLinear", "c s z", "d"), node("MatMul", "x d", "y"),
    ]  # fmt: skip
    constants = {
        "w": np.asarray([[0.15, -2.0], [0.25, 0.44]], F), "s": F(0.1), "z": np.int8(0),
        "lo": np.int8(-7), "hi": np.int8(7),
    }  # fmt: skip
    dense, affine = read_onnx(model(nodes, {"x": (2,)}, constants=constants)).nodes
    # 0.15 / 0.1 and 0.25 / 0.1 in float32 are 1.5 and 2.5: ties, which go to the even neighbour.
    assert dense.op.weight.tolist() == [[2, -7], [2, 4]]
    assert float(affine.op.scale) == float(F(0.1))


PAIRS_REFUSED = {
    "different scales": (qdq(0.3, np.int8(0), dq_scale=0.4), "different scales or zero points"),
    "computing on codes": (
        model([node("QuantizeLinear", "x s", "q"), node("Add", "q o", "y")], {"x": (2,)},
              constants={"s": F(0.5), "o": np.uint8(1)}),
        "computes on the integers of a QuantizeLinear",
    ),
    "codes as output": (
        model([node("QuantizeLinear", "x s", "y")], {"x": (2,)}, constants={"s": F(0.5)}),
        "does not depend on its input as a real number",
    ),
    "codes of no quantizer": (
        model([node("DequantizeLinear", "x s", "y")], {"x": (2,)}, constants={"s": F(0.5)}),
        "without a QuantizeLinear in front",
    ),
    "blocks": (
        model([node("QuantizeLinear", "x s", "q", block_size=2)],
              {"x": (2,)}, outputs=("q",), constants={"s": F(0.5)}, opset=21),
        "scales of blocks",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PAIRS_REFUSED)
def test_pairs_refused(case):
    proto, what = PAIRS_REFUSED[case]
    with pytest.raises(UnsupportedError, match=what):
        read_onnx(proto)
