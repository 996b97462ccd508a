"""Operators on single elements: arithmetic with constants, activations, normalisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Codes, Const, Operand, Value
from gatewright.ir import Op, Reals
from gatewright.ops import (
    Add,
    Affine,
    Clip,
    Constant,
    Divide,
    LeakyRelu,
    Maximum,
    Minimum,
    Multiply,
    Relu,
    Subtract,
)
from gatewright.ops.elementwise import broadcast_shape

FLOAT_MAX = float(np.finfo(np.float32).max)


def _pair(call: Call) -> tuple[Value | Const, Value | Const]:
    a, b = (call.operand(i, "AB"[i]) for i in (0, 1))
    pair = (
        (a if isinstance(a, Const) else call.value(0, "A")),
        (b if isinstance(b, Const) else call.value(1, "B")),
    )
    if isinstance(pair[0], Value) and isinstance(pair[1], Value):
        check_ranks(call, pair[0], pair[1])
    return pair


def check_ranks(call: Call, *values: Value) -> None:
    """Refuse operands whose batches would not meet when axes are aligned from the right."""
    if len({v.rank for v in values}) > 1 and not call.builder.fixed_batch:
        raise call.unsupported(
            "operands of different rank meet with their batch on different axes",
            found=" and ".join(f"(batch, {', '.join(map(str, v.shape))})" for v in values),
            supported="operands of equal rank",
        )


def _with_constant(call: Call, x: Value, constant: Reals, simple: Op, general: type[Op]) -> Value:
    """Emit `simple`; where the constant is the larger tensor, join it by `general`."""
    if broadcast_shape(x.shape, constant.shape) == x.shape:
        return call.emit(simple, x)
    return call.emit(general(), x, _constant(call, constant))


def _constant(call: Call, values: Reals) -> Value:
    return call.emit(Constant(np.asarray(values, np.float64)), call.builder.first)


def add(call: Call) -> Operand:
    """Return a + b."""
    a, b = _pair(call)
    if isinstance(a, Const):
        a, b = b, a
    assert isinstance(a, Value)
    if isinstance(b, Value):
        return call.emit(Add(), a, b)
    offset = call.sample(b.reals(), a.rank)
    return _with_constant(call, a, offset, Affine(np.asarray(1.0), offset), Add)


def subtract(call: Call) -> Operand:
    """Return a - b."""
    a, b = _pair(call)
    if isinstance(a, Value) and isinstance(b, Value):
        return call.emit(Subtract(), a, b)
    if isinstance(a, Value):
        assert isinstance(b, Const)
        offset = -call.sample(b.reals(), a.rank)
        return _with_constant(call, a, offset, Affine(np.asarray(1.0), offset), Add)
    assert isinstance(b, Value)
    offset = call.sample(a.reals(), b.rank)
    negated = call.emit(Affine(np.asarray(-1.0), np.asarray(0.0)), b)
    return _with_constant(call, negated, offset, Affine(np.asarray(1.0), offset), Add)


def multiply(call: Call) -> Operand:
    """Return a * b."""
    a, b = _pair(call)
    if isinstance(a, Const):
        a, b = b, a
    assert isinstance(a, Value)
    if isinstance(b, Value):
        return call.emit(Multiply(), a, b)
    scale = call.sample(b.reals(), a.rank)
    return _with_constant(call, a, scale, Affine(scale, np.asarray(0.0)), Multiply)


def divide(call: Call) -> Operand:
    """Return a / b; for a constant b as a product with the reciprocal in float64."""
    first, second = _pair(call)
    if any(isinstance(v, Value) and v.integer for v in (first, second)):
        raise call.unsupported(
            "a division of integers cuts fractions off", found="Div", supported="real numbers",
            remedy="cast to float before the division",
        )  # fmt: skip
    if isinstance(second, Value):
        if isinstance(first, Const):
            one = call.sample(first.reals(), second.rank)
            numerator = np.broadcast_to(one, broadcast_shape(one.shape, second.shape))
            first = _constant(call, np.asarray(numerator))
        return call.emit(Divide(), first, second)
    assert isinstance(first, Value)
    a, b = first, second
    divisor = call.sample(b.reals(), a.rank)
    if (divisor == 0).any():
        raise call.unsupported("a division by zero", found=f"{int((divisor == 0).sum())} zeros")
    scale = 1.0 / divisor
    return _with_constant(call, a, scale, Affine(scale, np.asarray(0.0)), Multiply)


def negate(call: Call) -> Operand:
    """Return -x."""
    return call.emit(Affine(np.asarray(-1.0), np.asarray(0.0)), call.value(0, "X"))


def _extreme(call: Call, clip: Callable[[float], Op], join: type[Op]) -> Operand:
    """Join any number of operands; one that is a single number becomes a limit."""
    values = [
        call.value(i, "data") for i, o in enumerate(call.operands) if not isinstance(o, Const)
    ]
    if not values:
        raise call.unsupported(f"{call.node.op_type} has no computed operand")
    check_ranks(call, *values)
    result = values[0]
    for other in values[1:]:
        result = call.emit(join(), result, other)
    for operand in call.operands:
        if isinstance(operand, Const):
            numbers = call.sample(operand.reals(), result.rank)
            if numbers.size == 1 and numbers.ndim <= len(result.shape):
                result = call.emit(clip(float(numbers.flat[0])), result)
            else:
                result = call.emit(join(), result, _constant(call, numbers))
    return result


def minimum(call: Call) -> Operand:
    """Return the smallest operand."""
    return _extreme(call, lambda limit: Clip(None, limit), Minimum)


def maximum(call: Call) -> Operand:
    """Return the largest operand."""
    return _extreme(call, lambda limit: Relu() if limit == 0 else Clip(limit, None), Maximum)


def relu(call: Call) -> Operand:
    """Replace negative values by zero."""
    return call.emit(Relu(), call.value(0, "X"))


def leaky_relu(call: Call) -> Operand:
    """Scale negative values by alpha."""
    alpha = call.attributes.number("alpha", float(np.float32(0.01)))
    return call.emit(LeakyRelu(np.asarray(alpha)), call.value(0, "X"))


def prelu(call: Call) -> Operand:
    """Scale negative values by a slope per channel."""
    x, slope = call.value(0, "X"), call.const(1, "slope").reals()
    slope = call.sample(slope, x.rank)
    if broadcast_shape(slope.shape, x.shape) != x.shape:
        raise call.unsupported(
            "a slope does not fit its input", found=f"{slope.shape} on {x.shape}"
        )
    return call.emit(LeakyRelu(slope), x)


def clip(call: Call) -> Operand:
    """Limit values; between QuantizeLinear and DequantizeLinear, limit codes (QCDQ)."""
    low, high = _clip_limits(call)
    if low is not None and high is not None and low > high:
        raise call.unsupported("a Clip has its limits in the wrong order", found=f"{low} to {high}")
    x = call.operand(0, "input")
    if isinstance(x, Codes):
        narrow = (
            int(max(x.low, x.low if low is None else low)),
            int(min(x.high, x.high if high is None else high)),
        )
        if narrow[0] > narrow[1]:
            raise call.unsupported("a Clip leaves no code", found=f"{low} to {high}")
        return Codes(x.value, x.scale, x.zero_point, *narrow)
    if low == 0:
        return call.emit(Relu(high=high), call.value(0, "input"))
    return call.emit(Clip(low, high), call.value(0, "input"))


def _clip_limits(call: Call) -> tuple[float | None, float | None]:
    """Return the limits; one that no float32 passes counts as none."""
    if call.opset < 11:
        low = call.attributes.number("min", -FLOAT_MAX)
        high = call.attributes.number("max", FLOAT_MAX)
    else:
        low = -FLOAT_MAX if call.optional(1) is None else call.scalar(1, "min")
        high = FLOAT_MAX if call.optional(2) is None else call.scalar(2, "max")
    return None if low <= -FLOAT_MAX else low, None if high >= FLOAT_MAX else high
