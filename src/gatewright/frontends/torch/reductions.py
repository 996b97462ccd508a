"""Sums, means, largest and smallest elements along axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.elementwise import scaled
from gatewright.frontends.torch.movement import taken
from gatewright.frontends.torch.operand import Operand, Value
from gatewright.ir import Op
from gatewright.ops import (
    Absolute,
    Add,
    Argmax,
    Clip,
    Concatenate,
    Function,
    Multiply,
    ReduceMax,
    ReduceMin,
    Subtract,
    Sum,
)
from gatewright.ops.reduce import Reduction


def axes_of(call: Call, x: Value, name: str = "dim") -> tuple[int, ...]:
    """Return PyTorch's axes that an operator runs along, ascending; all where none is given."""
    given = call.optional_integers(name) if call.has(name) else None
    axes = range(x.rank) if given is None else (call.axis(a, x.rank) for a in given)
    return tuple(sorted(set(axes)))


def after(result: Value, x: Value, axes: tuple[int, ...], keep: bool) -> Value:
    """Return a reduction's result with its batch where PyTorch has it."""
    if x.batch is None or keep:
        return result
    return replace(result, batch=x.batch - sum(a < x.batch for a in axes))


def total(call: Call, x: Value, axes: tuple[int, ...], keep: bool, suffix: str = "") -> Value:
    """Add up along PyTorch's axes."""
    own = tuple(call.sample_axis(a, x) for a in axes)
    return after(call.emit(Sum(own, keep), x, suffix=suffix), x, axes, keep)


def sum_(call: Call) -> Operand:
    """Add up along axes."""
    x = call.value("self")
    call.real_type(x)
    return total(call, x, axes_of(call, x), call.has("keepdim") and call.flag("keepdim"))


def mean(call: Call) -> Operand:
    """Return the mean along axes."""
    x = call.value("self")
    call.real_type(x)
    axes = axes_of(call, x)
    result = total(call, x, axes, call.has("keepdim") and call.flag("keepdim"), "sum")
    return scaled(call, result, 1.0 / count(call, x, axes), "")


def count(call: Call, x: Value, axes: tuple[int, ...]) -> int:
    """Return how many elements a reduction joins."""
    return prod(x.shape[call.sample_axis(a, x)] for a in axes)


def along_last(call: Call, x: Value, axis: int, op: Op, suffix: str = "") -> Value:
    """Emit an operation that works along the last axis and keeps it, along any of the sample's."""
    last = len(x.shape) - 1
    swap = list(range(len(x.shape)))
    swap[axis], swap[last] = last, axis
    turned = call.emit(op, call.transpose(x, tuple(swap), "turned"), suffix=suffix)
    return call.transpose(turned, tuple(swap), f"{suffix}_back" if suffix else "turned_back")


def extreme(op: type[Reduction]) -> Callable[[Call], Operand]:
    """Return a handler that takes the largest or smallest element along axes."""

    def handler(call: Call) -> Operand:
        x = call.value("self")
        axes = axes_of(call, x)
        keep = call.has("keepdim") and call.flag("keepdim")
        own = tuple(call.sample_axis(a, x) for a in axes)
        return after(call.emit(op(own, keep), x), x, axes, keep)

    return handler


def extreme_and_place(op: type[Reduction], sign: float) -> Callable[[Call], Operand]:
    """Return a handler that takes the largest or smallest element along an axis, and its place."""

    def handler(call: Call) -> Operand:
        x, dim, keep = call.value("self"), call.integer("dim"), call.flag("keepdim")
        axis = call.sample_axis(dim, x)
        full = (call.axis(dim, x.rank),)
        value = after(call.emit(op((axis,), keep), x), x, full, keep)
        if not call.used(1):
            return (value, None)
        signed = scaled(call, x, sign, "negative")
        return (value, _place(call, signed, axis, full, keep, "place"))

    return handler


def argmax(call: Call) -> Operand:
    """Return the position of the largest element along an axis, of equal ones the first."""
    return _position(call, call.value("self"))


def argmin(call: Call) -> Operand:
    """Return the position of the smallest element along an axis."""
    return _position(call, scaled(call, call.value("self"), -1.0, "negative"))


def _position(call: Call, x: Value) -> Value:
    if call.operand("dim") is None:
        raise call.unsupported(
            f"{call.operator} names no axis, so that it runs along the batch too",
            supported="an axis of one sample",
        )
    dim, keep = call.integer("dim"), call.flag("keepdim")
    return _place(call, x, call.sample_axis(dim, x), (call.axis(dim, x.rank),), keep, "")


def _place(
    call: Call, x: Value, axis: int, full: tuple[int, ...], keep: bool, suffix: str
) -> Value:
    order = (*(a for a in range(len(x.shape)) if a != axis), axis)
    result = call.emit(Argmax(), call.transpose(x, order, "turned"), suffix=suffix)
    if keep:
        shape = tuple(1 if a == axis else n for a, n in enumerate(x.shape))
        return call.reshape(result, shape)
    return after(result, x, full, False)


