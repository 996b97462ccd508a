"""Integers stay integers through every operator, so that no division of theirs keeps fractions;
absurd lengths and malformed operands are refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gatewright.base import GatewrightError
from gatewright.frontends.onnx import read_onnx
from gatewright.ir import run_real

HUGE = 10**9
node = helper.make_node


def whole(*numbers):
    return np.array(numbers, np.int64)


def model(nodes, shape, constants, kind=TensorProto.FLOAT):
    inputs = [helper.make_tensor_value_info("x", kind, ["N", *shape])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(v, k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


CAST = node("Cast", ["x"], ["i"], to=TensorProto.INT64)


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([CAST, node("Pow", ["i", "two"], ["q"])], {}),
        ([CAST, node("Pad", ["i", "pads"], ["q"])], {"pads": whole(0, 1, 0, 0)}),
        ([CAST, node("Gather", ["i", "at"], ["q"], axis=1)], {"at": whole(2, 0)}),
        ([CAST, node("Gather", ["at", "i"], ["q"])], {"at": whole(4, 5, 6)}),
        (
            [CAST, node("OneHot", ["i", "depth", "at"], ["q"])],
            {"depth": np.array(3), "at": whole(0, 3)},
        ),
        ([CAST, node("Reshape", ["i", "shape"], ["q"])], {"shape": whole(0, 3, 1)}),
    ],
)
def test_a_division_of_integers(nodes, constants):
    last = [node("Div", ["q", "two"], ["d"]), node("Cast", ["d"], ["y"], to=TensorProto.FLOAT)]
    with pytest.raises(GatewrightError, match="a division of integers cuts fractions off"):
        read_onnx(model([*nodes, *last], (3,), {**constants, "two": np.array(2)}))


def test_a_mean_of_integers():
    last = [node("ReduceMean", ["i", "axes"], ["d"]), node("Cast", ["d"], ["y"], to=1)]
    with pytest.raises(GatewrightError, match="ReduceMean of integers cuts fractions off"):
        read_onnx(model([CAST, *last], (3,), {"axes": whole(1)}))


def test_rows_counted_from_the_end():
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    proto = model([node("Gather", ["t", "x"], ["y"])], (4,), {"t": table}, TensorProto.INT64)
    graph = read_onnx(proto)
    rows = np.array([[0, -1, 4, -5], [1, 2, -2, 3]])
    found = run_real(graph, {graph.inputs[0].name: rows.astype(float)})[graph.outputs[0].value]
    assert np.array_equal(found, table[rows])


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Tile", ["x", "n"], ["y"])], {"n": whole(1, HUGE)}),
        ([node("Tile", ["k", "n"], ["c"]), node("Add", ["x", "c"], ["y"])], {"n": whole(HUGE)}),
        ([node("Tile", ["k", "n"], ["c"]), node("Add", ["x", "c"], ["y"])], {"n": whole(-1)}),
        ([node("Expand", ["k", "n"], ["c"]), node("Add", ["x", "c"], ["y"])], {"n": whole(HUGE)}),
        ([node("Split", ["x"], ["y", "z"], axis=1, num_outputs=HUGE)], {}),
        ([node("Unsqueeze", ["x", "n"], ["y"])], {"n": whole(1, 1)}),
        ([node("TopK", ["x", "n"], ["y", "z"])], {"n": np.zeros(0, np.int64)}),
        (
            [node("Range", ["a", "b", "c"], ["r"]), node("Cast", ["r"], ["e"], to=1),
             node("Add", ["x", "e"], ["y"])],
            {"a": np.array(0), "b": np.array(HUGE), "c": np.array(1)},
        ),
        (
            [node("Range", ["a", "b", "c"], ["r"]), node("Cast", ["r"], ["e"], to=1),
             node("Add", ["x", "e"], ["y"])],
            {"a": np.array(0), "b": np.array(4), "c": np.array(0)},
        ),
    ],
)  # fmt: skip
def test_malformed_and_absurd(nodes, constants):
    proto = model(nodes, (4,), {"k": np.ones(1, np.float32), **constants})
    assert isinstance(proto, onnx.ModelProto)
    with pytest.raises(GatewrightError):
        read_onnx(proto)
