"""Operators whose definition changed since opset 13, at every version, by ONNX's evaluators."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx_models import model, node

from gatewright.base import GatewrightError
from gatewright.frontends import read_model
from gatewright.frontends.compare import compare_with_source
from gatewright.frontends.onnx.operators import NEWEST_OPSET, STANDARD

F, INT = np.float32, np.int64
OLDEST = 13
W = np.random.default_rng(0)
RNN_W = {n: W.normal(0, 0.5, (1, n * 2, 3)).astype(F) for n in (1, 3, 4)}
RNN_R = {n: W.normal(0, 0.5, (1, n * 2, 2)).astype(F) for n in (1, 3, 4)}


def ints(*values):
    return np.array(values, INT)


def recurrent(gates):
    def build(opset):
        extra = {"layout": 0} if opset >= 14 else {}
        nodes = [
            node("Transpose", "x", "t", perm=[1, 0, 2]),
            node({1: "RNN", 3: "GRU", 4: "LSTM"}[gates], "t W R", "a h", hidden_size=2, **extra),
            node("Squeeze", "h axis", "y"),
        ]
        return nodes, (2, 3), {"W": RNN_W[gates], "R": RNN_R[gates], "axis": ints(0)}

    return build


def simple(kind, shape=(2, 3), constants=(), since=OLDEST, **attributes):
    """Return what builds one node of constant inputs, the same in every opset from `since`."""
    constants = dict(constants)

    def build(opset):
        if opset < since:
            return None
        own = {k: v for k, v in attributes.items() if k != "outputs"}
        return [node(kind, ["x", *constants], "y", **own)], shape, constants

    return build


def reduce(kind):
    """Axes are an attribute before opset 18, an input from then on; none means all, or nothing."""

    def build(opset):
        if opset < 18:
            return [node(kind, "x", "y", axes=[1, -1], keepdims=0)], (2, 3), {}
        nodes = [
            node(kind, "x axes", "a", keepdims=1),
            node(kind, ["x", "none"], "b", noop_with_empty_axes=1),
            node("Sub", "b a", "y"),
        ]
        if kind in ("ReduceL1", "ReduceSumSquare"):
            return [node(kind, "x axes", "y", keepdims=1)], (2, 3), {"axes": ints(1, 2)}
        return nodes, (2, 3), {"axes": ints(1, 2), "none": np.zeros(0, INT)}

    return build


def pad(opset):
    constants = {"pads": ints(0, 1, 2, 0, 0, 1), "value": F(0.5)}
    inputs = "x pads value"
    if opset >= 18:  # axes say which the widths are of
        constants = {"pads": ints(2, 1, 1, 0), "value": F(0.5), "axes": ints(-1, 1)}
        inputs += " axes"
    return [node("Pad", inputs, "y")], (2, 3), constants


def split(opset):
    if opset < 18:
        nodes = [node("Split", "x parts", "a b", axis=-1), node("Concat", "b a", "y", axis=-1)]
        return nodes, (2, 5), {"parts": ints(3, 2)}
    nodes = [node("Split", "x", "a b", axis=-1, num_outputs=2)]
    return [*nodes, node("Concat", "b a", "y", axis=-1)], (2, 5), {}


def group_normalization(opset):
    if opset < 18:
        return None
    size = 2 if opset < 21 else 4  # per group, then per channel
    constants = {"s": np.linspace(0.5, 2, size, dtype=F), "b": np.linspace(-1, 1, size, dtype=F)}
    return [node("GroupNormalization", "x s b", "y", num_groups=2)], (4, 3), constants


def quantized(opset):
    constants = {"s": F(0.25), "z": np.int8(3)}
    extra = {"saturate": 1} if opset >= 19 else {}
    nodes = [node("QuantizeLinear", "x s z", "q", **extra), node("DequantizeLinear", "q s z", "y")]
    return nodes, (2, 3), constants


def reshape(opset):
    extra = {"allowzero": 0} if opset >= 14 else {}
    return [node("Reshape", "x to", "y", **extra)], (2, 6), {"to": ints(0, 4, -1)}


def resize(opset):
    extra = {"antialias": 0} if opset >= 18 else {}
    constants = {"scales": np.array([1, 1, 2, 2], F)}
    nodes = [node("Resize", ["x", "", "scales"], "y", mode="nearest", nearest_mode="floor",
                  coordinate_transformation_mode="asymmetric", **extra)]  # fmt: skip
    return nodes, (2, 3, 2), constants


def normalization(opset):
    extra = {"training_mode": 0} if opset >= 14 else {}
    constants = {k: np.linspace(0.5, n, 3, dtype=F) for k, n in zip("sbmv", (2, 1, 3, 2), strict=1)}
    return [node("BatchNormalization", "x s b m v", "y", **extra)], (3, 2), constants


def shape_of(opset):
    extra = {"start": 1, "end": 2} if opset >= 15 else {}
    nodes = [
        node("Shape", "x", "s", **extra),
        node("Cast", "s", "f", to=1),
        node("Mul", "x f", "y"),
    ]
    return nodes if extra else None, (2, 3), {}


def span(opset):
    constants = {"from": F(0.5), "to": F(3), "step": F(1)}
    return [node("Range", "from to step", "r"), node("Mul", "x r", "y")], (2, 3), constants


def clip(opset):
    return [node("Clip", ["x", "", "most"], "y")], (2, 3), {"most": F(0.5)}


def scatter(kind):
    def build(opset):
        extra = {"reduction": "add"} if opset >= 16 else {}
        if opset >= 18:
            extra = {"reduction": "max"}
        constants = {"u": np.ones((1, 2, 2), F), "i": np.array([[[0, 2], [1, 0]]], INT)}
        nodes = [node(kind, "x i u", "y", axis=2, **extra)]
        return nodes, [1, 2, 3], constants

    return build


def top_k(opset):
    return [node("TopK", "x k", "y i", axis=-1)], (2, 5), {"k": ints(2)}


def pool(kind, **more):
    def build(opset):
        extra = {"dilations": [2], **more} if kind == "MaxPool" or opset >= 19 else dict(more)
        return (
            [node(kind, "x", "y", kernel_shape=[2], strides=[1], ceil_mode=1, **extra)],
            (2, 6),
            {},
        )

    return build


CASES = {
    **{k: simple(k) for k in ("Asinh", "Atan", "Cos", "Sin", "Relu", "Elu", "HardSigmoid", "Selu",
                              "Softplus", "Softsign", "ThresholdedRelu", "LeakyRelu", "Identity",
                              "Flatten", "GlobalAveragePool", "GlobalMaxPool")},
    **{k: simple(k, constants={"c": F([0.5, 2, -1])}) for k in ("Add", "Sub", "Mul", "Div")},
    **{f"Reduce{k}": reduce(f"Reduce{k}") for k in ("L1", "Max", "Min", "Mean", "SumSquare")},
    "AveragePool": pool("AveragePool", count_include_pad=1),
    "BatchNormalization": normalization,
    "Celu": simple("Celu", alpha=0.5),
    "Clip": clip,
    "Conv": simple("Conv", (2, 5), {"w": W.normal(0, 1, (3, 2, 2)).astype(F)}, dilations=[2]),
    "ConvTranspose": simple("ConvTranspose", (2, 4), {"w": W.normal(0, 1, (2, 3, 2)).astype(F)}),
    "CumSum": simple("CumSum", (4,), {"a": ints(1)}, exclusive=1),
    "Dropout": simple("Dropout"),
    "GRU": recurrent(3),
    "Gelu": simple("Gelu", since=20),
    "GroupNormalization": group_normalization,
    "HardSwish": simple("HardSwish", since=14),
    "InstanceNormalization": simple("InstanceNormalization", (3, 4),
                                    {"s": F([1, 2, 3]), "b": F([0, 1, 2])}),
    "LSTM": recurrent(4),
    "LayerNormalization": simple("LayerNormalization", (2, 3), {"s": F([1, 2, 3])}, since=17),
    "MaxPool": pool("MaxPool"),
    "Mean": lambda opset: ([node("Mean", "x x", "y")], (2, 3), {}),
    "Mish": simple("Mish", since=18),
    "PRelu": simple("PRelu", constants={"s": F([0.5, 2, -1])}),
    "Pad": pad,
    "Pow": simple("Pow", constants={"e": F(2)}),
    "QuantizeLinear": quantized,
    "Range": span,
    "RMSNormalization": simple("RMSNormalization", constants={"s": F([0.5, 2, -1])}, since=23),
    "RNN": recurrent(1),
    "Reshape": reshape,
    "Resize": resize,
    "ScatterElements": scatter("ScatterElements"),
    "Shape": shape_of,
    "Split": split,
    "Squeeze": simple("Squeeze", (1, 3), {"a": ints(1)}),
    "Sum": lambda opset: ([node("Sum", "x x", "y")], (2, 3), {}),
    "Swish": simple("Swish", since=24, alpha=0.5),
    "TopK": top_k,
    "Transpose": simple("Transpose", perm=[0, 2, 1]),
    "Trilu": simple("Trilu", (3, 3), upper=0, since=14),
    "Unsqueeze": simple("Unsqueeze", constants={"a": ints(1, -1)}),
}  # fmt: skip
"""For each operator, what builds a model in an opset: nodes, shape of a sample, constants."""

ELSEWHERE = {
    "Acos", "Acosh", "Asin", "Atanh", "Cosh", "Sinh", "Tan",  # bfloat16 came; test_onnx_functions
    "Cast", "Constant", "ConstantOfShape",  # more types, which are refused
    "DequantizeLinear",  # with QuantizeLinear
    "Equal", "GreaterOrEqual", "LessOrEqual", "Where",  # more types; test_onnx_operations
    "LpNormalization", "ScatterND",  # test_onnx_functions, test_onnx_operations
    "QLinearMatMul",  # float8 came, which is refused; test_onnx_integers
}  # fmt: skip
"""Operators whose changes concern types of numbers alone, or which another test has."""


def versions(kind):
    """Return the opsets at which a definition changed, from the oldest that is swept."""
    found = {
        max(s.since_version, OLDEST)
        for s in onnx.defs.get_all_schemas_with_history()
        if s.name == kind and s.domain == "" and s.since_version <= NEWEST_OPSET
    }
    first = min(s.since_version for s in onnx.defs.get_all_schemas_with_history()
                if s.name == kind and s.domain == "")  # fmt: skip
    return sorted(v for v in found if v >= first)


def test_every_operator_that_changed_is_here():
    changed = {kind for kind in STANDARD if kind != "Upsample" and len(versions(kind)) > 1}
    changed |= {kind for kind in STANDARD if versions(kind)[0] > OLDEST}
    assert sorted(changed - set(CASES) - ELSEWHERE) == []


@pytest.mark.parametrize(
    ("kind", "opset"), [(k, v) for k in CASES for v in {*versions(k), NEWEST_OPSET}]
)
def test_meaning_of_each_version(kind, opset):
    built = CASES[kind](opset)
    if built is None or built[0] is None:
        pytest.skip("without this attribute or operator the opset has nothing to sweep")
    nodes, shape, constants = built
    proto = model(nodes, {"x": shape}, constants=constants, opset=opset)
    graph = read_model(proto)
    x = np.random.default_rng(1).integers(-12, 12, (4, *graph.inputs[0].shape)) / 4
    found = compare_with_source(proto, graph, {"x": x})
    assert any(f.vectors for f in found), found


REFUSED = {
    "axes as attribute of a later opset": ([node("ReduceMax", "x", "y", axes=[1])], {}, 18),
    "axes as input of an earlier opset": ([node("ReduceMax", "x a", "y")], {"a": ints(1)}, 13),
    "allowzero": ([node("Reshape", "x a", "y", allowzero=1)], {"a": ints(0, 3, 2)}, 14),
    "an attribute that is no longer there": ([node("Clip", "x", "y", min=0.0)], {}, 13),
    "axes of a Squeeze": ([node("Squeeze", "x", "y", axes=[1])], {}, 13),
    "split": ([node("Split", "x", "y z", split=[1, 1], axis=1)], {}, 13),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_version_does_not_have_is_an_error(case):
    nodes, constants, opset = REFUSED[case]
    with pytest.raises(GatewrightError):
        read_model(model(nodes, {"x": (2, 3)}, constants=constants, opset=opset))
