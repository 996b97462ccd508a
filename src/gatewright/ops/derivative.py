"""Pull gradients back through operations by difference quotients, where that is all it takes."""

from __future__ import annotations

import numpy as np

from gatewright.ir import Op, Pull, Reals

STEP = 1e-5
"""Relative to an operand's size, and to 1: functions by table have features of that size."""


def elementwise(op: Op, xs: list[Reals]) -> Pull:
    """Return the pullback of an operation on single elements that broadcasts its operands."""
    slopes = [slope(op, xs, k, STEP * (1 + np.abs(x))) for k, x in enumerate(xs)]
    return weighted(slopes, xs)


def slope(op: Op, xs: list[Reals], k: int, step: Reals) -> Reals:
    """Return the difference quotient of an elementwise operation in its operand `k`."""
    up, down = list(xs), list(xs)
    up[k], down[k] = xs[k] + step, xs[k] - step
    difference = op.real(*up) - op.real(*down)
    rank = difference.ndim - step.ndim
    step = step.reshape(len(step), *(1,) * max(rank, 0), *step.shape[1:])
    return np.asarray(difference / (2 * step), np.float64)


def weighted(slopes: list[Reals], xs: list[Reals]) -> Pull:
    """Return the pullback that multiplies by slopes, given in the result's shape or broadcast."""
    shapes = [x.shape for x in xs]
    return lambda dy: [unbroadcast(dy * s, shape) for s, shape in zip(slopes, shapes, strict=True)]


def nothing(xs: list[Reals]) -> Pull:
    """Return the pullback of a result that does not feel small changes."""
    shapes = [x.shape for x in xs]
    return lambda dy: [np.zeros(shape) for shape in shapes]


def unbroadcast(g: Reals, shape: tuple[int, ...]) -> Reals:
    """Sum a gradient over the axes along which an operand was repeated; the batch stays."""
    extra = g.ndim - len(shape)
    if extra > 0:
        g = g.sum(axis=tuple(range(1, 1 + extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return np.asarray(g.sum(axis=axes, keepdims=True) if axes else g, np.float64)


def scattered(g: Reals, where: np.ndarray, shape: tuple[int, ...]) -> Reals:
    """Add up gradients of taken elements at the places they were taken from.

    Args:
        g: (samples, ...).
        where: the number of each in its flattened sample, broadcast against `g`.
        shape: of the operand, with the batch.
    """
    size = int(np.prod(shape[1:]))
    places = np.broadcast_to(where, g.shape).reshape(len(g), -1)
    at = places + size * np.arange(len(g))[:, None]
    flat = np.bincount(at.ravel(), g.ravel(), minlength=size * len(g))
    return np.asarray(flat, np.float64).reshape(shape)
