"""Poolings: the largest, or the mean, of windows; tensors are channels last."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.frontends.recipes.windows import Axis, check_elements
from gatewright.ir import Op
from gatewright.num import Ints
from gatewright.ops import (
    DivideConstant,
    Gather,
    Pad,
    ReduceMax,
    Reshape,
    Sum,
    Transpose,
    Windows,
)


def max_pool(call: Emitter[T], x: T, axes: Sequence[Axis]) -> T:
    """Append a pooling by the largest element; padding never wins.

    In place of padding stands an element of the same window, so that no number is invented.

    Args:
        call: the layer.
        x: (*spatial, channels).
        axes: the windows along each spatial axis.

    Raises:
        ModelError: a window is larger than its input, or lies in the padding alone.
    """
    for number, axis in enumerate(axes):
        before, after = axis.before, axis.reach
        if before or after > 0:
            x = call.emit(Gather.of(_inner(axis, before, after), number), x, suffix="border")
    return _reduce(call, _windows(call, x, axes), "max")


def _inner(axis: Axis, before: int, after: int) -> Ints:
    """Return positions, those of the padding replaced by the nearest that windows share."""
    n, d = axis.length, axis.dilation
    if not axis.counted(False).all():
        raise ModelError(
            "a window of a pooling lies in the padding alone",
            found=f"a window of {axis.kernel} in {n} elements, padding {axis.before} before",
            supported="windows that meet an element of the input",
        )
    at = np.arange(-before, n + max(after, 0))
    return np.where(at < 0, at % d, np.where(at < n, at, n - 1 - (n - 1 - at) % d))


def average_pool(
    call: Emitter[T],
    x: T,
    axes: Sequence[Axis],
    *,
    count_padding: bool = False,
    divisor: int | None = None,
) -> T:
    """Append a pooling by the mean.

    Args:
        call: the layer.
        x: (*spatial, channels).
        axes: the windows along each spatial axis.
        count_padding: divide by the padding's elements too, which are zeros.
        divisor: divide by this number instead.

    Raises:
        ModelError: a window is larger than its input, or counts no element.
    """
    before = tuple(axis.before for axis in axes)
    after = tuple(max(axis.reach, 0) for axis in axes)
    if any(before) or any(after):
        check_elements(
            n + b + a for n, b, a in zip(x.shape, (*before, 0), (*after, 0), strict=True)
        )
        x = call.emit(Pad((*before, 0), (*after, 0)), x, suffix="pad")
    counts = _product([axis.counted(count_padding) for axis in axes])
    if divisor is not None:
        counts = np.asarray(divisor, np.int64)
    if (counts < 1).any():
        raise ModelError(
            "a window of an average counts no element", found="a division by 0",
            supported="windows that meet an element of the input",
        )  # fmt: skip
    total = _reduce(call, _windows(call, x, axes), "sum")
    return _divided(call, total, counts)


def _product(counts: Sequence[Ints]) -> Ints:
    """Return the elements of each window (*positions, 1)."""
    return np.asarray(reduce(np.multiply.outer, counts)[..., None], np.int64)


def _divided(call: Emitter[T], total: T, counts: Ints) -> T:
    divide = DivideConstant.of(counts)
    return total if (divide.divisor == 1).all() else call.emit(divide, total)


def _windows(call: Emitter[T], x: T, axes: Sequence[Axis]) -> T:
    """Cut a tensor that is padded already; return (*positions, channels, window)."""
    kernel = tuple(axis.kernel for axis in axes)
    cut = Windows.of(kernel, tuple(a.stride for a in axes), tuple(a.dilation for a in axes))
    channels = x.shape[-1]
    check_elements(cut.shape(x.shape))
    x = call.emit(cut, x, suffix="windows")
    positions, rank = x.shape[:-1], len(axes)
    wanted = tuple(axis.count for axis in axes)
    if positions != wanted:
        raise ModelError("a pooling's windows do not fit", found=positions, supported=f"{wanted}")
    x = call.emit(Reshape((*positions, prod(kernel), channels)), x, suffix="taps")
    return call.emit(Transpose((*range(rank), rank + 1, rank)), x, suffix="by_channel")


def _reduce(call: Emitter[T], x: T, kind: str) -> T:
    """Reduce the last axis and drop it."""
    last = (len(x.shape) - 1,)
    op: Op = ReduceMax(last, True) if kind == "max" else Sum(last, True)
    return call.emit(Reshape(x.shape[:-1]), call.emit(op, x, suffix=kind))


def global_pool(call: Emitter[T], x: T, kind: str, keepdims: bool = False) -> T:
    """Append the largest element (`max`) or the mean (`average`) of each channel.

    Args:
        call: the layer.
        x: (*spatial, channels).
        kind: "max" or "average".
        keepdims: leave spatial axes of length 1.
    """
    *spatial, channels = x.shape
    count = prod(spatial)
    x = call.emit(Reshape((count, channels)), x, suffix="rows")
    x = call.emit(Transpose((1, 0)), x, suffix="by_channel")
    x = _reduce(call, x, "max" if kind == "max" else "sum")
    if kind != "max":
        x = _divided(call, x, np.asarray(count))
    return call.emit(Reshape((*(1,) * len(spatial), channels)), x) if keepdims else x


def adaptive_pool(call: Emitter[T], x: T, sizes: Sequence[int], kind: str) -> T:
    """Append a pooling to a given number of windows along each axis.

    Window i of m covers floor(i * n / m) to ceil((i + 1) * n / m) of n elements, as PyTorch and
    Keras count.

    Args:
        call: the layer.
        x: (*spatial, channels).
        sizes: windows along each spatial axis.
        kind: "max" or "average".
    """
    rank, spatial = len(sizes), x.shape[:-1]
    if rank != len(spatial) or min(sizes) < 1:
        raise ModelError(
            "an adaptive pooling does not fit its input",
            found=f"{tuple(sizes)} windows on an input of shape {x.shape}",
            supported="a number from 1 for each spatial axis",
        )
    check_elements((*sizes, x.shape[-1]))
    for n, m in zip(spatial, sizes, strict=True):
        check_elements((m, n // m + 2))  # of positions
    average = kind != "max"
    if average:
        x = call.emit(Pad((0,) * (rank + 1), (*(1,) * rank, 0)), x, suffix="zero")
    counts = []
    for axis, (n, m) in enumerate(zip(spatial, sizes, strict=True)):
        first = np.arange(m) * n // m
        last = -(-(np.arange(1, m + 1) * n) // m)
        at = first[:, None] + np.arange(int((last - first).max()))
        outside = n if average else last[:, None] - 1
        # Axes that are done stand in front, two each: positions and elements.
        x = call.emit(
            Gather.of(np.where(at < last[:, None], at, outside), 2 * axis), x, suffix="at"
        )
        counts.append(np.asarray(last - first, np.int64))
    order = (*range(0, 2 * rank, 2), 2 * rank, *range(1, 2 * rank, 2))
    x = call.emit(Transpose(order), x, suffix="by_channel")
    x = call.emit(Reshape((*x.shape[: rank + 1], -1)), x, suffix="flat")
    x = _reduce(call, x, "sum" if average else "max")
    return _divided(call, x, _product(counts)) if average else x
