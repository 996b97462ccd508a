"""ONNX operators of sets, choices and reductions, against onnxruntime and ONNX's own evaluator."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import model, node

from gatewright.base import GatewrightError
from gatewright.frontends import read_model
from gatewright.frontends.compare import compare_with_source

PICK = st.integers(0, 10**6)


def make(draw, fixed=False, most=3):
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=most)))
    return shape, np.random.default_rng(draw(PICK))


def run(nodes, shape, rng, constants=None, opset=18, inputs=None, fixed=False, kinds=(), x=None):
    """Build a model of x (and others), compare it with both evaluators."""
    shapes = {"x": shape, **(inputs or {})}
    if fixed:
        shapes = {name: [1, *s] for name, s in shapes.items()}
    proto = model(nodes, shapes, constants=constants, opset=opset)
    for info in proto.graph.input:
        if info.name in kinds:
            info.type.tensor_type.elem_type = onnx.TensorProto.INT64
    graph = read_model(proto)
    feeds = {}
    for i in graph.inputs:
        values = rng.integers(-12, 12, (4, *i.shape)) / 4
        feeds[i.name] = values
    feeds.update(x or {})
    found = compare_with_source(proto, graph, feeds)
    assert any(f.vectors for f in found), found
    return graph


def axis(draw, shape):
    a = draw(st.integers(1, len(shape)))
    return a - len(shape) - 1 if draw(st.booleans()) else a


@settings(max_examples=12)
@given(st.data())
@pytest.mark.parametrize("op", ["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"])
def test_comparisons(op, data):
    shape, rng = make(data.draw)
    other = rng.integers(-4, 4, shape).astype(np.float32) / 4
    constants = {"c": other[None]} if data.draw(st.booleans()) else {"c": other[..., :1]}
    nodes = [node(op, "x c", "b"), node("Cast", "b", "y", to=1)]
    run(nodes, shape, rng, constants)


@settings(max_examples=8)
@given(st.data())
@pytest.mark.parametrize("op", ["And", "Or", "Xor", "Not"])
def test_logic_and_choice(op, data):
    shape, rng = make(data.draw)
    zero = {"z": np.float32(0.5), "o": np.float32(-1)}
    join = node("Not", "a", "c") if op == "Not" else node(op, "a b", "c")
    nodes = [node("Greater", "x z", "a"), node("Less", "x o", "b"), join,
             node("Where", "c x o", "y")]  # fmt: skip
    run(nodes, shape, rng, zero)


@settings(max_examples=12)
@given(st.data())
def test_top_k(data):
    shape, rng = make(data.draw)
    a = axis(data.draw, shape)
    n = (1, *shape)[a]
    k = np.asarray([data.draw(st.integers(1, n))])
    largest = data.draw(st.booleans())
    nodes = [node("TopK", "x k", "v i", axis=a, largest=int(largest)),
             node("Cast", "i", "f", to=1), node("Sub", "v f", "y")]  # fmt: skip
    x = rng.permuted(np.arange(4.0 * np.prod(shape))).reshape(4, *shape)
    run(nodes, shape, rng, {"k": k}, x={"x": x})


@settings(max_examples=12)
@given(st.data())
@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
def test_positions_of_extremes(op, data):
    shape, rng = make(data.draw)
    options = {"axis": axis(data.draw, shape), "keepdims": data.draw(st.integers(0, 1)),
               "select_last_index": data.draw(st.integers(0, 1))}  # fmt: skip
    run([node(op, "x", "i", **options), node("Cast", "i", "y", to=1)], shape, rng)


@settings(max_examples=10)
@given(st.data())
@pytest.mark.parametrize("how", ["Sum", "Mean", "Max", "Min", "SumSquare", "L1"])
def test_reductions(how, data):
    shape, rng = make(data.draw)
    opset = data.draw(st.sampled_from([11, 13, 17, 18, 20]))
    axes = sorted(data.draw(st.sets(st.integers(1, len(shape)), min_size=1)))
    keep = data.draw(st.integers(0, 1))
    if opset >= (13 if how == "Sum" else 18):
        nodes = [node(f"Reduce{how}", "x a", "y", keepdims=keep)]
        run(nodes, shape, rng, {"a": np.asarray(axes)}, opset)
    else:
        run([node(f"Reduce{how}", "x", "y", axes=axes, keepdims=keep)], shape, rng, opset=opset)


@settings(max_examples=12)
@given(st.data())
def test_gather(data):
    shape, rng = make(data.draw)
    a = axis(data.draw, shape)
    n = (1, *shape)[a]
    places = rng.integers(-n, n, data.draw(st.sampled_from([(), (2,), (2, 2)])))
    run([node("Gather", "x i", "y", axis=a)], shape, rng, {"i": places})


@settings(max_examples=8)
@given(st.data())
def test_rows_of_a_table(data):
    rng = np.random.default_rng(data.draw(PICK))
    table = rng.normal(size=(5, 3)).astype(np.float32)
    nodes = [node("Gather", "t i", "e", axis=0), node("ReduceMean", "x", "m", keepdims=0,
             axes=[1]), node("Add", "e m", "y")]  # fmt: skip
    run(nodes, (2, 3), rng, {"t": table}, 17, {"i": ()}, kinds=("i",),
        x={"i": rng.integers(0, 5, (4,)).astype(float)})  # fmt: skip


@settings(max_examples=10)
@given(st.data())
def test_gather_elements(data):
    shape, rng = make(data.draw)
    a = axis(data.draw, shape)
    n = (1, *shape)[a]
    index = {"i": rng.integers(-n, n, (4, *shape)).astype(float)}
    nodes = [node("GatherElements", "x i", "y", axis=a)]
    run(nodes, shape, rng, inputs={"i": shape}, kinds=("i",), x=index)


@settings(max_examples=6)
@given(st.data())
def test_rows_at_computed_positions(data):
    rng = np.random.default_rng(data.draw(PICK))
    index = {"i": rng.integers(0, 4, (4, 3, 1)).astype(float)}
    nodes = [node("GatherND", "x i", "y", batch_dims=1)]
    run(nodes, (4, 2), rng, inputs={"i": (3, 1)}, kinds=("i",), x=index)
    nodes = [node("Gather", "x i", "y", axis=1)]
    index = {"i": rng.integers(-4, 4, (4, 3)).astype(float)}
    run(nodes, (4, 2), rng, inputs={"i": (3,)}, kinds=("i",), x=index, fixed=True)


@settings(max_examples=10)
@given(st.data())
@pytest.mark.parametrize("reduction", ["none", "add", "max", "min"])
def test_scatter(reduction, data):
    rng = np.random.default_rng(data.draw(PICK))
    if reduction == "none":
        index = rng.permutation(5)[:3].reshape(1, 3, 1).repeat(2, 2)
    else:
        index = rng.integers(-5, 5, (1, 3, 2))
    nodes = [node("ScatterElements", "x i u", "y", axis=1, reduction=reduction)]
    run(nodes, (5, 2), rng, {"i": index}, 18, {"u": (3, 2)}, fixed=True)
    base = {"i": index, "z": np.zeros((1, 5, 2), np.float32)}
    nodes = [node("ScatterElements", "z i x", "y", axis=1, reduction=reduction)]
    run(nodes, (3, 2), rng, base, 18, fixed=True)
    if reduction != "none":
        rows = {"r": np.stack([np.zeros((1, 3), np.int64), index[..., 0] % 5], -1)}
        nodes = [node("ScatterND", "x r u", "y", reduction=reduction)]
        run(nodes, (5, 2), rng, rows, 18, {"u": (3, 2)}, fixed=True)


@settings(max_examples=6)
@given(st.data())
def test_one_hot(data):
    shape, rng = make(data.draw, most=2)
    constants = {"d": np.asarray(4), "v": np.asarray([-0.5, 2.0], np.float32)}
    a = data.draw(st.sampled_from([-1, 1]))
    # ONNX's evaluator takes numbers beyond modulo the depth, where the standard says: all off.
    x = {"x": rng.integers(-4, 4, (4, *shape)).astype(float)}
    run([node("OneHot", "x d v", "y", axis=a)], shape, rng, constants, kinds=("x",), x=x)


@settings(max_examples=8)
@given(st.data())
@pytest.mark.parametrize("op", ["Expand", "Tile", "Split", "CumSum", "Trilu", "Abs", "Sign"])
def test_movement(op, data):
    draw = data.draw
    shape, rng = make(draw)
    if op == "Expand":
        shape = (1, *shape)
        target = np.asarray([1, draw(st.integers(1, 3)), *shape[1:]])
        run([node(op, "x t", "y")], shape, rng, {"t": target})
    elif op == "Tile":
        run(
            [node(op, "x t", "y")],
            shape,
            rng,
            {"t": np.asarray([1, *rng.integers(1, 3, len(shape))])},
        )
    elif op == "Split":
        sizes = rng.integers(1, 3, 2)
        shape = (*shape[:-1], int(sizes.sum()))
        nodes = [node(op, "x s", "a b", axis=-1), node("ReduceMax", "b r", "m", keepdims=1),
                 node("Sub", "a m", "y")]  # fmt: skip
        run(nodes, shape, rng, {"s": sizes, "r": np.asarray([-1])})
    elif op == "CumSum":
        options = {k: draw(st.integers(0, 1)) for k in ("exclusive", "reverse")}
        run([node(op, "x a", "y", **options)], shape, rng, {"a": np.asarray(axis(draw, shape))})
    elif op == "Trilu":
        shape = (*shape, 3)
        run([node(op, "x k", "y", upper=draw(st.integers(0, 1)))], shape, rng,
            {"k": np.asarray(draw(st.integers(-2, 2)))})  # fmt: skip
    else:
        run([node(op, "x", "y")], shape, rng)


def test_shapes_are_known_at_import():
    rng = np.random.default_rng(0)
    first = {"z": np.asarray([0]), "m": np.asarray([-1]), "f": np.float32(2)}
    nodes = [node("Shape", "x", "s"), node("Gather", "s z", "b"),
             node("Concat", "b m", "t", axis=0), node("Reshape", "x t", "flat"),
             node("Mul", "flat f", "y")]  # fmt: skip
    assert run(nodes, (2, 3), rng, first).nodes[0].op.shape == (6,)
    fill = onnx.numpy_helper.from_array(np.asarray([3], np.float32))
    nodes = [node("Shape", "x", "s", start=1), node("ConstantOfShape", "s", "c", value=fill),
             node("Add", "x c", "y")]  # fmt: skip
    run(nodes, (2, 3), rng)


@pytest.mark.parametrize(
    ("nodes", "constants", "text"),
    [
        ([node("ReduceSum", "x", "y")], {}, "ReduceSum works along the batch"),
        ([node("ReduceL2", "x", "y")], {}, "an operator is not handled"),
        ([node("TopK", "x k", "y i")], {"k": np.asarray([9])}, "takes more elements than there"),
        ([node("Gather", "x x", "y", axis=1)], {}, "joins every sample's positions"),
        ([node("GatherND", "x k", "y")], {"k": np.asarray([[0]])}, "supported: batch_dims 1"),
        ([node("ScatterND", "x k x", "y")], {"k": np.asarray([[0]])}, "a batch of any length"),
        ([node("Tile", "x k", "y")], {"k": np.asarray([2, 1, 1])}, "a Tile repeats the batch"),
        ([node("Mod", "x x", "y", fmod=1)], {}, "an operator is not handled"),
        ([node("ArgMax", "x", "i", axis=1), node("Div", "i k", "y")], {"k": np.asarray(2)},
         "a division of integers cuts fractions off"),
    ],
)  # fmt: skip
def test_what_is_not_handled_says_so(nodes, constants, text):
    with pytest.raises(GatewrightError) as error:
        read_model(model(nodes, {"x": (2, 3)}, constants=constants, opset=17))
    assert text in str(error.value)
