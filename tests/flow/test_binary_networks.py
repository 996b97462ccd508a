"""Binary and ternary networks, from file to circuit: the same bits as their own framework."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import gatewright as gw

DATA = Path(__file__).parents[1] / "data" / "brevitas_exports"
QONNX = "qonnx.custom_op.general"
F = np.float32


def xnor_network(rng, sizes=(16, 12, 8, 4), ternary=False):
    """Build BipolarQuant activations around BipolarQuant (or two-bit narrow) weights."""
    nodes, constants = [], {"one": F(1), "zero": F(0), "two": F(2)}
    last = "x"
    for k, (n, m) in enumerate(pairwise(sizes)):
        constants |= {f"w{k}": rng.normal(0, 1, (n, m)).astype(F),
                      f"b{k}": rng.normal(0, 2, m).astype(F)}  # fmt: skip
        weight = ("Quant", [f"w{k}", "one", "zero", "two"], {"signed": 1, "narrow": 1})
        if not ternary:
            weight = ("BipolarQuant", [f"w{k}", "one"], {})
        nodes += [
            helper.make_node("BipolarQuant", [last, "one"], [f"a{k}"], domain=QONNX),
            helper.make_node(weight[0], weight[1], [f"v{k}"], domain=QONNX, **weight[2]),
            helper.make_node("MatMul", [f"a{k}", f"v{k}"], [f"s{k}"]),
            helper.make_node("Add", [f"s{k}", f"b{k}"], [f"h{k}"]),
        ]
        last = f"h{k}"
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "xnor", [info("x", TensorProto.FLOAT, ["N", sizes[0]])],
        [info(last, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )  # fmt: skip
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8), constants


@pytest.mark.parametrize("ternary", [False, True], ids=["binary", "ternary"])
def test_an_xnor_network_is_exact_to_the_circuit(ternary, tmp_path):
    rng = np.random.default_rng(0)
    proto, constants = xnor_network(rng, ternary=ternary)
    path = tmp_path / "xnor.onnx"
    path.write_bytes(proto.SerializeToString())
    x = rng.normal(size=(200, 16)).astype(F)
    x[:3] = 0  # zero is positive
    design = gw.compile(path, calibration=x)
    h = x.astype(np.float64)
    for k in range(3):
        w = constants[f"w{k}"].astype(np.float64)
        v = np.clip(np.rint(w), -1, 1) if ternary else np.where(w >= 0, 1.0, -1.0)
        h = np.where(h >= 0, 1.0, -1.0) @ v + constants[f"b{k}"].astype(np.float64)
    assert np.allclose(design.predict(x), h, rtol=0, atol=1e-9)
    assert np.array_equal(np.sign(design.predict(x)), np.sign(h))


def test_a_binary_brevitas_network_compiles_to_its_own_answers():
    with np.load(DATA / "binary.npz") as stored:
        x, theirs = stored["x"], stored["y"]
    design = gw.compile(DATA / "binary_qonnx.onnx", calibration=x)
    assert np.abs(design.predict(x) - theirs).max() < 1e-6
