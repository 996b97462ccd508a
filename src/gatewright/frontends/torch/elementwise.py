"""Arithmetic of two operands, and of one: with tensors, parameters or numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Const, Operand, Value, contains_value
from gatewright.ir import Op, Reals
from gatewright.ops import (
    Add,
    Affine,
    Clip,
    Divide,
    Function,
    Logical,
    Maximum,
    Minimum,
    Multiply,
    Relu,
    Subtract,
)
from gatewright.ops.elementwise import broadcast_shape


def check_batches(call: Call, *values: Value) -> None:
    """Refuse operands whose batches would not meet when axes are aligned from the right."""
    first = values[0]
    for other in values[1:]:
        same = (first.from_right, first.joined) == (other.from_right, other.joined)
        if same and first.joined and first.batch is not None and other.batch is not None:
            same = (
                first.shape[first.batch : first.batch + 2]
                == other.shape[other.batch : other.batch + 2]
            )
        if not same:
            raise call.unsupported(
                f"operands of {call.operator} have their batch on different axes",
                found=" and ".join(map(str, values)),
                supported="operands whose batches meet",
            )


def joined(call: Call, op: Op, *values: Value, suffix: str = "") -> Value:
    """Emit an operation of several operands that broadcast."""
    check_batches(call, *values)
    result = call.emit(op, *values, suffix=suffix)
    return broadcast_like(result, values[0])


def broadcast_like(result: Value, x: Value) -> Value:
    """Return a result that may have more axes than `x`, with its batch where PyTorch has it."""
    if x.batch is None or x.from_right is None:
        return replace(result, batch=None)
    rank = len(result.shape) + (-1 if x.joined else 1)
    return replace(result, batch=rank - x.from_right, joined=x.joined)


def with_constant(call: Call, x: Value, constant: Reals, simple: Op, general: type[Op]) -> Value:
    """Emit `simple`; where the constant is the larger tensor, join it by `general`."""
    if broadcast_shape(x.shape, constant.shape) == x.shape:
        return call.emit(simple, x)
    return broadcast_like(call.emit(general(), x, call.constant(constant, x)), x)


def numbers(call: Call, name: str, x: Value) -> Reals:
    """Return a constant argument for one sample of `x`."""
    return call.sample(call.reals(name), x, f"the argument {name}")


def hidden(call: Call, x: Value, keep: Reals | Value) -> Value:
    """Return `x` with minus infinity where `keep` is 0, for a softmax to come."""
    if not isinstance(keep, Value):
        if (keep != 0).all():
            return x
        if not np.broadcast_to(keep, np.broadcast_shapes(keep.shape, x.shape)).any(axis=-1).all():
            raise call.unsupported(
                "a mask hides a whole row from a softmax",
                supported="masks that leave at least one element to every row",
            )
        return replace(x, mask=call.constant(np.asarray(keep, np.float64), x, "mask"))
    check_batches(call, x, keep)
    return replace(x, mask=keep)


def scaled(call: Call, x: Value, factor: float, suffix: str = "scaled") -> Value:
    """Return `x * factor`."""
    if factor == 1:
        return x
    return call.emit(Affine(np.asarray(factor), np.asarray(0.0)), x, suffix=suffix)


def _alpha(call: Call) -> float:
    return call.number("alpha") if call.has("alpha") else 1.0


def add(call: Call) -> Operand:
    """Return `self + alpha * other`."""
    alpha = _alpha(call)
    if contains_value(call.operand("self")):
        x = call.value("self")
        if contains_value(call.operand("other")):
            other = call.value("other")
            if x.kind == other.kind == "bool":  # PyTorch's sum of two truth values is one
                return joined(call, Logical("or"), x, other)
            return joined(call, Add(), x, scaled(call, other, alpha))
        refuse_truth(call, x, "other")
        offset = alpha * call.sample(call.const("other").reals(), x, "the argument other")
        if np.isneginf(offset).any():  # an additive mask of attention
            return shifted_mask(call, x, offset)
        offset = call.finite(offset, "other")
        return with_constant(call, x, offset, Affine(np.asarray(1.0), offset), Add)
    refuse_truth(call, call.value("other"), "self")
    x = scaled(call, call.value("other"), alpha)
    offset = numbers(call, "self", x)
    return with_constant(call, x, offset, Affine(np.asarray(1.0), offset), Add)


def refuse_truth(call: Call, x: Value, name: str) -> None:
    """Refuse the sum of truth values and a constant one, which is an `or` in PyTorch."""
    other = call.operand(name)
    whole = isinstance(other, bool) or (
        isinstance(other, Const) and str(other.tensor.dtype) == "torch.bool"
    )
    if x.kind == "bool" and whole:
        raise call.unsupported(
            "a constant truth value is added to computed ones",
            supported="logical_or, or numbers",
            remedy="use torch.logical_or, or turn them into numbers with .float()",
        )


def shifted_mask(call: Call, x: Value, offset: Reals) -> Value:
    """Return `x + offset` where some of the offsets are minus infinity."""
    keep = ~np.isneginf(offset)
    finite = call.finite(np.where(keep, offset, 0.0), "a mask")
    if finite.any():
        x = with_constant(call, x, finite, Affine(np.asarray(1.0), finite), Add)
    return hidden(call, x, keep.astype(np.float64))


def subtract(call: Call) -> Operand:
    """Return `self - alpha * other`."""
    return _difference(call, "self", "other")


def reversed_subtract(call: Call) -> Operand:
    """Return `other - alpha * self`."""
    return _difference(call, "other", "self")


def _difference(call: Call, left: str, right: str) -> Operand:
    alpha = _alpha(call)
    if contains_value(call.operand(left)):
        x = call.value(left)
        if contains_value(call.operand(right)):
            return joined(call, Subtract(), x, scaled(call, call.value(right), alpha))
        offset = -alpha * numbers(call, right, x)
        return with_constant(call, x, offset, Affine(np.asarray(1.0), offset), Add)
    y = call.value(right)
    offset = numbers(call, left, y)
    if broadcast_shape(y.shape, offset.shape) == y.shape:
        return call.emit(Affine(np.asarray(-alpha), offset), y)
    negated = scaled(call, y, -alpha)
    return broadcast_like(call.emit(Add(), negated, call.constant(offset, y)), y)


def multiply(call: Call) -> Operand:
    """Return `self * other`."""
    names = ("self", "other")
    if not contains_value(call.operand("self")):
        names = ("other", "self")
    x = call.value(names[0])
    if contains_value(call.operand(names[1])):
        return joined(call, Multiply(), x, call.value(names[1]))
    scale = numbers(call, names[1], x)
    return with_constant(call, x, scale, Affine(scale, np.asarray(0.0)), Multiply)


def divide(call: Call) -> Operand:
    """Return `self / other`; by a constant, a product with the reciprocal in float64."""
    if contains_value(call.operand("other")):
        y = call.value("other")
        if contains_value(call.operand("self")):
            return joined(call, Divide(), call.value("self"), y)
        top = numbers(call, "self", y)
        if top.size == 1 and top.ndim <= len(y.shape):
            inverse = call.emit(Function("reciprocal"), y, suffix="reciprocal")
            return scaled(call, inverse, float(top.flat[0]), "")
        return broadcast_like(call.emit(Divide(), call.constant(top, y), y), y)
    x = call.value("self")
    divisor = numbers(call, "other", x)
    if (divisor == 0).any():
        raise call.unsupported("a division by zero", found=f"{int((divisor == 0).sum())} zeros")
    scale = 1.0 / divisor
    return with_constant(call, x, scale, Affine(scale, np.asarray(0.0)), Multiply)


def addcdiv(call: Call) -> Operand:
    """Return `self + value * tensor1 / tensor2` of computed tensors."""
    factor = call.number("value")
    quotient = joined(call, Divide(), call.value("tensor1"), call.value("tensor2"), suffix="ratio")
    return joined(call, Add(), call.value("self"), scaled(call, quotient, factor))


def negate(call: Call) -> Operand:
    """Return `-self`."""
    return call.emit(Affine(np.asarray(-1.0), np.asarray(0.0)), call.value("self"))


def _extreme(op: type[Op], limit: Callable[[float], Op]) -> Callable[[Call], Operand]:
    """Return a handler that joins two operands; one that is a single number becomes a limit."""

    def handler(call: Call) -> Operand:
        names = ("self", "other")
        if not contains_value(call.operand("self")):
            names = ("other", "self")
        x = call.value(names[0])
        if contains_value(call.operand(names[1])):
            return joined(call, op(), x, call.value(names[1]))
        return _limited(call, x, numbers(call, names[1], x), op, limit)

    return handler


def _limited(
    call: Call, x: Value, bound: Reals, op: type[Op], limit: Callable[[float], Op], suffix: str = ""
) -> Value:
    if bound.size == 1 and bound.ndim <= len(x.shape):
        return call.emit(limit(float(bound.flat[0])), x, suffix=suffix)
    return broadcast_like(call.emit(op(), x, call.constant(bound, x), suffix=suffix), x)


def at_least(limit: float) -> Op:
    """Return the operation that raises smaller numbers to a limit."""
    return Relu() if limit == 0 else Clip(limit, None)


def at_most(limit: float) -> Op:
    """Return the operation that lowers larger numbers to a limit."""
    return Clip(None, limit)


maximum = _extreme(Maximum, at_least)
minimum = _extreme(Minimum, at_most)


def clamp(call: Call) -> Operand:
    """Return `min(max(self, min), max)`: where the limits cross, the upper one holds."""
    x = call.value("self")
    low, high = (call.operand(n) if call.has(n) else None for n in ("min", "max"))
    if isinstance(low, Value | Const) or isinstance(high, Value | Const):
        return _clamp_by_tensors(call, x, low, high)
    lower = None if low is None else call.number("min")
    upper = None if high is None else call.number("max")
    return clipped(call, x, lower, upper)


def clipped(call: Call, x: Value, low: float | None, high: float | None) -> Value:
    """Limit every element; where the limits cross, the upper one holds."""
    if low is not None and high is not None and low > high:
        low = high
    if low == 0:
        return call.emit(Relu(high=high), x)
    return call.emit(Clip(low, high), x)


def _clamp_by_tensors(call: Call, x: Value, low: Operand, high: Operand) -> Value:
    for name, bound, op, limit in (
        ("min", low, Maximum, at_least),
        ("max", high, Minimum, at_most),
    ):
        if isinstance(bound, Value):
            x = joined(call, op(), x, bound, suffix=name)
        elif bound is not None:
            x = _limited(call, x, numbers(call, name, x), op, limit, suffix=name)
    return x


def square(call: Call) -> Operand:
    """Return `self ** 2`."""
    x = call.value("self")
    return call.emit(Multiply(), x, x)


def addcmul(call: Call) -> Operand:
    """Return `self + value * tensor1 * tensor2` of computed tensors."""
    factor = call.number("value")
    product = joined(
        call, Multiply(), call.value("tensor1"), call.value("tensor2"), suffix="product"
    )
    return joined(call, Add(), call.value("self"), scaled(call, product, factor))


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "add": add,
    "addcdiv": addcdiv,
    "addcmul": addcmul,
    "clamp": clamp,
    "clamp_max": clamp,
    "clamp_min": clamp,
    "div.Scalar": divide,
    "div.Tensor": divide,
    "maximum": maximum,
    "max.other": maximum,
    "min.other": minimum,
    "minimum": minimum,
    "mul": multiply,
    "neg": negate,
    "rsub": reversed_subtract,
    "square": square,
    "sub": subtract,
}
