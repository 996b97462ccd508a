"""Every ONNX operator that is read, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gatewright.frontends.onnx import elementwise, linear, moved, movement, quantizers, recurrent
from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Operand

Handler = Callable[[Call], Operand | Sequence[Operand]]
"""Returns what a node's first output stands for, or a sequence for the first few."""

STANDARD: dict[str, Handler] = {
    "Add": elementwise.add,
    "ArgMax": movement.argmax,
    "BatchNormalization": elementwise.batch_normalization,
    "Cast": movement.cast,
    "Clip": elementwise.clip,
    "Concat": movement.concat,
    "Constant": movement.constant,
    "DequantizeLinear": quantizers.dequantize_linear,
    "Div": elementwise.divide,
    "Dropout": movement.dropout,
    "Elu": elementwise.elu,
    "Exp": elementwise.function("exp"),
    "Flatten": movement.flatten,
    "GRU": recurrent.gru,
    "Gemm": linear.gemm,
    "HardSigmoid": elementwise.hard_sigmoid,
    "Identity": movement.identity,
    "LSTM": recurrent.lstm,
    "LeakyRelu": elementwise.leaky_relu,
    "MatMul": linear.matmul,
    "Max": elementwise.maximum,
    "Min": elementwise.minimum,
    "Mul": elementwise.multiply,
    "Neg": elementwise.negate,
    "PRelu": elementwise.prelu,
    "QuantizeLinear": quantizers.quantize_linear,
    "RNN": recurrent.rnn,
    "Relu": elementwise.relu,
    "Reshape": movement.reshape,
    "Selu": elementwise.selu,
    "Sigmoid": elementwise.function("sigmoid"),
    "Slice": movement.slice_,
    "Softmax": movement.softmax,
    "Softplus": elementwise.function("softplus"),
    "Softsign": elementwise.function("softsign"),
    "Squeeze": movement.squeeze,
    "Sub": elementwise.subtract,
    "Tanh": elementwise.function("tanh"),
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
