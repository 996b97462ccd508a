"""Operators that are a function of each element, and softmax's logarithm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Const, Operand
from gatewright.frontends.recipes import activations as recipes
from gatewright.ops import Affine, Function, Multiply, Piecewise
from gatewright.ops.functions import SELU_ALPHA, SELU_SCALE
from gatewright.ops.piecewise import threshold


def function(name: str) -> Callable[[Call], Operand]:
    """Return a handler of a function without attributes."""
    return lambda call: call.emit(Function(name), call.value(0, "X"))


def _of(call: Call, name: str, *parameters: float) -> Operand:
    """Emit a function with parameters."""
    return call.emit(Function(name, None, parameters), call.value(0, "X"))


def _positive(call: Call, name: str, default: float, zero: bool = True) -> float:
    """Return an attribute that must not be negative."""
    value = call.attributes.number(name, default)
    if value < 0 or (value == 0 and not zero):
        raise call.unsupported(
            f"{call.node.op_type} has a negative {name}" if zero or value else f"{name} is zero",
            found=value,
            supported="0 and above" if zero else "above 0",
        )
    return value


def celu(call: Call) -> Operand:
    """Return max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))."""
    return _of(call, "celu", _positive(call, "alpha", 1.0, zero=False))


def elu(call: Call) -> Operand:
    """Return x, below zero alpha * (exp(x) - 1)."""
    alpha = _positive(call, "alpha", 1.0)
    return _of(call, "elu") if alpha == 1.0 else _of(call, "elu_alpha", alpha)


def gelu(call: Call) -> Operand:
    """Return x times the normal distribution's cumulative function, exactly or by tanh."""
    form = call.attributes.text("approximate", "none")
    if form not in ("none", "tanh"):
        raise call.unsupported("a Gelu of this form", found=form, supported="none, tanh")
    return _of(call, "gelu" if form == "none" else "gelu_tanh")


def hard_sigmoid(call: Call) -> Operand:
    """Return `alpha * x + beta`, limited to 0 and 1."""
    alpha = call.attributes.number("alpha", float(np.float32(0.2)))
    beta = call.attributes.number("beta", 0.5)
    return recipes.chain(call, call.value(0, "X"), recipes.hard_sigmoid(alpha, beta))


def hard_swish(call: Call) -> Operand:
    """Return x * clip(x / 6 + 1/2, 0, 1)."""
    return recipes.hard_silu(call, call.value(0, "X"))


def log_softmax(call: Call) -> Operand:
    """Return the logarithm of the softmax along an axis; before opset 13 the last one alone."""
    x = call.value(0, "input")
    axis = call.sample_axis(call.attributes.integer("axis", 1 if call.opset < 13 else -1), x.rank)
    if call.opset < 13 and axis != len(x.shape) - 1:
        raise call.unsupported(
            "a LogSoftmax before opset 13 joins all axes from the one it names",
            found=f"axis {axis + 1} of (batch, {', '.join(map(str, x.shape))})",
            supported="the last axis",
            remedy="export with opset 13 or later",
        )
    return recipes.log_softmax(call, x, axis)


def power(call: Call) -> Operand:
    """Return x to a constant exponent; whole ones of 2 and 3 as exact products."""
    if isinstance(call.operand(0, "X"), Const):
        raise call.unsupported(
            "a power of a constant", found="a computed exponent", supported="constant exponents"
        )
    x, exponent = call.value(0, "X"), call.scalar(1, "the exponent")
    if exponent == 1:
        return call.emit(Affine(np.asarray(1.0), np.asarray(0.0)), x)
    if exponent in (2.0, 3.0):
        square = call.emit(Multiply(), x, x)
        return square if exponent == 2 else call.emit(Multiply(), square, x)
    named = {0.5: "sqrt", -1.0: "reciprocal"}
    if exponent in named:
        return call.emit(Function(named[exponent]), x)
    if exponent == -0.5:
        return call.emit(Function("rsqrt", None, (0.0,)), x)
    return call.emit(Function("power", None, (exponent,)), x)


def selu(call: Call) -> Operand:
    """Return the scaled Elu, whose two constants ONNX gives in float32."""
    own = float(np.float32(SELU_ALPHA)), float(np.float32(SELU_SCALE))
    alpha, gamma = _positive(call, "alpha", own[0]), _positive(call, "gamma", own[1])
    return _of(call, "selu") if (alpha, gamma) == own else _of(call, "selu_alpha", alpha, gamma)


def shrink(call: Call) -> Operand:
    """Return x + bias below -lambd, x - bias above lambd, 0 between."""
    limit = _positive(call, "lambd", 0.5)
    bias = call.attributes.number("bias", 0.0)
    op = Piecewise((-limit, limit), (1.0, 0.0, 1.0), (bias, 0.0, -bias), (True, False))
    return call.emit(op, call.value(0, "input"))


def swish(call: Call) -> Operand:
    """Return x * sigmoid(alpha * x)."""
    alpha = call.attributes.number("alpha", 1.0)
    return _of(call, "silu") if alpha == 1.0 else _of(call, "swish", alpha)


def thresholded_relu(call: Call) -> Operand:
    """Return x where it is above alpha, else 0."""
    return call.emit(threshold(call.attributes.number("alpha", 1.0)), call.value(0, "X"))
