"""Activation functions, with the constants that PyTorch gives them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.elementwise import clipped, scaled
from gatewright.frontends.torch.movement import taken
from gatewright.frontends.torch.operand import Operand, Value
from gatewright.ops import (
    FUNCTIONS,
    Add,
    Affine,
    Clip,
    Function,
    LeakyRelu,
    Multiply,
    Relu,
    Softmax,
    Subtract,
)
from gatewright.ops.elementwise import broadcast_shape


def apply(call: Call, name: str, x: Value, suffix: str = "") -> Value:
    """Emit a function by name.

    Raises:
        UnsupportedError: there is no such function among `ops.FUNCTIONS`.
    """
    if name not in FUNCTIONS:
        raise call.unsupported(
            f"{call.operator} has no table", found=name, supported=", ".join(sorted(FUNCTIONS))
        )
    return call.emit(Function(name), x, suffix=suffix)


def function(name: str, argument: str = "self") -> Callable[[Call], Operand]:
    """Return a handler of a function without parameters."""
    return lambda call: apply(call, name, call.value(argument))


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
    if slope.size > 1:
        slope = slope.reshape(-1, *(1,) * (len(x.shape) - 1))
    else:
        slope = slope.reshape(())
    if broadcast_shape(slope.shape, x.shape) != x.shape:
        raise call.unsupported("a slope does not fit its input", found=f"{slope.shape} on {x}")
    return call.emit(LeakyRelu(slope), x)


def elu(call: Call) -> Operand:
    """Return `scale * x` above zero, `scale * alpha * (exp(input_scale * x) - 1)` below."""
    x = call.value("self")
    alpha, scale, inner = (call.number(n) for n in ("alpha", "scale", "input_scale"))
    return _elu(call, x, alpha, scale, inner)


def celu(call: Call) -> Operand:
    """Return `max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`."""
    alpha = call.number("alpha")
    if alpha <= 0:
        raise call.unsupported("a CELU has an alpha that is not positive", found=alpha)
    return _elu(call, call.value("self"), alpha, 1.0, 1.0 / alpha)


def _elu(call: Call, x: Value, alpha: float, scale: float, inner: float) -> Value:
    """Emit one function where the constants are the usual ones, else its two halves."""
    if alpha == 1 and inner == 1:
        return scaled(call, call.emit(Function("elu"), x), scale)
    positive = call.emit(Relu(), x, suffix="positive")
    below = call.emit(Clip(None, 0.0), x, suffix="negative")
    curved = call.emit(Function("elu"), scaled(call, below, inner, "inner"), suffix="curve")
    positive = scaled(call, positive, scale, "scaled")
    return call.emit(Add(), positive, scaled(call, curved, alpha * scale, "curve_scaled"))


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
    inner = scaled(call, call.value("self"), beta, "inner")
    return scaled(call, call.emit(Function("softplus"), inner), 1.0 / beta)


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


def log_sigmoid(call: Call) -> Operand:
    """Return `-softplus(-x)`."""
    negative = scaled(call, call.value("self"), -1.0, "negative")
    return scaled(call, call.emit(Function("softplus"), negative, suffix="softplus"), -1.0, "")


def glu(call: Call) -> Operand:
    """Return the first half times the sigmoid of the second, along an axis."""
    x, dim = call.value("self"), call.integer("dim")
    axis = call.sample_axis(dim, x)
    half = x.shape[axis] // 2
    first, second = taken(call, x, axis, 0, half), taken(call, x, axis, half, 2 * half)
    gate = call.emit(Function("sigmoid"), second, suffix="gate")
    return call.emit(Multiply(), first, gate)


def mish(call: Call) -> Operand:
    """Return `x * tanh(softplus(x))`."""
    x = call.value("self")
    if "mish" in FUNCTIONS:
        return apply(call, "mish", x)
    inner = call.emit(Function("softplus"), x, suffix="softplus")
    return call.emit(Multiply(), x, call.emit(Function("tanh"), inner, suffix="tanh"))


def tanhshrink(call: Call) -> Operand:
    """Return `x - tanh(x)`."""
    x = call.value("self")
    return call.emit(Subtract(), x, call.emit(Function("tanh"), x, suffix="tanh"))


def softmax(call: Call) -> Operand:
    """Normalise exponentials along an axis."""
    x, dim = call.value("self"), call.integer("dim")
    call.ignore("dtype", "half_to_float")
    axis, last = call.sample_axis(dim, x), len(x.shape) - 1
    swap = list(range(len(x.shape)))
    swap[axis], swap[last] = last, axis
    turned = call.transpose(x, tuple(swap), "turned")
    return call.transpose(call.emit(Softmax(), turned), tuple(swap), "turned_back")


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "_prelu_kernel": prelu,
    "_softmax": softmax,
    "celu": celu,
    "elu": elu,
    "exp": function("exp"),
    "gelu": gelu,
    "glu": glu,
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "hardtanh": hardtanh,
    "leaky_relu": leaky_relu,
    "log_sigmoid": log_sigmoid,
    "mish": mish,
    "prelu": prelu,
    "relu": relu,
    "relu6": relu6,
    "rrelu": rrelu,
    "selu": function("selu"),
    "sigmoid": function("sigmoid"),
    "silu": function("silu"),
    "softmax.int": softmax,
    "softplus": softplus,
    "tanh": function("tanh"),
}
