"""Reductions, sorting and positions along any axes, and what turns numbers into positions."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.recipes.emitter import Emitter, Tensor
from gatewright.frontends.recipes.windows import check_elements
from gatewright.num import Overflow, Rounding
from gatewright.ops import (
    Absolute,
    Affine,
    Argmax,
    Clip,
    Constant,
    Multiply,
    OneHot,
    Quantize,
    ReduceMax,
    ReduceMin,
    Reshape,
    Sum,
    TopK,
    Transpose,
)

T = TypeVar("T", bound=Tensor)

REDUCTIONS = ("sum", "mean", "max", "min", "sum_square", "mean_square", "l1")
"""What `reduce` knows."""


def reduce(to: Emitter[T], x: T, how: str, axes: tuple[int, ...], keepdims: bool) -> T:
    """Reduce along axes of the sample, in any order.

    A mean is the exact sum times 1 / count, rounded to float64 where that is no power of two.
    """
    assert how in REDUCTIONS, f"no reduction {how!r}"
    axes = tuple(sorted(axes))
    if how in ("max", "min"):
        op = ReduceMax(axes, keepdims) if how == "max" else ReduceMin(axes, keepdims)
        return to.emit(op, x) if axes else x
    if how in ("sum_square", "mean_square"):
        x = to.emit(Multiply(), x, x, suffix="square")
    elif how == "l1":
        x = to.emit(Absolute(), x, suffix="absolute")
    count = int(np.prod([x.shape[a] for a in axes]))
    total = to.emit(Sum(axes, keepdims), x, suffix="sum") if axes else x
    if how not in ("mean", "mean_square") or count == 1:
        return total
    return to.emit(Affine(np.asarray(1.0 / count), np.asarray(0.0)), total)


def _turned(rank: int, axis: int) -> tuple[int, ...]:
    """Return the permutation that swaps an axis with the last; it undoes itself."""
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return tuple(order)


def along(to: Emitter[T], x: T, axis: int) -> T:
    """Swap an axis with the last one."""
    if axis == len(x.shape) - 1:
        return x
    return to.emit(Transpose(_turned(len(x.shape), axis)), x, suffix="turned")


def top_k(
    to: Emitter[T], x: T, axis: int, k: int, largest: bool, wanted: tuple[bool, bool]
) -> tuple[T | None, T | None]:
    """Return the first `k` of a stable sort along an axis, values and positions where wanted."""
    turned = along(to, x, axis)
    both = all(wanted)
    found: list[T | None] = []
    for want, result in zip(wanted, ("values", "positions"), strict=True):
        if not want:
            found.append(None)
            continue
        op = TopK(k, result, largest, both and result == "values")
        found.append(along(to, to.emit(op, turned, suffix=result), axis))
    return found[0], found[1]


def position_of_extreme(
    to: Emitter[T], x: T, axis: int, keepdims: bool, smallest: bool = False, last: bool = False
) -> T:
    """Return the position of the largest or smallest element along an axis."""
    rest = tuple(n for a, n in enumerate(x.shape) if a != axis)
    if axis != len(x.shape) - 1:
        order = (*(a for a in range(len(x.shape)) if a != axis), axis)
        x = to.emit(Transpose(order), x, suffix="turned")
    found = to.emit(Argmax(smallest, last), x)
    kept = (*rest[:axis], 1, *rest[axis:])
    return to.emit(Reshape(kept), found, suffix="kept") if keepdims else found


def positions(to: Emitter[T], x: T, count: int, negative: bool = False) -> T:
    """Make positions from 0 (or, counted from the end, from -count) to count - 1 of numbers.

    Fractions are cut off. What the frameworks answer with an error, a number that is no position,
    no valid input of the model can be; the circuit takes the nearest position.
    """
    if count < 1:
        raise ModelError("a position is asked for where there is none", found=count)
    low = -count if negative else 0
    bits = (count - 1).bit_length() + negative
    op = Quantize.to(negative, max(bits, 1), 0, Rounding.TRN_ZERO, Overflow.SAT)
    found = to.emit(op, x, suffix="position")
    if count - 1 < (1 << (bits - negative)) - 1 or low > -(1 << (bits - 1)) * negative:
        found = to.emit(Clip(float(low), float(count - 1)), found, suffix="limited")
    return found


def one_hot(to: Emitter[T], x: T, depth: int, axis: int, wraps: bool = False) -> T:
    """Return vectors of 0 with a 1 at the position, along a new axis; zeros where there is none."""
    check_elements((*x.shape, depth))
    whole = Quantize.to(True, depth.bit_length() + 2, 0, Rounding.TRN_ZERO, Overflow.SAT)
    found = to.emit(OneHot(depth, wraps), to.emit(whole, x, suffix="whole"))
    rank = len(found.shape)
    if axis == rank - 1:
        return found
    order = (*range(axis), rank - 1, *range(axis, rank - 1))
    return to.emit(Transpose(order), found, suffix="turned")


def constant(to: Emitter[T], like: T, values: object) -> T:
    """Return a tensor that never changes; `like` tells the number of samples."""
    return to.emit(Constant(np.asarray(values, np.float64)), like, suffix="constant")
