"""Sums, means, largest and smallest elements along axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.elementwise import scaled
from gatewright.frontends.torch.operand import Operand, Value
from gatewright.ops import Argmax, Sum


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
    call.ignore("dtype")
    return total(call, x, axes_of(call, x), call.has("keepdim") and call.flag("keepdim"))


def mean(call: Call) -> Operand:
    """Return the mean along axes."""
    x = call.value("self")
    call.ignore("dtype")
    axes = axes_of(call, x)
    result = total(call, x, axes, call.has("keepdim") and call.flag("keepdim"), "sum")
    return scaled(call, result, 1.0 / count(call, x, axes), "")


def count(call: Call, x: Value, axes: tuple[int, ...]) -> int:
    """Return how many elements a reduction joins."""
    return prod(x.shape[call.sample_axis(a, x)] for a in axes)


def argmax(call: Call) -> Operand:
    """Return the position of the largest element along an axis; of equal ones any in PyTorch."""
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
    axis = call.sample_axis(dim, x)
    order = (*(a for a in range(len(x.shape)) if a != axis), axis)
    result = call.emit(Argmax(), call.transpose(x, order, "turned"))
    if keep:
        shape = tuple(1 if a == axis else n for a, n in enumerate(x.shape))
        return call.reshape(result, shape)
    return after(result, x, (call.axis(dim, x.rank),), False)


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "argmax": argmax,
    "argmin": argmin,
    "mean": mean,
    "sum": sum_,
}

__all__ = ["HANDLERS", "after", "axes_of", "count", "np", "total"]
