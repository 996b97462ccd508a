"""Standard ONNX operators: what is read equals onnxruntime.

Inputs and constants are multiples of 1/16 below 8 in magnitude, so float32 computes sums and
products of the tested sizes exactly: linear, moving and comparing operators must agree to the bit.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper
from onnx_models import model, node, onnxruntime_run, single

from gatewright import ops
from gatewright.frontends.onnx import read_onnx
from gatewright.frontends.onnx.movement import _bounds
from gatewright.ir import run_real

F = np.float32
RNG = np.random.default_rng(5)


def grid(*shape, rng=RNG):
    return (rng.integers(-128, 128, shape) / 16).astype(F)


def ints(*values):
    return np.asarray(values, np.int64)


def replay(proto, data):
    graph = read_onnx(proto)
    named = dict(zip((i.name for i in graph.inputs), data.values(), strict=True))
    values = run_real(graph, named)
    return graph, [values[o.value] for o in graph.outputs]


def compare(proto, sample_shapes, samples=5, ulps=0.0, rng=RNG):
    pytest.importorskip("onnxruntime")
    data = {name: grid(samples, *shape, rng=rng) for name, shape in sample_shapes.items()}
    graph, ours = replay(proto, data)
    for own, theirs in zip(ours, onnxruntime_run(proto, data), strict=True):
        assert own.shape == theirs.shape
        bound = ulps * 2.0**-24 * np.maximum(np.abs(own), 1)
        assert (np.abs(own - theirs) <= bound).all()
    return graph


EXACT = {
    "gemm": single("Gemm", [6], {"w": grid(6, 4), "b": grid(4)}),
    "gemm_transposed_scaled": single(
        "Gemm", [6], {"w": grid(4, 6), "b": grid(1, 4)}, transB=1, alpha=0.5, beta=2.0
    ),
    "gemm_no_bias": single("Gemm", [6], {"w": grid(6, 4)}),
    "gemm_scalar_bias": single("Gemm", [6], {"w": grid(6, 4), "b": F(0.5)}),
    "matmul": single("MatMul", [6], {"w": grid(6, 4)}),
    "matmul_rank3": single("MatMul", [3, 6], {"w": grid(6, 4)}),
    "matmul_leading_ones": single("MatMul", [3, 6], {"w": grid(1, 6, 4)}),
    "matmul_left": model([node("MatMul", "w x", "y")], {"x": (3, 6)}, constants={"w": grid(4, 3)}),
    "add_constant": single("Add", [3, 4], {"c": grid(4)}),
    "add_constant_channel": single("Add", [3, 4], {"c": grid(1, 3, 1)}),
    "add_wider_constant": single("Add", [3, 1], {"c": grid(1, 3, 4)}),
    "sub_constant": single("Sub", [3, 4], {"c": grid(3, 4)}),
    "sub_from_constant": model([node("Sub", "c x", "y")], {"x": (3, 4)}, constants={"c": grid(4)}),
    "mul_constant": single("Mul", [3, 4], {"c": grid(3, 1)}),
    "mul_wider_constant": single("Mul", [1], {"c": grid(1, 4)}),
    "div_constant": single("Div", [4], {"c": np.asarray([2, 4, -0.5, 8], F)}),
    "neg": single("Neg", [4]),
    "relu": single("Relu", [3, 4]),
    "leaky_relu": single("LeakyRelu", [4], alpha=0.125),
    "prelu": single("PRelu", [3, 4], {"s": np.abs(grid(3, 1))}),
    "clip": single("Clip", [4], {"lo": F(-1.5), "hi": F(2)}),
    "clip_relu6": single("Clip", [4], {"lo": F(0), "hi": F(6)}),
    "clip_high": model([node("Clip", ["x", "", "h"], "y")], {"x": (4,)}, constants={"h": F(1)}),
    "clip_opset6": single("Clip", [4], opset=10, min=-1.0, max=2.0),
    "min_constant": single("Min", [4], {"c": F(1)}),
    "max_constants": single("Max", [4], {"c": F(-1), "d": grid(4)}),
    "hard_sigmoid": single("HardSigmoid", [4], alpha=0.25, beta=0.5),
    "reshape": single("Reshape", [3, 4], {"s": ints(0, 2, -1)}),
    "reshape_batch_unknown": single("Reshape", [3, 4], {"s": ints(-1, 12)}),
    "flatten": single("Flatten", [3, 4]),
    "flatten_axis2": single("Flatten", [1, 4], axis=2),
    "squeeze": single("Squeeze", [1, 4, 1], {"a": ints(1, -1)}),
    "squeeze_attribute": single("Squeeze", [1, 4], opset=12, axes=[1]),
    "unsqueeze": single("Unsqueeze", [4], {"a": ints(1, -1)}),
    "transpose": single("Transpose", [2, 3, 4], perm=[0, 3, 1, 2]),
    "slice": single(
        "Slice", [5, 6], {"s": ints(1, -2), "e": ints(5, -7), "a": ints(1, 2), "t": ints(2, -1)}
    ),
    "slice_open": single("Slice", [5, 6], {"s": ints(-3), "e": ints(2**63 - 1), "a": ints(-1)}),
    "slice_opset9": single("Slice", [5, 6], opset=9, starts=[0, 1], ends=[2**31 - 1, 3]),
    "identity": single("Identity", [4]),
    "dropout": single("Dropout", [4], opset=13),
    "dropout_ratio": single("Dropout", [4], opset=11, ratio=0.5),
    "cast": single("Cast", [4], to=TensorProto.FLOAT),
    "argmax": single("ArgMax", [3, 4], axis=-1, keepdims=0),
    "argmax_keep": single("ArgMax", [3, 4], axis=2, keepdims=1),
}  # fmt: skip


def sample_shape(proto):
    return [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim[1:]]


for _name in ("argmax", "argmax_keep"):
    EXACT[_name].graph.output[0].type.tensor_type.elem_type = TensorProto.INT64


@pytest.mark.parametrize("name", EXACT)
def test_operator_equals_onnxruntime(name):
    graph = compare(EXACT[name], {"x": sample_shape(EXACT[name])})
    assert all(n.layer == EXACT[name].graph.node[0].name for n in graph.nodes)


# onnxruntime's polynomials for sigmoid and tanh are good to a few units of 2**-24.
ROUNDED = {
    "sigmoid": (single("Sigmoid", [8]), 8),
    "tanh": (single("Tanh", [8]), 8),
    "softmax": (single("Softmax", [3, 5]), 8),
    "softmax_inner": (single("Softmax", [3, 5], axis=1), 8),
    "softmax_opset11": (single("Softmax", [3, 5], opset=11), 8),
    "elu": (single("Elu", [8]), 8),
    "selu": (single("Selu", [8]), 8),
    "exp": (single("Exp", [8]), 8),
    "softplus": (single("Softplus", [8]), 8),
    "softsign": (single("Softsign", [8]), 8),
    # x * gamma / sqrt(var + eps) with |x| < 8 and the quotient below 8: 64 * 4 roundings.
    "batch_normalization": (
        single("BatchNormalization", [4, 3], {
            "g": np.asarray([1, 2, -1, 0.5], F), "b": grid(4), "m": grid(4),
            "v": np.asarray([1, 0.25, 4, 2], F)}, epsilon=1e-3),
        256,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_operator_agrees_with_onnxruntime(name):
    proto, ulps = ROUNDED[name]
    compare(proto, {"x": sample_shape(proto)}, ulps=ulps)


def test_two_inputs_and_outputs():
    nodes = [
        node("Sub", "a b", "d"), node("Mul", "a d", "m"), node("Max", "m b", "z"),
        node("Min", "a b", "n"), node("Concat", "z n", "y", axis=1), node("Add", "a b", "s"),
    ]  # fmt: skip
    proto = model(nodes, {"a": (4,), "b": (4,)}, outputs=("y", "s"))
    graph = compare(proto, {"a": (4,), "b": (4,)})
    assert [i.name for i in graph.inputs] == ["a", "b"]
    assert [o.name for o in graph.outputs] == ["y", "s"]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.booleans(), st.integers(0, 2**31)
)
def test_random_perceptron_equals_onnxruntime(n, hidden, out, transposed, seed):
    rng = np.random.default_rng(seed)
    small = lambda *s: (rng.integers(-8, 9, s) / 8).astype(F)  # noqa: E731
    w0 = small(hidden, n) if transposed else small(n, hidden)
    nodes = [
        node("Gemm", "x w0 b0", "h", transB=int(transposed)), node("Relu", "h", "r"),
        node("MatMul", "r w1", "p"), node("Add", "p b1", "y"),
    ]  # fmt: skip
    constants = {"w0": w0, "b0": small(hidden), "w1": small(hidden, out), "b1": small(out)}
    compare(model(nodes, {"x": (n,)}, constants=constants), {"x": (n,)}, rng=rng)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_random_slice_equals_onnxruntime(data):
    n = data.draw(st.integers(1, 6))
    start, end = (data.draw(st.integers(-8, 8)) for _ in range(2))
    step = data.draw(st.sampled_from([1, 2, 3, -1, -2]))
    proto = single("Slice", [n], {"s": ints(start), "e": ints(end), "a": ints(1), "t": ints(step)})
    if not np.arange(n)[slice(*_bounds(start, end, step, n))].size:
        with pytest.raises(Exception, match="takes nothing"):
            read_onnx(proto)
    else:
        compare(proto, {"x": (n,)})


def test_constants_are_folded_in_the_files_precision():
    nodes = [
        node("Constant", "", "c", value=numpy_helper.from_array(np.asarray([1.0, 3.0], F))),
        node("Constant", "", "three", value_float=3.0), node("Div", "c three", "d"),
        node("Sqrt", "d", "r"), node("Unsqueeze", "r a", "u"), node("Transpose", "u", "w"),
        node("Concat", "w w", "ww", axis=1), node("MatMul", "x ww", "y"),
    ]  # fmt: skip
    proto = model(nodes, {"x": (2,)}, constants={"a": ints(0)})
    (dense,) = read_onnx(proto).nodes
    expected = np.sqrt(np.asarray([1, 3], F) / F(3))
    assert np.array_equal(dense.op.weight, np.stack([expected, expected], 1).astype(np.float64))


def test_batch_of_one_and_initializer_listed_as_input():
    nodes = [node("Reshape", "x s", "r"), node("MatMul", "r w", "y")]
    constants = {"s": ints(1, -1), "w": grid(6, 2)}
    proto = model(nodes, {"x": [1, 2, 3], "w": [6, 2]}, constants=constants)
    graph = read_onnx(proto)
    assert [i.shape for i in graph.inputs] == [(2, 3)]
    assert [type(n.op) for n in graph.nodes] == [ops.Reshape, ops.Dense]


def test_unsorted_nodes_are_sorted():
    proto = model([node("Relu", "h", "y"), node("Neg", "x", "h")], {"x": (2,)})
    assert [n.op.kind for n in read_onnx(proto).nodes] == ["affine", "relu"]
