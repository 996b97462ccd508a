"""Every ONNX operator that is read, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gatewright.frontends.onnx import (
    activations,
    elementwise,
    linear,
    moved,
    movement,
    normalization,
    quantizers,
    recurrent,
)
from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Operand

Handler = Callable[[Call], Operand | Sequence[Operand]]
"""Returns what a node's first output stands for, or a sequence for the first few."""

STANDARD: dict[str, Handler] = {
    "Acos": activations.function("acos"),
    "Acosh": activations.function("acosh"),
    "Add": elementwise.add,
    "ArgMax": movement.argmax,
    "Asin": activations.function("asin"),
    "Asinh": activations.function("asinh"),
    "Atan": activations.function("atan"),
    "Atanh": activations.function("atanh"),
    "BatchNormalization": normalization.batch_normalization,
    "Cast": movement.cast,
    "Celu": activations.celu,
    "Clip": elementwise.clip,
    "Concat": movement.concat,
    "Constant": movement.constant,
    "Cos": activations.function("cos"),
    "Cosh": activations.function("cosh"),
    "DequantizeLinear": quantizers.dequantize_linear,
    "Div": elementwise.divide,
    "Dropout": movement.dropout,
    "Elu": activations.elu,
    "Erf": activations.function("erf"),
    "Exp": activations.function("exp"),
    "Flatten": movement.flatten,
    "GRU": recurrent.gru,
    "Gelu": activations.gelu,
    "Gemm": linear.gemm,
    "GroupNormalization": normalization.group_normalization,
    "HardSigmoid": activations.hard_sigmoid,
    "HardSwish": activations.hard_swish,
    "Identity": movement.identity,
    "InstanceNormalization": normalization.instance_normalization,
    "LSTM": recurrent.lstm,
    "LayerNormalization": normalization.layer_normalization,
    "LeakyRelu": elementwise.leaky_relu,
    "Log": activations.function("log"),
    "LogSoftmax": activations.log_softmax,
    "LpNormalization": normalization.lp_normalization,
    "MatMul": linear.matmul,
    "Max": elementwise.maximum,
    "MeanVarianceNormalization": normalization.mean_variance_normalization,
    "Min": elementwise.minimum,
    "Mish": activations.function("mish"),
    "Mul": elementwise.multiply,
    "Neg": elementwise.negate,
    "PRelu": elementwise.prelu,
    "Pow": activations.power,
    "QuantizeLinear": quantizers.quantize_linear,
    "RMSNormalization": normalization.rms_normalization,
    "RNN": recurrent.rnn,
    "Reciprocal": activations.function("reciprocal"),
    "Relu": elementwise.relu,
    "Reshape": movement.reshape,
    "Selu": activations.selu,
    "Shrink": activations.shrink,
    "Sigmoid": activations.function("sigmoid"),
    "Sin": activations.function("sin"),
    "Sinh": activations.function("sinh"),
    "Slice": movement.slice_,
    "Softmax": movement.softmax,
    "Softplus": activations.function("softplus"),
    "Softsign": activations.function("softsign"),
    "Sqrt": activations.function("sqrt"),
    "Squeeze": movement.squeeze,
    "Sub": elementwise.subtract,
    "Swish": activations.swish,
    "Tan": activations.function("tan"),
    "Tanh": activations.function("tanh"),
    "ThresholdedRelu": activations.thresholded_relu,
    "Transpose": moved.transpose,
    "Unsqueeze": movement.unsqueeze,
}
"""Operators of the domain '' (also written 'ai.onnx'), opsets 7 to 25."""

QUANTIZED: dict[str, Handler] = {
    "BipolarQuant": quantizers.bipolar_quant,
    "IntQuant": quantizers.quant,
    "Quant": quantizers.quant,
}
"""QONNX operators."""

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
    handler = STANDARD.get(op_type) if domain == "" else None
    if not batch_moved or op_type in moved.RECURRENT:
        return handler
    if handler is not None and op_type in moved.ELEMENTWISE:
        return moved.elementwise(handler)
    return moved.HANDLERS.get(op_type) if domain == "" else None
