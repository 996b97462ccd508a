"""QONNX's Trunc, FloatQuant and MultiThreshold against transcriptions of their rules.

Where qonnx itself is installed, its executor's functions are used instead.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import QONNX, model, node

from gatewright.base import UnsupportedError
from gatewright.frontends.onnx import read_onnx
from gatewright.ir import evaluate, run_real
from gatewright.num import FixedArray
from gatewright.passes.graph import streamline

try:
    from qonnx.custom_op.general.floatquant import float_quant as qonnx_float
    from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2
except ImportError:
    qonnx_float = trunc_v1 = trunc_v2 = None

F = np.float32
MODES = {
    "ROUND": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.fix,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + F(0.5)),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - F(0.5)),
}


def answers(proto, x):
    graph = read_onnx(proto)
    return graph, run_real(graph, {"x": x.astype(np.float64)})[graph.outputs[0].value]


def integers(graph, x):
    """Return what the streamlined graph answers, decoded, for real inputs."""
    turned = streamline(graph)
    codes = x.astype(np.float64)
    (i,), (output,) = turned.inputs, turned.outputs
    for op in i.encode:
        codes = op.real(codes)
    q = np.ldexp(codes, np.broadcast_to(i.type.frac, codes.shape).astype(np.int32))
    q = FixedArray(np.rint(q).astype(np.int64), i.type.frac)
    found = evaluate(turned, {"x": q})[output.value].value
    for op in output.decode:
        found = op.real(found)
    return found


def quantized(scale, bits, nodes, constants, shape=(3,)):
    """Build a Quant of the input, and what follows it."""
    own = {"s": F(scale), "z": F(0), "b": F(bits)}
    first = node("Quant", "x s z b", "q", domain=QONNX, signed=1, narrow=0)
    return model([first, *nodes], {"x": shape}, constants={**own, **constants})


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([0.25, 0.3, 1.0]), st.integers(2, 8), st.sampled_from(list(MODES)))
def test_trunc_of_version_1(scale, out_bits, mode):
    constants = {"i": F(8), "o": F(out_bits)}
    made = node("Trunc", "q s z i o", "y", domain=QONNX, rounding_mode=mode)
    x = (np.arange(-140, 141, dtype=F)[:, None] * F(scale)).repeat(3, 1)
    graph, ours = answers(quantized(scale, 8, [made], constants), x)
    q = np.clip(np.round(x / F(scale)), -128, 127) * F(scale)
    if trunc_v1 is None:
        theirs = MODES[mode](np.round(q / F(scale)) / F(2.0 ** (8 - out_bits))) * F(scale)
    else:
        theirs = trunc_v1(q, F(scale), F(0), F(8), F(out_bits), mode)
    assert np.array_equal(ours.astype(F), theirs.astype(F))
    assert np.allclose(integers(graph, x), ours, rtol=1e-12, atol=0)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([0.25, 0.3]), st.integers(0, 4), st.integers(2, 6), st.booleans(),
    st.sampled_from(list(MODES)),
)  # fmt: skip
def test_trunc_of_version_2(scale, shift, bits, narrow, mode):
    constants = {"i": F(8), "t": F(F(scale) * 2**shift), "o": F(bits)}
    made = node(
        "Trunc", "q s z i t o", "y", domain=QONNX, rounding_mode=mode, signed=1, narrow=int(narrow)
    )
    x = (np.arange(-140, 141, dtype=F)[:, None] * F(scale)).repeat(3, 1)
    graph, ours = answers(quantized(scale, 8, [made], constants), x)
    q = np.clip(np.round(x / F(scale)), -128, 127) * F(scale)
    if trunc_v2 is None:
        low, high = -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
        steps = np.clip(np.round(q / F(scale)) / F(2**shift), low, high)
        theirs = MODES[mode](steps) * constants["t"]
    else:
        given_bits = np.asarray(bits, F)
        theirs = trunc_v2(q, F(scale), F(0), F(8), narrow, True, constants["t"], given_bits, mode)
    assert np.array_equal(ours.astype(F), theirs.astype(F))
    assert np.allclose(integers(graph, x), ours, rtol=1e-12, atol=0)


def float_rule(x, scale, e, m, bias, largest, mode):
    """Transcribe qonnx's rule; the exponent is found without a logarithm."""
    x = x / F(scale)
    exponent = np.frexp(x)[1] - 1 - m
    unit = np.exp2(np.maximum(exponent, 1 - bias - m).astype(F))
    top = min((2 - 2.0**-m) * 2.0 ** (2**e - 1 - bias), largest)
    return np.clip(unit * MODES[mode](x / unit), -top, top) * F(scale)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([1.0, 0.3]), st.sampled_from([(2, 1, 1), (3, 2, 3), (4, 3, 7), (2, 0, 1)]),
    st.sampled_from([2.5, 448.0]), st.sampled_from(["ROUND", "CEIL", "FLOOR", "DOWN"]),
    st.integers(0, 99),
)  # fmt: skip
def test_float_quant(scale, kind, largest, mode, seed):
    e, m, bias = kind
    constants = {"s": F(scale), "e": F(e), "m": F(m), "c": F(bias), "t": F(largest)}
    made = node("FloatQuant", "x s e m c t", "y", domain=QONNX, has_inf=0, has_nan=0,
                has_subnormal=1, saturation=1, rounding_mode=mode)  # fmt: skip
    rng = np.random.default_rng(seed)
    own = rng.integers(-64, 64, (50, 2)) / 2.0 ** rng.integers(0, 7, (50, 2)) * F(scale)
    x = np.concatenate([own, rng.normal(0, 3, (50, 2))]).astype(F)
    _, ours = answers(model([made], {"x": (2,)}, constants=constants), x)
    if qonnx_float is None:
        theirs = float_rule(x, scale, e, m, bias, largest, mode)
    else:
        theirs = qonnx_float(x, F(scale), e, m, bias, True, F(largest), False, False, True, mode)
    assert np.allclose(ours, theirs, rtol=2**-22, atol=0)


