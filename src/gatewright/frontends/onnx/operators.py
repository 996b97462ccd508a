"""Every ONNX operator that is read, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gatewright.frontends.onnx import (
    activations,
    elementwise,
    forests,
    integers,
    linear,
    moved,
    movement,
    normalization,
    qonnx,
    quantizers,
    recurrent,
    reductions,
    resizing,
    selection,
    windows,
)
from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Operand

Handler = Callable[[Call], Operand | Sequence[Operand]]
"""Returns what a node's first output stands for, or a sequence for the first few."""

STANDARD: dict[str, Handler] = {
    "Abs": selection.absolute,
    "Acos": activations.function("acos"),
    "Acosh": activations.function("acosh"),
    "Add": elementwise.add,
    "And": selection.logical("and"),
    "ArgMax": selection.extreme(smallest=False),
    "ArgMin": selection.extreme(smallest=True),
    "Asin": activations.function("asin"),
    "Asinh": activations.function("asinh"),
    "Atan": activations.function("atan"),
    "Atanh": activations.function("atanh"),
    "AveragePool": windows.average_pool_,
    "BatchNormalization": normalization.batch_normalization,
    "Cast": movement.cast,
    "Celu": activations.celu,
    "Clip": elementwise.clip,
    "Concat": movement.concat,
    "Constant": movement.constant,
    "ConstantOfShape": reductions.constant_of_shape,
    "Conv": windows.conv,
    "ConvInteger": integers.conv_integer,
    "ConvTranspose": windows.conv_transpose,
    "Cos": activations.function("cos"),
    "Cosh": activations.function("cosh"),
    "CumSum": reductions.cumulative,
    "DepthToSpace": resizing.depth_to_space,
    "DequantizeLinear": quantizers.dequantize_linear,
    "Div": elementwise.divide,
    "Dropout": movement.dropout,
    "DynamicQuantizeLinear": integers.dynamic,
    "Elu": activations.elu,
    "Einsum": linear.einsum,
    "Equal": selection.compare("equal"),
    "Erf": activations.function("erf"),
    "Exp": activations.function("exp"),
    "Expand": reductions.expand,
    "Flatten": movement.flatten,
    "GRU": recurrent.gru,
    "Gather": selection.gather,
    "GatherElements": selection.gather_elements,
    "GatherND": selection.gather_nd,
    "Gelu": activations.gelu,
    "Gemm": linear.gemm,
    "GlobalAveragePool": windows.global_pool_("average"),
    "GlobalMaxPool": windows.global_pool_("max"),
    "Greater": selection.compare("greater"),
    "GreaterOrEqual": selection.compare("greater_equal"),
    "GroupNormalization": normalization.group_normalization,
    "HardSigmoid": activations.hard_sigmoid,
    "HardSwish": activations.hard_swish,
    "Identity": movement.identity,
    "InstanceNormalization": normalization.instance_normalization,
    "LSTM": recurrent.lstm,
    "LayerNormalization": normalization.layer_normalization,
    "LeakyRelu": elementwise.leaky_relu,
    "Less": selection.compare("less"),
    "LessOrEqual": selection.compare("less_equal"),
    "Log": activations.function("log"),
    "LogSoftmax": activations.log_softmax,
    "LpNormalization": normalization.lp_normalization,
    "MatMul": linear.matmul,
    "MatMulInteger": integers.matmul_integer,
    "Max": elementwise.maximum,
    "MaxPool": windows.max_pool_,
    "Mean": reductions.variadic(mean=True),
    "MeanVarianceNormalization": normalization.mean_variance_normalization,
    "Min": elementwise.minimum,
    "Mish": activations.function("mish"),
    "Mul": elementwise.multiply,
    "Neg": elementwise.negate,
    "Not": selection.logical("not"),
    "OneHot": selection.one_hot_vectors,
    "Or": selection.logical("or"),
    "PRelu": elementwise.prelu,
    "Pad": resizing.pad_,
    "Pow": activations.power,
    "QLinearConv": integers.qlinear_conv,
    "QLinearMatMul": integers.qlinear_matmul,
    "QuantizeLinear": quantizers.quantize_linear,
    "RMSNormalization": normalization.rms_normalization,
    "RNN": recurrent.rnn,
    "Range": reductions.span,
    "Reciprocal": activations.function("reciprocal"),
    "ReduceL1": reductions.reduce("l1"),
    "ReduceMax": reductions.reduce("max"),
    "ReduceMean": reductions.reduce("mean"),
    "ReduceMin": reductions.reduce("min"),
    "ReduceSum": reductions.reduce("sum"),
    "ReduceSumSquare": reductions.reduce("sum_square"),
    "Relu": elementwise.relu,
    "Reshape": movement.reshape,
    "Resize": resizing.resize,
    "ScatterElements": reductions.scatter_elements,
    "ScatterND": reductions.scatter_nd,
    "Selu": activations.selu,
    "Shape": reductions.shape,
    "Shrink": activations.shrink,
    "Sigmoid": activations.function("sigmoid"),
    "Sign": selection.sign,
    "Sin": activations.function("sin"),
    "Sinh": activations.function("sinh"),
    "Slice": movement.slice_,
    "Softmax": movement.softmax,
    "Softplus": activations.function("softplus"),
    "Softsign": activations.function("softsign"),
    "SpaceToDepth": resizing.space_to_depth,
    "Split": reductions.split,
    "Sqrt": activations.function("sqrt"),
    "Squeeze": movement.squeeze,
    "Sub": elementwise.subtract,
    "Sum": reductions.variadic(mean=False),
    "Swish": activations.swish,
    "Tan": activations.function("tan"),
    "Tanh": activations.function("tanh"),
    "ThresholdedRelu": activations.thresholded_relu,
    "Tile": reductions.tile,
    "TopK": selection.sort_top,
    "Transpose": moved.transpose,
    "Trilu": reductions.triangle,
    "Unsqueeze": movement.unsqueeze,
    "Upsample": resizing.resize,
    "Where": selection.where,
    "Xor": selection.logical("xor"),
}
"""Operators of the domain '' (also written 'ai.onnx'), opsets 7 to 25."""