def _centred(call: Call, x: Value, axes: tuple[int, ...]) -> tuple[Value, Value]:
    """Return means, with their axes kept, and what is left of x without them."""
    sums = total(call, x, axes, True, "sum")
    means = scaled(call, sums, 1.0 / count(call, x, axes), "mean")
    return means, call.emit(Subtract(), x, means, suffix="centred")


def variance(root: bool, with_mean: bool = False) -> Callable[[Call], Operand]:
    """Return a handler of the variance along axes, or of its root."""

    def handler(call: Call) -> Operand:
        x = call.value("self")
        axes, keep = axes_of(call, x), call.has("keepdim") and call.flag("keepdim")
        number = count(call, x, axes) - _correction(call)
        if number <= 0:
            raise call.unsupported("a variance of too few elements", found=f"{number:g} degrees")
        means, centred = _centred(call, x, axes)
        squares = call.emit(Multiply(), centred, centred, suffix="squares")
        result = scaled(call, total(call, squares, axes, keep, "squares_sum"), 1.0 / number, "")
        if root:
            result = call.emit(Function("sqrt"), result, suffix="root")
        if not with_mean:
            return result
        if not keep:
            dropped = tuple(call.sample_axis(a, x) for a in axes)
            shape = tuple(n for a, n in enumerate(means.shape) if a not in dropped)
            means = after(call.reshape(means, shape), x, axes, False)
        return (result, means)

    return handler


def _correction(call: Call) -> float:
    if call.has("unbiased"):
        return float(call.flag("unbiased"))
    found = call.optional_number("correction")
    return 1.0 if found is None else found


def norm(call: Call) -> Operand:
    """Return the norm of order 1, 2 or infinity along axes."""
    x, order = call.value("self"), call.operand("ord")
    call.real_type(x)
    axes, keep = axes_of(call, x), call.flag("keepdim")
    if order == 2:
        squares = call.emit(Multiply(), x, x, suffix="squares")
        return call.emit(Function("sqrt"), total(call, squares, axes, keep, "sum"))
    sizes = call.emit(Absolute(), x, suffix="sizes")
    if order == 1:
        return total(call, sizes, axes, keep)
    if order == float("inf"):
        own = tuple(call.sample_axis(a, x) for a in axes)
        return after(call.emit(ReduceMax(own, keep), sizes), x, axes, keep)
    raise call.unsupported("a norm is not handled", found=f"order {order}", supported="1, 2, inf")


def log_sum_exp(call: Call) -> Operand:
    """Return `max + log(sum(exp(x - max)))`."""
    x, keep = call.value("self"), call.flag("keepdim")
    axes = axes_of(call, x)
    own = tuple(call.sample_axis(a, x) for a in axes)
    top = call.emit(ReduceMax(own, True), x, suffix="max")
    below = call.emit(Subtract(), x, top, suffix="below")
    exps = call.emit(Function("exp"), below, suffix="exp")
    sums = call.emit(Clip(1.0, None), total(call, exps, axes, True, "sum"), suffix="least")
    result = call.emit(Add(), top, call.emit(Function("log"), sums, suffix="log"))
    if keep:
        return result
    shape = tuple(n for a, n in enumerate(result.shape) if a not in own)
    return after(call.reshape(result, shape), x, axes, False)


def product(call: Call) -> Operand:
    """Multiply all elements along an axis, two and two."""
    x, dim = call.value("self"), call.integer("dim")
    call.real_type(x)
    axis, keep = call.sample_axis(dim, x), call.flag("keepdim")
    while x.shape[axis] > 1:
        length = x.shape[axis]
        half = length // 2
        left, right = taken(call, x, axis, 0, half), taken(call, x, axis, half, 2 * half)
        joint = call.emit(Multiply(), left, right, suffix="product")
        if length % 2:
            rest = taken(call, x, axis, length - 1, length)
            joint = call.emit(Concatenate(axis), joint, rest, suffix="joined")
        x = joint
    if keep:
        return x
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return after(call.reshape(x, shape), x, (call.axis(dim, x.rank),), False)


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "amax": extreme(ReduceMax),
    "amin": extreme(ReduceMin),
    "argmax": argmax,
    "argmin": argmin,
    "linalg_vector_norm": norm,
    "logsumexp": log_sum_exp,
    "max.dim": extreme_and_place(ReduceMax, 1.0),
    "mean": mean,
    "min.dim": extreme_and_place(ReduceMin, -1.0),
    "prod.dim_int": product,
    "std": variance(True),
    "sum": sum_,
    "var": variance(False),
    "var_mean": variance(False, with_mean=True),
}
