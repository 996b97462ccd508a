"""A quantized convolutional network from file to answers: every number equal to the model's."""

import numpy as np
from onnx_models import model, node

import gatewright as gw
from gatewright.frontends import read_model
from gatewright.ir import run_real

F = np.float32


def network():
    """Convolution, maximum, depthwise convolution, averages over 9 and 3; scales of any size."""
    rng = np.random.default_rng(3)
    quant = {"rounding_mode": "ROUND", "narrow": 0, "domain": "qonnx.custom_op.general"}
    nodes = [
        node("Quant", "x s z five", "xq", signed=1, **quant),
        node("Quant", "w ws z four", "wq", signed=1, **quant),
        node("Conv", "xq wq b", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        node("Quant", "r t z five", "rq", signed=0, **quant),
        node("MaxPool", "rq", "m", kernel_shape=[2, 2], strides=[2, 1]),
        node("Quant", "d ds z four", "dq", signed=1, **quant),
        node("Conv", "m dq", "e", group=2, pads=[1, 1, 1, 1]),
        node("AveragePool", "e", "a", kernel_shape=[3, 3]),
        node("Quant", "a u z five", "aq", signed=1, **quant),
        node("GlobalAveragePool", "aq", "g"),
        node("Quant", "g u z five", "y", signed=1, **(quant | {"rounding_mode": "FLOOR"})),
    ]
    constants = {
        "s": F(0.0371), "t": F(0.11), "u": F(0.2), "z": F(0), "five": F(5), "four": F(4),
        "w": (rng.integers(-7, 8, (2, 1, 3, 3)) * 0.03).astype(F), "ws": F(0.03),
        "d": (rng.integers(-7, 8, (2, 1, 3, 3)) * 0.125).astype(F), "ds": F(0.125),
        "b": rng.normal(size=2).astype(F),
    }  # fmt: skip
    return model(nodes, {"x": (1, 6, 6)}, constants=constants)


def test_a_quantized_convolutional_network_is_exact():
    proto = network()
    design = gw.compile(proto)
    assert design.facts_of_model["import_check"]["status"] == "equal"
    kinds = [n.op.kind for n in design.graph.nodes]
    # The transposes of four layers have met and gone but those of the input, and the windows'.
    assert "divide_constant" not in kinds
    assert kinds.index("requantize") == kinds.index("dense") + 1
    x = np.random.default_rng(4).normal(size=(50, 1, 6, 6))
    source = read_model(proto)
    expected = run_real(source, {source.inputs[0].name: x})[source.outputs[0].value]
    assert (np.abs(design.predict(x) - expected) < 1e-9).all()
