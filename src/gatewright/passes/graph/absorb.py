"""Turn a quantizer into thresholds on the integers in front of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.num import Ints
from gatewright.ops import Quantize, Requantize, Reshape, ScaledQuantize, Softmax
from gatewright.passes.graph.scaled import Scaled, exact, short, with_arrays
from gatewright.passes.graph.steps import Rule, Staircase, find_steps
from gatewright.passes.graph.weave import Weaver

Quantizer = ScaledQuantize | Quantize


def requantize(weaver: Weaver, value: Scaled, op: Quantizer) -> Scaled:
    """Return the quantizer's codes, computed by an exact `Requantize` from the value's code.

    The codes come less the zero point where it is one for all. A plain node stands for the result
    where the quantizer's scale is a power of two.

    Raises:
        UnsupportedError: a softmax waits in front, the quantizer wraps, or it has too many levels.
    """
    if any(isinstance(pending, Softmax) for pending in value.pending):
        raise UnsupportedError(
            "a softmax of integers times a scale is quantized",
            supported="a softmax at the model's output, or in front of an argmax",
            remedy="drop the softmax, or quantize its input to a scale that is a power of two",
        )
    if _needs_flattening(value, op):
        shape = value.shape
        reshaped = weaver.emit(Reshape((-1,)), value.code)
        row = value.moved(reshaped, value.kind.map(np.ravel), np.ravel)
        code = weaver.emit(Reshape(shape), _thresholds(weaver, row, _flattened(op, shape)))
    else:
        code = _thresholds(weaver, value, op)
    if isinstance(op, ScaledQuantize):
        scale = exact(op.step)
        offset = exact(0.0) if _common_zero_point(op) is not None else -exact(op.zero_point) * scale
    else:
        scale, offset = exact(np.ldexp(1.0, -np.asarray(op.frac).astype(np.int32))), exact(0.0)
    return weaver.simplified(Scaled(code, weaver.types[code], scale, short(offset)))


def _common_zero_point(op: Quantizer) -> int | None:
    """Return the zero point that all elements share, or None; codes are given less that."""
    if isinstance(op, Quantize):
        return 0
    zero_points = np.unique(op.zero_point)
    return int(zero_points[0]) if len(zero_points) == 1 else None


def _numbers(value: Scaled, op: Quantizer) -> list[Any]:
    """Return every array that takes part in the rule."""
    names = (
        ("scale", "zero_point") if isinstance(op, ScaledQuantize) else ("signed", "width", "frac")
    )
    arrays = [value.scale, value.offset, *(getattr(op, name) for name in names)]

    def note(array: Any) -> Any:
        arrays.append(array)
        return array

    for pending in value.pending:
        with_arrays(pending, note)
    return [np.asarray(array) for array in arrays]


def _needs_flattening(value: Scaled, op: Quantizer) -> bool:
    """Say whether numbers change along another axis than the last, the one that has channels."""
    return any(any(n > 1 for n in array.shape[:-1]) for array in _numbers(value, op))


def _flattened(op: Quantizer, shape: tuple[int, ...]) -> Quantizer:
    """Return the quantizer for a sample that has been made one row."""

    def flat(array: Any) -> Any:
        array = np.asarray(array)
        return np.broadcast_to(array, shape).ravel() if array.size > 1 else array.reshape(())

    if isinstance(op, ScaledQuantize):
        return replace(op, scale=flat(op.scale), zero_point=flat(op.zero_point))
    return replace(op, signed=flat(op.signed), width=flat(op.width), frac=flat(op.frac))


def _thresholds(weaver: Weaver, value: Scaled, op: Quantizer) -> str:
    """Emit the `Requantize`, whose channels are the last axis of the sample."""
    channels = max(a.shape[-1] if a.size > 1 else 1 for a in _numbers(value, op))

    def channel(array: Any) -> Any:
        """Bring an array to shape (channels,)."""
        return np.broadcast_to(np.asarray(array).reshape(-1), (channels,)).copy()

    pending = tuple(
        with_arrays(p, lambda a: channel(a) if np.size(a) > 1 else np.asarray(a).reshape(()))
        for p in value.pending
    )
    frac = int(value.kind.frac.max())
    unit = exact(2.0**-frac)
    stairs = Staircase(
        channel(value.scale * unit), channel(value.offset), pending, Rule.of(op, channel)
    )
    steps = find_steps(stairs, *_range(value, frac, channels))
    first = steps.first - (_common_zero_point(op) or 0)
    return weaver.emit(
        Requantize(steps.thresholds, steps.falling, first, steps.step, frac), value.code
    )


def _range(value: Scaled, frac: int, channels: int) -> tuple[Ints, Ints]:
    """Return the smallest and largest integer of each channel, in units of `2**-frac`."""
    lo, hi = value.kind.aligned(frac)
    if channels == 1:
        return lo.min().reshape(1), hi.max().reshape(1)
    lo, hi = lo.reshape(-1, channels), hi.reshape(-1, channels)
    return lo.min(axis=0), hi.max(axis=0)