def test_float_quant_of_weights_and_in_the_circuit():
    constants = {"e": F(3), "m": F(2), "c": F(3), "t": F(30), "w": F([[0.3, -1.1], [2.2, 99.0]]),
                 "one": F(1)}  # fmt: skip
    more = {"has_inf": 0, "has_nan": 0, "has_subnormal": 1, "saturation": 1}
    nodes = [
        node("FloatQuant", "q one e m c t", "f", domain=QONNX, **more),
        node("FloatQuant", "w one e m c t", "v", domain=QONNX, **more),
        node("MatMul", "f v", "y"),
    ]
    x = np.arange(-40, 40, dtype=F).reshape(-1, 2) / F(4)
    proto = quantized(0.25, 6, nodes, constants, shape=(2,))
    graph, ours = answers(proto, x)
    assert np.array_equal(integers(graph, x), ours)
    q = np.clip(np.round(x * 4), -32, 31) / F(4)
    w = float_rule(constants["w"], 1, 3, 2, 3, 30.0, "ROUND")
    assert np.array_equal(ours, float_rule(q, 1, 3, 2, 3, 30.0, "ROUND") @ w)


@pytest.mark.parametrize(
    ("layout", "shape", "axis"),
    [("", (3,), 1), ("NCHW", (3, 2, 2), 1), ("NHWC", (2, 2, 3), 3), ("NWC", (2, 3), 2),
     ("", (2, 3), 2), ("NCW", (3, 2), 1)],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3])
def test_multi_threshold(layout, shape, axis, channels):
    rng = np.random.default_rng(0)
    thresholds = np.sort(rng.integers(-20, 20, (channels, 4)), axis=1).astype(F) / 4
    made = node("MultiThreshold", "q t", "y", domain=QONNX, out_dtype="INT3", out_scale=0.5,
                out_bias=-2.0, data_layout=layout)  # fmt: skip
    x = (rng.integers(-40, 40, (60, *shape)) / 8).astype(F)
    graph, ours = answers(quantized(0.25, 6, [made], {"t": thresholds}, shape), x)
    q = np.moveaxis(np.clip(np.round(x * 4), -32, 31) / 4, axis, -1)
    count = (q[..., None] >= thresholds).sum(-1)
    assert np.array_equal(ours, np.moveaxis(count * 0.5 - 2.0, -1, axis))
    assert np.array_equal(integers(graph, x), ours)


def refused(op_type, inputs, constants, **attributes):
    made = node(op_type, inputs, "y", domain=QONNX, **attributes)
    return quantized(0.25, 8, [made], constants)


FLOATS = {"one": F(1), "e": F(3), "m": F(2), "c": F(3), "t": F(30)}
REFUSED = {
    "zero point": (refused("Trunc", "q s p i o", {"p": F(3), "i": F(8), "o": F(4)}), "truncation"),
    "bits added": (refused("Trunc", "q s z i o", {"i": F(4), "o": F(8)}), "truncation"),
    "unknown mode": (
        refused("Trunc", "q s z i o", {"i": F(8), "o": F(4)}, rounding_mode="ODD"),
        "unknown rounding mode",
    ),
    "overflow": (refused("FloatQuant", "q one e m c t", FLOATS, saturation=0), "infinity or NaN"),
    "too fine": (
        refused("FloatQuant", "q one e m c t", {**FLOATS, "e": F(8), "m": F(10)}), "too many values"
    ),
    "channels": (
        refused("MultiThreshold", "q t", {"t": np.zeros((2, 3), F)}), "thresholds do not fit"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    proto, what = REFUSED[case]
    with pytest.raises(UnsupportedError, match=what) as caught:
        read_onnx(proto)
    assert "_y" in str(caught.value)