QUANTIZED: dict[str, Handler] = {
    "BipolarQuant": quantizers.bipolar_quant,
    "FloatQuant": qonnx.float_quant,
    "IntQuant": quantizers.quant,
    "MultiThreshold": qonnx.multi_threshold,
    "Quant": quantizers.quant,
    "Trunc": qonnx.trunc,
}
"""QONNX operators."""

MICROSOFT: dict[str, Handler] = {
    "DequantizeLinear": quantizers.dequantize_linear,
    "QGemm": integers.qgemm,
    "QuantizeLinear": quantizers.quantize_linear,
}
"""Operators of onnxruntime's own domain, `com.microsoft`."""

MACHINE_LEARNING: dict[str, Handler] = {
    "TreeEnsemble": forests.ensemble,
    "TreeEnsembleClassifier": forests.classifier,
    "TreeEnsembleRegressor": forests.regressor,
    "ZipMap": forests.zip_map,
}
"""Operators of the domain `ai.onnx.ml`."""

DOMAINS = {"": STANDARD, "ai.onnx.ml": MACHINE_LEARNING, "com.microsoft": MICROSOFT}
"""Operators by domain."""

COMMUTING = frozenset(
    ("Flatten", "Identity", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
)
"""Operators that give the same before a quantizer and behind it: they may take its codes."""

QONNX_DOMAINS = ("", "qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
"""Domains under which exporters have written QONNX operators; the oldest used none."""

OLDEST_OPSET, NEWEST_OPSET = 7, 25


def handler_of(domain: str, op_type: str, batch_moved: bool = False) -> Handler | None:
    """Return what reads an operator, or None.

    Args:
        domain: of the operator.
        op_type: its name.
        batch_moved: whether an operand's batch is not its first axis.
    """
    domain = "" if domain == "ai.onnx" else domain
    if domain in QONNX_DOMAINS and op_type in QUANTIZED and not batch_moved:
        return QUANTIZED[op_type]
    handler = {"": STANDARD, "com.microsoft": MICROSOFT, "ai.onnx.ml": MACHINE_LEARNING}.get(
        domain, {}
    ).get(op_type)
    if not batch_moved or op_type in moved.RECURRENT:
        return handler
    if handler is not None and op_type in moved.ELEMENTWISE:
        return moved.elementwise(handler)
    return moved.HANDLERS.get(op_type) if domain == "" else None
