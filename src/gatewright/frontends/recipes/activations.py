"""Activation functions as operations: piecewise linear ones exactly, smooth ones by table."""

from __future__ import annotations

import numpy as np

from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.ir import Op
from gatewright.ops import (
    Affine,
    Clip,
    Function,
    LeakyRelu,
    Multiply,
    Piecewise,
    ReduceMax,
    Relu,
    Slice,
    Softmax,
    Subtract,
    Sum,
    Transpose,
)

Ops = tuple[Op, ...]
"""Operations on one value, applied in order."""


def chain(emitter: Emitter[T], x: T, ops: Ops, suffix: str = "") -> T:
    """Append operations one after the other."""
    for op in ops:
        x = emitter.emit(op, x, suffix=suffix or op.kind)
    return x


def hard_sigmoid(slope: float, offset: float = 0.5) -> Ops:
    """Return clip(slope * x + offset, 0, 1)."""
    return Affine(np.asarray(slope), np.asarray(offset)), Clip(0.0, 1.0)


def hard_silu(emitter: Emitter[T], x: T, slope: float = 1.0 / 6.0) -> T:
    """Return x * clip(slope * x + 1/2, 0, 1)."""
    return emitter.emit(Multiply(), x, chain(emitter, x, hard_sigmoid(slope), "gate"))


def rectifier(slope: float, high: float | None, threshold: float) -> Ops:
    """Return Keras's relu(x, negative_slope, max_value, threshold), as Keras executes it.

    The part above is x where x > threshold (else 0), limited to 0 and `high` if there is one; the
    part below is `-slope * max(threshold - x, 0)`. With no threshold they are max(x, 0), limited.
    """
    if threshold == 0.0:
        if slope == 0.0:
            return (Relu(high=high),)
        return (LeakyRelu(np.asarray(slope)), *(() if high is None else (Clip(None, high),)))
    below = (slope, -slope * threshold)
    if high is None:
        return (Piecewise((threshold,), (below[0], 1.0), (below[1], 0.0), (False,)),)
    high = max(high, 0.0)
    # Above the threshold: 0 up to 0, x up to `high`, then `high`.
    points = [threshold, max(threshold, 0.0), max(threshold, high)]
    return (
        Piecewise(
            tuple(points),
            (below[0], 0.0, 1.0 if high > max(threshold, 0.0) else 0.0, 0.0),
            (below[1], 0.0, 0.0, high),
            (False, False, False),
        ),
    )


def along_last(emitter: Emitter[T], x: T, axis: int, op: Op) -> T:
    """Apply an operation on rows along any axis of the sample (counted from 0)."""
    rank = len(x.shape)
    swap = list(range(rank))
    swap[axis], swap[-1] = swap[-1], swap[axis]
    if axis == rank - 1:
        return emitter.emit(op, x)
    turned = emitter.emit(Transpose(tuple(swap)), x, suffix="transpose")
    return emitter.emit(Transpose(tuple(swap)), emitter.emit(op, turned), suffix="back")


def softmax(emitter: Emitter[T], x: T, axis: int) -> T:
    """Return exp(x) / sum(exp(x)) along an axis of the sample."""
    return along_last(emitter, x, axis, Softmax())


def log_softmax(emitter: Emitter[T], x: T, axis: int) -> T:
    """Return x - max - log(sum(exp(x - max))) along an axis of the sample.

    The sum is at least 1, since it holds exp(0): a limit says so, where formats cannot.
    """
    top = emitter.emit(ReduceMax((axis,), True), x, suffix="max")
    below = emitter.emit(Subtract(), x, top, suffix="below")
    powers = emitter.emit(Function("exp"), below, suffix="exp")
    total = emitter.emit(Sum((axis,), True), powers, suffix="sum")
    least = emitter.emit(Clip(1.0, None), total, suffix="least")
    return emitter.emit(Subtract(), below, emitter.emit(Function("log"), least, suffix="log"))


def gated(emitter: Emitter[T], x: T, axis: int) -> T:
    """Return the first half of an axis times the sigmoid of the second (a gated linear unit)."""
    half = x.shape[axis] // 2
    whole = ((None, None, 1),) * axis
    first = emitter.emit(Slice((*whole, (None, half, 1))), x, suffix="first")
    second = emitter.emit(Slice((*whole, (half, None, 1))), x, suffix="second")
    gate = emitter.emit(Function("sigmoid"), second, suffix="gate")
    return emitter.emit(Multiply(), first, gate)
