"""Small ONNX models for tests."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"


def node(op_type, inputs, outputs, **attributes):
    """Build a node named after its operator and its first output."""
    inputs = inputs.split() if isinstance(inputs, str) else inputs
    outputs = outputs.split()
    return helper.make_node(op_type, inputs, outputs, name=f"{op_type}_{outputs[0]}", **attributes)


def model(
    nodes,
    inputs,
    outputs=("y",),
    constants=None,
    opset=17,
    domains=(QONNX,),
    out_type=TensorProto.FLOAT,
):
    """Build a model.

    `inputs` maps names to shapes of a sample (the batch "N" is put in front), or to full shapes
    given as a list. `constants` maps names to arrays or TensorProtos.
    """
    initializers = [
        value
        if isinstance(value, TensorProto)
        else numpy_helper.from_array(np.asarray(value), name)
        for name, value in (constants or {}).items()
    ]
    infos = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, shape if isinstance(shape, list) else ["N", *shape]
        )
        for name, shape in inputs.items()
    ]
    outs = [helper.make_tensor_value_info(name, out_type, None) for name in outputs]
    graph = helper.make_graph(nodes, "small", infos, outs, initializers)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains if d)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8 if opset < 21 else 10)


def single(op_type, shape, constants=None, opset=17, extra_inputs=(), **attributes):
    """Build a model of one node whose first input is x."""
    constants = {name: np.asarray(value) for name, value in (constants or {}).items()}
    inputs = ["x", *extra_inputs, *constants]
    return model(
        [node(op_type, inputs, "y", **attributes)],
        {"x": tuple(shape)},
        constants=constants,
        opset=opset,
    )


def onnxruntime_run(proto: onnx.ModelProto, inputs):
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {k: np.asarray(v, np.float32) for k, v in inputs.items()})
