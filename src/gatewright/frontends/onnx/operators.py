"""Every ONNX operator that is read, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gatewright.frontends.onnx import (
    elementwise,
    linear,
    moved,
    movement,
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
    "Add": elementwise.add,
    "And": selection.logical("and"),
    "ArgMax": selection.extreme(smallest=False),
    "ArgMin": selection.extreme(smallest=True),
    "AveragePool": windows.average_pool_,
    "BatchNormalization": elementwise.batch_normalization,
    "Cast": movement.cast,
    "Clip": elementwise.clip,
    "Concat": movement.concat,
    "Constant": movement.constant,
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "DepthToSpace": resizing.depth_to_space,
    "ConstantOfShape": reductions.constant_of_shape,
    "CumSum": reductions.cumulative,
    "DequantizeLinear": quantizers.dequantize_linear,
    "Div": elementwise.divide,
    "Dropout": movement.dropout,
    "Einsum": linear.einsum,
    "Elu": elementwise.elu,
    "Equal": selection.compare("equal"),
    "Exp": elementwise.function("exp"),
    "Expand": reductions.expand,
    "Flatten": movement.flatten,
    "GRU": recurrent.gru,
    "Gather": selection.gather,
    "GatherElements": selection.gather_elements,
    "GatherND": selection.gather_nd,
    "Gemm": linear.gemm,
    "GlobalAveragePool": windows.global_pool_("average"),
    "GlobalMaxPool": windows.global_pool_("max"),
    "Greater": selection.compare("greater"),
    "GreaterOrEqual": selection.compare("greater_equal"),
    "HardSigmoid": elementwise.hard_sigmoid,
    "Identity": movement.identity,
    "LSTM": recurrent.lstm,
    "LeakyRelu": elementwise.leaky_relu,
    "Less": selection.compare("less"),
    "LessOrEqual": selection.compare("less_equal"),
    "MatMul": linear.matmul,
    "Max": elementwise.maximum,
    "MaxPool": windows.max_pool_,
    "Mean": reductions.variadic(mean=True),
    "Min": elementwise.minimum,
    "Mul": elementwise.multiply,
    "Neg": elementwise.negate,
    "Not": selection.logical("not"),
    "OneHot": selection.one_hot_vectors,
    "Or": selection.logical("or"),
    "PRelu": elementwise.prelu,
    "Pad": resizing.pad_,
    "QuantizeLinear": quantizers.quantize_linear,
    "RNN": recurrent.rnn,
    "Range": reductions.span,
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
    "Selu": elementwise.selu,
    "Shape": reductions.shape,
    "Sigmoid": elementwise.function("sigmoid"),
    "Sign": selection.sign,
    "Slice": movement.slice_,
    "Softmax": movement.softmax,
    "Softplus": elementwise.function("softplus"),
    "Softsign": elementwise.function("softsign"),
    "SpaceToDepth": resizing.space_to_depth,
    "Split": reductions.split,
    "Squeeze": movement.squeeze,
    "Sub": elementwise.subtract,
    "Sum": reductions.variadic(mean=False),
    "Tanh": elementwise.function("tanh"),
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
