"""Small models and files that the commands are tested on."""

import io
import json
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
INPUTS, OUTPUTS = 6, 3
START = "import sys; from gatewright.cli import main; sys.exit(main())"


def run(*words, **more):
    """Run a command in a process of its own."""
    words = [sys.executable, "-c", START, *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, check=False, **more)


def node(kind, inputs, output, name="", domain="", **attributes):
    return helper.make_node(
        kind, inputs.split(), [output], name or f"{kind}_{output}", domain=domain, **attributes
    )


def quant(source, output, scale, bits, signed=1):
    """Return a QONNX quantizer and its constants."""
    made = node("Quant", f"{source} {output}_s {output}_z {output}_b", output, domain=QONNX,
                signed=signed, narrow=0, rounding_mode="ROUND")  # fmt: skip
    return made, {f"{output}_s": scale, f"{output}_z": 0.0, f"{output}_b": float(bits)}


def build(nodes, constants, shape=("N", INPUTS), names=("x",)):
    """Return a model from `x` to `y`."""
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in names]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    arrays = [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "small", inputs, outputs, arrays)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def quantized(layer="dense"):
    """Return a quantized model: six inputs, a dense layer, ReLU, three outputs."""
    weight = np.random.default_rng(1).integers(-7, 8, (INPUTS, OUTPUTS)) / 4
    first, a = quant("x", "xq", 0.125, 6)
    second, b = quant("w", "wq", 0.25, 4)
    last, c = quant("r", "y", 0.25, 6, signed=0)
    nodes = [first, second, node("MatMul", "xq wq", "m", layer), node("Relu", "m", "r"), last]
    return build(nodes, {"w": weight, **a, **b, **c})


def floating(weight=None, layer="dense"):
    """Return a float model: one dense layer."""
    if weight is None:
        weight = np.random.default_rng(1).normal(size=(INPUTS, OUTPUTS))
    return build([node("MatMul", "x w", "y", layer)], {"w": weight})


def unknown_operation():
    return build([node("NonZero", "x", "y", "strange")], {})


def dynamic_shape():
    return build([node("Relu", "x", "y")], {}, shape=("N", "M"))


def external(location):
    """Return a model whose weights lie in another file."""
    model = floating()
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model


def write(path, model):
    onnx.save(model, path)
    return path


def keras_archive(path, layers, bomb=False):
    """Write a `.keras` file with the layers' configurations, without weights."""
    weights = io.BytesIO()
    h5py.File(weights, "w").close()
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
        archive.writestr("config.json", b"0" * (8 << 20) if bomb else json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


LAMBDA = [
    {
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, 4], "dtype": "float32", "name": "in"},
    },
    {"class_name": "Lambda", "config": {"name": "trick", "function": "__import__('os')"}},
]


def samples(count=200, inputs=INPUTS):
    return np.random.default_rng(2).normal(size=(count, inputs)).astype(np.float32)
