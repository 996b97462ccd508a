"""Normalisation of activations by statistics of each sample: layer, group, instance, RMS, L2.

Each is wiring that brings what is normalised together onto the last axis, the operation
`Normalize`, the wiring back, and an `Affine` for the trained scale and offset.
"""

from __future__ import annotations

import math

import numpy as np

from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.ir import Reals
from gatewright.ops import Absolute, Affine, Clip, Divide, Normalize, Reshape, Sum, Transpose


def normalize_axes(emitter: Emitter[T], x: T, axes: tuple[int, ...], op: Normalize) -> T:
    """Normalise over axes of the sample together.

    Args:
        emitter: the call of the layer.
        x: any shape.
        axes: of the sample, counted from 0, ascending.
        op: what to do with rows.
    """
    shape = tuple(x.shape)
    kept = tuple(a for a in range(len(shape)) if a not in axes)
    order = (*kept, *axes)
    row = math.prod(shape[a] for a in axes)
    turned = order != tuple(range(len(shape)))
    if turned:
        x = emitter.emit(Transpose(order), x, suffix="transpose")
    if len(axes) == 1:
        x = emitter.emit(op, x)
    else:
        apart = tuple(x.shape)
        x = emitter.emit(Reshape((*(shape[a] for a in kept), row)), x, suffix="rows")
        x = emitter.emit(Reshape(apart), emitter.emit(op, x), suffix="shape")
    if turned:
        x = emitter.emit(Transpose(tuple(int(i) for i in np.argsort(order))), x, suffix="back")
    return x


def normalize_groups(
    emitter: Emitter[T], x: T, groups: int, op: Normalize, channels_last: bool = True
) -> T:
    """Normalise groups of neighbouring channels, each over its channels and all positions.

    Args:
        emitter: the call of the layer.
        x: (..., channels), or (channels, ...) where not `channels_last`.
        groups: a divisor of the channels; as many as channels for an instance normalisation.
        op: what to do with rows.
        channels_last: where the channels are.
    """
    shape = tuple(x.shape)
    channels = shape[-1] if channels_last else shape[0]
    each = channels // groups
    split = (*shape[:-1], groups, each) if channels_last else (groups, each, *shape[1:])
    group = len(shape) - 1 if channels_last else 0
    x = emitter.emit(Reshape(split), x, suffix="groups")
    x = normalize_axes(emitter, x, tuple(a for a in range(len(split)) if a != group), op)
    return emitter.emit(Reshape(shape), x, suffix="joined")


def scale_and_offset(emitter: Emitter[T], x: T, scale: Reals | None, offset: Reals | None) -> T:
    """Multiply by a trained scale and add a trained offset, where there are any.

    Args:
        emitter: the call of the layer.
        x: what was normalised.
        scale: broadcasts against the sample; None for 1.
        offset: likewise; None for 0.
    """
    if scale is None and offset is None:
        return x
    one, zero = np.asarray(1.0), np.asarray(0.0)
    op = Affine(one if scale is None else scale, zero if offset is None else offset)
    return emitter.emit(op, x, suffix="scale")


def normalize_by_sizes(emitter: Emitter[T], x: T, axes: tuple[int, ...], least: float) -> T:
    """Return x / max(sum(|x|), least) along axes of the sample: the norm of order 1.

    Args:
        emitter: the call of the layer.
        x: any shape.
        axes: of the sample, ascending.
        least: above 0.
    """
    sizes = emitter.emit(Absolute(), x, suffix="sizes")
    total = emitter.emit(Sum(axes, True), sizes, suffix="sum")
    limited = emitter.emit(Clip(least, None), total, suffix="least")
    return emitter.emit(Divide(), x, limited)
