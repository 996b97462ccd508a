"""Convolutions as windows and matrices; tensors are channels last, (*spatial, channels).

A convolution is `Windows` and one matrix for every position (`Dense`, or `GroupedDense` for
groups), which all positions share as one module. See docs/rationale/convolution.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.frontends.recipes.windows import Pairs, check_elements
from gatewright.ir import Reals
from gatewright.ops import Dense, Gather, GroupedDense, Pad, Reshape, Transpose, Windows


def convolution(
    call: Emitter[T],
    x: T,
    kernel: Reals,
    bias: Reals | None = None,
    *,
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    padding: Pairs | None = None,
    groups: int = 1,
) -> T:
    """Append a convolution (a correlation, as in all frameworks) of any number of spatial axes.

    Args:
        call: the layer.
        x: (*spatial, channels).
        kernel: (*spatial kernel, channels / groups, filters), filters ordered group by group.
        bias: (filters,) or None.
        strides: one number for each spatial axis; None for 1.
        dilation: likewise.
        padding: zeros (before, after) along each spatial axis; None for none.
        groups: of channels, each with filters of its own.

    Returns:
        (*positions, filters).

    Raises:
        ModelError: shapes do not fit.
    """
    kernel = np.asarray(kernel, np.float64)
    sizes, rank = kernel.shape[:-2], kernel.ndim - 2
    steps, gaps = tuple(strides or (1,) * rank), tuple(dilation or (1,) * rank)
    _check(x.shape, kernel, groups)
    x = zeros_around(call, x, padding)
    if sizes != (1,) * rank or steps != (1,) * rank:
        cut = Windows.of(sizes, steps, gaps)
        check_elements(cut.shape(x.shape))
        x = call.emit(cut, x, suffix="windows")
    if groups == 1:
        return call.emit(Dense.of(kernel.reshape(-1, kernel.shape[-1]), bias), x)
    return _by_groups(call, x, kernel.reshape(-1, *kernel.shape[-2:]), bias, groups)


def _check(shape: tuple[int, ...], kernel: Reals, groups: int) -> None:
    channels, filters = kernel.shape[-2:]
    if (
        len(shape) != kernel.ndim - 1
        or groups < 1
        or shape[-1] != channels * groups
        or filters % groups
    ):
        raise ModelError(
            "a convolution's kernel does not fit its input",
            found=f"a kernel of shape {kernel.shape} in {groups} groups, an input of shape {shape} "
            "(channels last)",
            supported="a kernel (*spatial, channels / groups, filters), filters a multiple of the "
            "groups",
        )


def _by_groups(call: Emitter[T], x: T, kernel: Reals, bias: Reals | None, groups: int) -> T:
    """Multiply windows (*positions, taps * channels) by a matrix for each group."""
    taps, own, filters = kernel.shape
    positions = x.shape[:-1]
    weight = kernel.reshape(taps * own, groups, filters // groups).transpose(1, 0, 2)
    if taps > 1:
        rank = len(positions)
        x = call.emit(Reshape((*positions, taps, groups, own)), x, suffix="taps")
        order = (*range(rank), rank + 1, rank, rank + 2)
        x = call.emit(Transpose(order), x, suffix="by_group")
    x = call.emit(Reshape((*positions, groups, taps * own)), x, suffix="groups")
    offset = None if bias is None else np.asarray(bias, np.float64).reshape(groups, -1)
    x = call.emit(GroupedDense.of(weight, offset), x, suffix="products")
    return call.emit(Reshape((*positions, filters)), x)


def depthwise(
    call: Emitter[T],
    x: T,
    kernel: Reals,
    bias: Reals | None = None,
    *,
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    padding: Pairs | None = None,
) -> T:
    """Append a convolution of each channel on its own.

    Args:
        call: the layer.
        x: (*spatial, channels).
        kernel: (*spatial kernel, channels, multiplier).
        bias: (channels * multiplier,), the multiplier fastest, or None.
        strides: see `convolution`.
        dilation: see `convolution`.
        padding: see `convolution`.
    """
    *sizes, channels, multiplier = kernel.shape
    flat = kernel.reshape(*sizes, 1, channels * multiplier)
    return convolution(
        call, x, flat, bias, strides=strides, dilation=dilation, padding=padding, groups=channels
    )


def transposed_convolution(
    call: Emitter[T],
    x: T,
    kernel: Reals,
    bias: Reals | None = None,
    *,
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    crop: Pairs | None = None,
    groups: int = 1,
) -> T:
    """Append a transposed convolution: what each element times the kernel adds to the result.

    Between elements stand `stride - 1` zeros. They are constants, which fold away: each of the
    stride's phases becomes a module with the taps that meet elements, and no other.

    Args:
        call: the layer.
        x: (*spatial, channels).
        kernel: (*spatial kernel, channels / groups, filters), not flipped.
        bias: (filters,) or None.
        strides: one number for each spatial axis; None for 1.
        dilation: likewise.
        crop: elements taken off (before, after) the whole result of length
            (n - 1) * stride + (k - 1) * dilation + 1; a negative number adds positions that only
            the bias reaches (an output padding).
        groups: see `convolution`.
    """
    kernel = np.asarray(kernel, np.float64)
    rank = kernel.ndim - 2
    sizes = kernel.shape[:rank]
    steps, gaps = tuple(strides or (1,) * rank), tuple(dilation or (1,) * rank)
    _check(x.shape, kernel, groups)
    cuts = crop or ((0, 0),) * rank
    spatial = x.shape[:rank]
    x = call.emit(Pad((0,) * (rank + 1), (*(1,) * rank, 0)), x, suffix="zero")
    for axis in range(rank):
        k, s, d, n = sizes[axis], steps[axis], gaps[axis], spatial[axis]
        whole = (n - 1) * s + (k - 1) * d + 1
        if sum(cuts[axis]) >= whole:
            raise ModelError(
                "a transposed convolution's padding leaves nothing of its result",
                found=f"{cuts[axis]} taken off {whole}",
            )
        check_elements((whole + (k - 1) * d,))
        check_elements((whole - sum(cuts[axis]), *x.shape[:axis], *x.shape[axis + 1 :]))
        at = np.arange(cuts[axis][0] - (k - 1) * d, whole - cuts[axis][1])
        inside = (at % s == 0) & (at >= 0) & (at < n * s)
        x = call.emit(Gather.of(np.where(inside, at // s, n), axis), x, suffix="spread")
    flipped = kernel[(slice(None, None, -1),) * rank]
    return convolution(call, x, flipped, bias, dilation=gaps, groups=groups)


def zeros_around(call: Emitter[T], x: T, padding: Pairs | None) -> T:
    """Append zeros (before, after) along each spatial axis, where there are any."""
    if padding is None or not any(map(any, padding)):
        return x
    before, after = zip(*padding, strict=True)
    check_elements(n + sum(p) for n, p in zip(x.shape, (*padding, (0, 0)), strict=True))
    return call.emit(Pad((*before, 0), (*after, 0)), x, suffix="pad")
