"""Activation functions, with the constants that PyTorch gives them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.elementwise import clipped, scaled
from gatewright.frontends.torch.movement import taken
from gatewright.frontends.torch.operand import Operand, Value
from gatewright.ops import (
    Affine,
    Function,
    LeakyRelu,
    Multiply,
    Piecewise,
    ReduceMax,
    Relu,
    Softmax,
    Subtract,
    Sum,
)
from gatewright.ops.elementwise import broadcast_shape


def apply(call: Call, name: str, x: Value, *parameters: float, suffix: str = "") -> Value:
    """Emit a function of `ops.FUNCTIONS` by name."""
    return call.emit(Function(name, None, parameters), x, suffix=suffix)


def function(name: str, *parameters: float, argument: str = "self") -> Callable[[Call], Operand]:
    """Return a handler of a function without arguments."""
    return lambda call: apply(call, name, call.value(argument), *parameters)


def relu(call: Call) -> Operand:
    """Replace negative values by zero."""
    return call.emit(Relu(), call.value("self"))


def relu6(call: Call) -> Operand:
    """Limit to 0 and 6."""
    return call.emit(Relu(high=6.0), call.value("self"))


def hardtanh(call: Call) -> Operand:
    """Limit to two numbers."""
    x = call.value("self")
    return clipped(call, x, call.number("min_val"), call.number("max_val"))


def leaky_relu(call: Call) -> Operand:
    """Scale negative values by a slope."""
    slope = call.number("negative_slope")
    return call.emit(LeakyRelu(np.asarray(slope)), call.value("self"))


def rrelu(call: Call) -> Operand:
    """Scale negative values by the mean of two slopes, as at inference."""
    call.must_be("training", False, remedy="export module.eval()")
    call.ignore("generator", "noise")
    slope = (call.number("lower") + call.number("upper")) / 2
    return call.emit(LeakyRelu(np.asarray(slope)), call.value("self"))


def prelu(call: Call) -> Operand:
    """Scale negative values by a slope, or one for each channel (axis 1)."""
    x, slope = call.plain("self"), call.reals("weight")
    shape = (-1, *(1,) * (len(x.shape) - 1)) if slope.size > 1 else ()
    slope = slope.reshape(shape)
    if broadcast_shape(slope.shape, x.shape) != x.shape:
        raise call.unsupported("a slope does not fit its input", found=f"{slope.shape} on {x}")
    return call.emit(LeakyRelu(slope), x)


def elu(call: Call) -> Operand:
    """Return `scale * x` above zero, `scale * alpha * (exp(input_scale * x) - 1)` below."""
    x = call.value("self")
    alpha, scale, inner = (call.number(n) for n in ("alpha", "scale", "input_scale"))
    if inner != 1 or alpha < 0 or scale < 0:
        raise call.unsupported(
            "an ELU has constants that are not handled",
            found=f"alpha {alpha:g}, scale {scale:g}, input_scale {inner:g}",
            supported="alpha and scale from 0, input_scale 1",
        )
    if scale == 1:
        return apply(call, "elu_alpha", x, alpha) if alpha != 1 else apply(call, "elu", x)
    return apply(call, "selu_alpha", x, alpha, scale)


def celu(call: Call) -> Operand:
    """Return `max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`."""
    return apply(call, "celu", call.value("self"), call.number("alpha"))


def gelu(call: Call) -> Operand:
    """Return `x * Phi(x)`, exact or by the tanh formula."""
    kind = call.text("approximate")
    return apply(call, "gelu" if kind == "none" else "gelu_tanh", call.value("self"))


def softplus(call: Call) -> Operand:
    """Return `log(1 + exp(beta * x)) / beta`.

    Above `threshold` PyTorch returns x itself, which differs by less than `exp(-threshold) / beta`;
    that must be below what float32 tells apart there.
    """
    beta, threshold = call.number("beta"), call.number("threshold")
    if beta <= 0 or threshold < 17:
        raise call.unsupported(
            "a softplus has a threshold where it jumps",
            found=f"beta {beta:g}, threshold {threshold:g}",
            supported="a positive beta, a threshold from 17 (below float32's resolution)",
        )
    x = call.value("self")
    return apply(call, "softplus", x) if beta == 1 else apply(call, "softplus_beta", x, beta)


def _gate(call: Call, x: Value) -> Value:
    """Return `clip(x / 6 + 0.5, 0, 1)`."""
    line = call.emit(Affine(np.asarray(1.0 / 6.0), np.asarray(0.5)), x, suffix="line")
    return call.emit(Relu(high=1.0), line, suffix="gate")


def hardsigmoid(call: Call) -> Operand:
    """Return `clip(x / 6 + 0.5, 0, 1)`."""
    return _gate(call, call.value("self"))


def hardswish(call: Call) -> Operand:
    """Return `x * clip(x / 6 + 0.5, 0, 1)`."""
    x = call.value("self")
    return call.emit(Multiply(), x, _gate(call, x))


def glu(call: Call) -> Operand:
    """Return the first half times the sigmoid of the second, along an axis."""
    x, dim = call.value("self"), call.integer("dim")
    axis = call.sample_axis(dim, x)
    half = x.shape[axis] // 2
    first, second = taken(call, x, axis, 0, half), taken(call, x, axis, half, 2 * half)
    gate = call.emit(Function("sigmoid"), second, suffix="gate")
    return call.emit(Multiply(), first, gate)


def power(call: Call) -> Operand:
    """Return `self ** exponent`."""
    x, exponent = call.value("self"), call.number("exponent")
    if exponent == 1:
        return x
    if exponent == 2:
        return call.emit(Multiply(), x, x)
    for simple, name in ((0.5, "sqrt"), (-1.0, "reciprocal")):
        if exponent == simple:
            return apply(call, name, x)
    return apply(call, "power", x, exponent)


def exponential(call: Call) -> Operand:
    """Return `self ** exponent` for a positive number `self`."""
    base = call.number("self")
    if base <= 0:
        raise call.unsupported("a power has a base that is not positive", found=base)
    x = call.value("exponent")
    if base == 2:
        return apply(call, "exp2", x)
    return apply(call, "exp", scaled(call, x, math.log(base), "scaled"))


def threshold(call: Call) -> Operand:
    """Return x above a threshold, a number elsewhere."""
    x, at, value = call.value("self"), call.number("threshold"), call.number("value")
    return call.emit(Piecewise((at,), (0.0, 1.0), (value, 0.0), (False,)), x)


def hardshrink(call: Call) -> Operand:
    """Return x outside of `-lambd` to `lambd`, 0 within."""
    x, limit = call.value("self"), call.number("lambd")
    if limit < 0:
        raise call.unsupported("a shrinkage has a negative limit", found=limit)
    return call.emit(Piecewise((-limit, limit), (1.0, 0.0, 1.0), (0.0,) * 3, (True, False)), x)


def softshrink(call: Call) -> Operand:
    """Return x moved towards 0 by `lambd`, 0 where it would pass it."""
    x, limit = call.value("self"), call.number("lambd")
    return call.emit(
        Piecewise((-limit, limit), (1.0, 0.0, 1.0), (limit, 0.0, -limit), (True, False)), x
    )


def log_softmax(call: Call) -> Operand:
    """Return the logarithm of a softmax: `x - max - log(sum(exp(x - max)))`."""
    x, dim = call.value("self"), call.integer("dim")
    call.ignore("half_to_float")
    call.real_type(x)
    axis = call.sample_axis(dim, x)
    top = call.emit(ReduceMax((axis,), True), x, suffix="max")
    below = call.emit(Subtract(), x, top, suffix="below")
    exps = apply(call, "exp", below, suffix="exp")
    total = call.emit(Sum((axis,), True), exps, suffix="sum")
    return call.emit(Subtract(), below, apply(call, "log", total, suffix="log"))


def masked_softmax(call: Call, x: Value, axis: int = -1, suffix: str = "") -> Value:
    """Normalise exponentials along the last axis, with 0 for what a mask hides."""
    if axis not in (-1, len(x.shape) - 1):
        raise call.unsupported(
            "a masked softmax runs along an inner axis", supported="the last axis"
        )
    operands = (x,) if x.mask is None else (x, x.mask)
    return call.emit(Softmax(), *operands, suffix=suffix)


def softmax(call: Call) -> Operand:
    """Normalise exponentials along an axis."""
    x, dim = call.maybe_masked("self"), call.integer("dim")
    call.ignore("half_to_float")
    call.real_type(x)
    axis, last = call.sample_axis(dim, x), len(x.shape) - 1
    if x.mask is not None:
        return masked_softmax(call, x, axis)
    swap = list(range(len(x.shape)))
    swap[axis], swap[last] = last, axis
    turned = call.transpose(x, tuple(swap), "turned")
    return call.transpose(call.emit(Softmax(), turned), tuple(swap), "turned_back")


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "_prelu_kernel": prelu,
    "_softmax": softmax,
    "_log_softmax": log_softmax,
    "acos": function("acos"),
    "acosh": function("acosh"),
    "asin": function("asin"),
    "asinh": function("asinh"),
    "atan": function("atan"),
    "atanh": function("atanh"),
    "celu": celu,
    "cos": function("cos"),
    "cosh": function("cosh"),
    "elu": elu,
    "erf": function("erf"),
    "exp": function("exp"),
    "exp2": function("exp2"),
    "expm1": function("expm1"),
    "gelu": gelu,
    "glu": glu,
    "hardshrink": hardshrink,
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "hardtanh": hardtanh,
    "leaky_relu": leaky_relu,
    "log": function("log"),
    "log10": function("log10"),
    "log1p": function("log1p"),
    "log2": function("log2"),
    "log_sigmoid": function("log_sigmoid"),
    "log_sigmoid_forward": lambda call: (apply(call, "log_sigmoid", call.value("self")), None),
    "log_softmax.int": log_softmax,
    "mish": function("mish"),
    "pow.Scalar": exponential,
    "pow.Tensor_Scalar": power,
    "prelu": prelu,
    "reciprocal": function("reciprocal"),
    "relu": relu,
    "relu6": relu6,
    "rrelu": rrelu,
    "rsqrt": function("rsqrt", 0.0),
    "selu": function("selu"),
    "sigmoid": function("sigmoid"),
    "silu": function("silu"),
    "sin": function("sin"),
    "sinh": function("sinh"),
    "softmax.int": softmax,
    "softplus": softplus,
    "softshrink": softshrink,
    "special_expm1": function("expm1"),
    "sqrt": function("sqrt"),
    "tan": function("tan"),
    "tanh": function("tanh"),
    "threshold": threshold,
}
