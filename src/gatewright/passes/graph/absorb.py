"""Turn a quantizer into thresholds on the integers in front of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.num import Ints
from gatewright.ops import Quantize, Requantize, Reshape, ScaledQuantize, Softmax
from gatewright.passes.graph.scaled import Scaled, exact, short, with_arrays
from gatewright.passes.graph.steps import Rule, Staircase, find_steps
from gatewright.passes.graph.weave import Weaver


def requantize(weaver: Weaver, value: Scaled, op: ScaledQuantize | Quantize) -> Scaled:
    """Return the quantizer's codes, computed by an exact `Requantize` from the value's code.

    The codes come less the zero point where it is one for all. A plain node stands for the result
    where the quantizer's scale is a power of two.
    """
    if any(isinstance(pending, Softmax) for pending in value.pending):
        raise UnsupportedError(
            "a softmax of integers times a scale is quantized",
            supported="a softmax at the model's output, or in front of an argmax",
            remedy="drop the softmax, or quantize its input to a scale that is a power of two",
        )
    shape = value.shape
    flat = _needs_flattening(value, op)
    if flat:
        value = value.moved(
            weaver.emit(Reshape((-1,)), value.code), value.kind.map(np.ravel), np.ravel
        )
    code, zero_point = _thresholds(weaver, value, op, shape)
    if flat:
        code = weaver.emit(Reshape(shape), code)
    scale = exact(
        op.scale if isinstance(op, ScaledQuantize) else np.ldexp(1.0, -np.asarray(op.frac))
    )
    offset = exact(0.0) if zero_point is None else short(-exact(zero_point) * scale)
    return weaver.simplified(Scaled(code, weaver.types[code], scale, offset))


def _numbers(value: Scaled, op: ScaledQuantize | Quantize) -> list[Any]:
    """Return every array that takes part in the rule."""
    names = (
        ("scale", "zero_point") if isinstance(op, ScaledQuantize) else ("signed", "width", "frac")
    )
    arrays = [value.scale, value.offset, *(getattr(op, name) for name in names)]
    for pending in value.pending:
        with_arrays(pending, lambda array: arrays.append(array) or array)  # type: ignore[func-returns-value]
    return [np.asarray(array) for array in arrays]


def _needs_flattening(value: Scaled, op: ScaledQuantize | Quantize) -> bool:
    """Say whether numbers change along another axis than the last, the one that has channels."""
    return any(any(n > 1 for n in array.shape[:-1]) for array in _numbers(value, op))


def _thresholds(
    weaver: Weaver, value: Scaled, op: ScaledQuantize | Quantize, shape: tuple[int, ...]
) -> tuple[str, Any]:
    """Emit the `Requantize`; return it and the zero point that its codes still hold, or None."""
    flat = value.shape != shape

    def own(array: Any) -> Any:
        """Bring a quantizer's array to the flattened sample."""
        array = np.asarray(array)
        return np.broadcast_to(array, shape).ravel() if flat and array.size > 1 else array

    channels = max([own(a).shape[-1] if np.size(a) > 1 else 1 for a in _numbers(value, op)])

    def channel(array: Any) -> Any:
        """Bring an array to shape (channels,)."""
        array = own(array)
        return np.broadcast_to(array.reshape(-1), (channels,)).copy()

    pending = tuple(
        with_arrays(p, lambda a: channel(a) if np.size(a) > 1 else np.asarray(a).reshape(()))
        for p in value.pending
    )
    stairs = Staircase(channel(value.scale), channel(value.offset), pending, Rule.of(op, channel))
    frac = int(value.kind.frac.max(initial=-(2**40))) if value.kind.size else 0
    lo, hi = _range(value, frac, channels)
    unit = exact(1.0) / 2**frac if frac >= 0 else exact(1.0) * 2**-frac
    stairs = Staircase(np.asarray(stairs.scale * unit), stairs.offset, stairs.pending, stairs.rule)
    steps = find_steps(stairs, lo, hi)
    zero_point = stairs.rule.zero_point
    same = bool((zero_point == zero_point[0]).all())
    first = steps.first - (int(zero_point[0]) if same else 0)
    code = weaver.emit(
        Requantize(steps.thresholds, steps.falling, first, steps.step, frac), value.code
    )
    return code, None if same else getattr(op, "zero_point", None)


def _range(value: Scaled, frac: int, channels: int) -> tuple[Ints, Ints]:
    """Return the smallest and largest integer of each channel, in units of `2**-frac`."""
    lo, hi = value.kind.aligned(frac)
    if channels == 1:
        return lo.min().reshape(1), hi.max().reshape(1)
    lo, hi = lo.reshape(-1, channels), hi.reshape(-1, channels)
    return lo.min(axis=0), hi.max(axis=0)
