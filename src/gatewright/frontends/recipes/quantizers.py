"""Quantizers of frameworks as operations: one meaning for ONNX, QONNX and PyTorch.

Rules: QONNX `Quant` adds the zero point, clips and then rounds, `round(clip(x / s + zp))`; ONNX and
PyTorch round half to even, add the zero point and clip last, `clip(round(x / s) + zp)`. Sources:
github.com/fastmachinelearning/qonnx (`quant.py`, `bipolar_quant.py`, `trunc.py`); ONNX operators
QuantizeLinear and DequantizeLinear; PyTorch's operators `fake_quantize_*` and
`quantized_decomposed.*`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.ir import Op, Reals
from gatewright.num import Fixed, Overflow, Rounding, dyadic
from gatewright.ops import Affine, Clip, Dense, Gather, Quantize, Reshape, ScaledQuantize
from gatewright.ops.quantize import round_real
from gatewright.ops.scaled_quantize import Quotient, quotients

MAX_BITS = 32
UNLIMITED = 1 << 40
"""A code that no quantizer of at most `MAX_BITS` bits gives."""

ROUNDINGS = {
    "ROUND": Rounding.RND_CONV,
    "HALF_EVEN": Rounding.RND_CONV,
    "CEIL": Rounding.CEIL,
    "FLOOR": Rounding.TRN,
    "UP": Rounding.AWAY,
    "DOWN": Rounding.TRN_ZERO,
    "ROUND_TO_ZERO": Rounding.TRN_ZERO,
    "HALF_UP": Rounding.RND_INF,
    "HALF_DOWN": Rounding.RND_ZERO,
}
"""QONNX's names, and Brevitas' one for DOWN; HALF_UP is half away from zero, HALF_DOWN toward."""


def code_limits(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """Return the smallest and largest code of QONNX's `Quant`, of which narrow ones drop one."""
    if signed:
        return -(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1 - narrow


def is_power_of_two(scale: ArrayLike) -> bool:
    """Say whether every scale is a power of two."""
    return bool((np.abs(dyadic(np.asarray(scale, np.float64))[0]) == 1).all())


def short(numbers: Reals) -> Reals:
    """Return one number where all are equal."""
    if numbers.size and (numbers == numbers.flat[0]).all():
        return np.asarray(numbers.flat[0], np.float64)
    return numbers


def quotient_of(scale: Reals, quotient: Quotient) -> Quotient:
    """Return how a source divides by a scale: in float32 only where that holds the scale."""
    single = np.array_equal(np.asarray(scale, np.float32), scale)
    return quotient if single else Quotient.EXACT


def uniform(
    emitter: Emitter[T],
    x: T,
    scale: Reals,
    zero_point: Reals,
    low: int,
    high: int,
    rounding: Rounding = Rounding.RND_CONV,
    *,
    shift_after: bool,
    quotient: Quotient = Quotient.DIVIDED,
    unit: bool = False,
) -> T:
    """Emit a quantizer with equal steps: `(code - zero_point) * scale`, codes from low to high.

    It is the plain fixed-point quantizer where there is one, else `ScaledQuantize`. With zero
    point 0, rounding and clipping to whole limits commute, so both orders are one.

    Args:
        emitter: where operations go.
        x: what is quantized.
        scale: positive, broadcasts against the sample.
        zero_point: whole, likewise.
        low: smallest code.
        high: largest code.
        rounding: of `x / scale`.
        shift_after: the zero point is added behind the rounding (ONNX, PyTorch).
        quotient: how the source computes `x / scale`.
        unit: give `code - zero_point` without the scale.
    """
    general = ScaledQuantize(
        scale, zero_point, low, high, rounding, shift_after,
        quotient=quotient_of(scale, quotient), unit=unit,
    )  # fmt: skip
    if unit or zero_point.any() or not is_power_of_two(scale):
        return emitter.emit(general, x)
    fmt = Fixed.holding(low, high, 0)
    symmetric = fmt.signed and low == -fmt.high
    frac = dyadic(scale)[1]
    limits = (-fmt.high if symmetric else fmt.low, fmt.high)
    if limits != (low, high) and scale.ndim:
        return emitter.emit(general, x)
    mode = Overflow.SAT_SYM if symmetric else Overflow.SAT
    result = emitter.emit(Quantize.to(fmt.signed, fmt.width, frac, rounding, mode), x)
    if limits == (low, high):
        return result
    return emitter.emit(
        Clip(
            None if low == limits[0] else low * float(scale),
            None if high == limits[1] else high * float(scale),
        ),
        result,
    )


def bipolar(emitter: Emitter[T], x: T, scale: Reals) -> T:
    """Emit `scale` where x >= 0, else `-scale`."""
    op = ScaledQuantize(scale, np.asarray(0.0), -1, 1, Rounding.RND_CONV, bipolar=True)
    return emitter.emit(op, x)


def constant_codes(
    numbers: np.ndarray, scale: Reals, zero_point: Reals, low: int, high: int, rounding: Rounding
) -> Reals:
    """Return a constant's QONNX codes less the zero point, computed as the training did.

    The division is done in the precision of tensor and scale (float32 in every executor), because
    that, ties included, is what the training saw.
    """
    kind = quotient_of(scale, Quotient.DIVIDED)
    if numbers.dtype != np.float32:
        kind = Quotient.EXACT
    shifted = quotients(np.asarray(numbers, np.float64), scale, zero_point, kind)
    return np.asarray(round_real(np.clip(shifted, low, high), rounding) - zero_point, np.float64)


def truncated(
    emitter: Emitter[T],
    x: T,
    scale: float,
    zero_point: int,
    shift: int,
    rounding: Rounding,
    limits: tuple[int, int] | None = None,
    out_scale: float | None = None,
) -> T:
    """Emit QONNX's `Trunc`: codes divided by `2**shift`, and rounded under a mode.

    Args:
        emitter: where operations go.
        x: multiples of `scale`.
        scale: of x.
        zero_point: of x; a multiple of `2**shift`.
        shift: how many bits are dropped.
        rounding: what becomes of the dropped bits.
        limits: smallest and largest result, version 2; None: it is not clipped (version 1).
        out_scale: what a step of the result stands for, version 2: the result is
            `(code - zero_point / 2**shift) * out_scale`; None: `(code - zero_point) * scale`.
    """
    wide = np.asarray(scale * 2.0**shift)
    low, high = limits or (-UNLIMITED, UNLIMITED)
    on_grid = emitter.emit(
        ScaledQuantize(
            np.asarray(scale), np.asarray(float(zero_point)), -UNLIMITED, UNLIMITED,
            quotient=quotient_of(np.asarray(scale), Quotient.DIVIDED),
        ),
        x, suffix="codes",
    )  # fmt: skip
    moved = zero_point / 2**shift
    dropped: Op = ScaledQuantize(wide, np.asarray(moved), low, high, rounding)
    result = emitter.emit(dropped, on_grid, suffix="" if out_scale == wide else "shifted")
    if out_scale is None:
        own = np.asarray(-(zero_point - moved) * scale)
        return emitter.emit(Affine(np.asarray(2.0**-shift), own), result)
    if out_scale == wide:
        return result
    return emitter.emit(Affine(np.asarray(out_scale / float(wide)), np.asarray(0.0)), result)


def staircase(
    emitter: Emitter[T], x: T, thresholds: Reals, heights: Reals, base: float, scale: float = 1.0
) -> T:
    """Emit `(base + the sum of heights where x >= threshold) * scale`: a comparison for each step.

    Args:
        emitter: where operations go.
        x: of any shape.
        thresholds: of shape (..., levels), the axes before broadcast against x.
        heights: of shape (levels,).
        base: the answer below all thresholds.
        scale: of the whole.
    """
    levels, size = len(heights), int(np.prod(x.shape))
    each = np.repeat(np.arange(size), levels).reshape(*x.shape, levels)
    flat = emitter.emit(Reshape((size,)), x, suffix="flat")
    spread = emitter.emit(Gather(each), flat, suffix="steps")
    distance = emitter.emit(Affine(np.asarray(1.0), -thresholds), spread, suffix="distance")
    reached = ScaledQuantize(np.asarray(0.5), np.asarray(0.0), -1, 1, bipolar=True)
    halves = emitter.emit(reached, distance, suffix="reached")
    total = Dense.of(heights[:, None], np.asarray([base + heights.sum() / 2]))
    whole = emitter.emit(Reshape(x.shape), emitter.emit(total, halves, suffix="sum"),
                         suffix="" if scale == 1 else "levels")  # fmt: skip
    return whole if scale == 1 else emitter.emit(Affine(np.asarray(scale), np.asarray(0.0)), whole)


def minifloat_values(exponent_bits: int, mantissa_bits: int, bias: int, largest: float) -> Reals:
    """Return every number of QONNX's `FloatQuant`, rising, before its scale."""
    top = 2**exponent_bits - 1 - bias
    fractions = np.arange(2**mantissa_bits) / 2.0**mantissa_bits
    parts = [np.ldexp(fractions, 1 - bias)]
    parts += [np.ldexp(1 + fractions, e) for e in range(1 - bias, top + 1)]
    positive = np.unique(np.concatenate(parts))
    positive = np.unique(np.minimum(positive, largest))
    return np.unique(np.concatenate([-positive, positive]) + 0.0)


def minifloat(x: ArrayLike, mantissa_bits: int, bias: int, largest: float, mode: Rounding) -> Reals:
    """Round float32 numbers as QONNX's `FloatQuant`; the exponent is found exactly."""
    x = np.asarray(x, np.float64)
    x = np.clip(x, -(2.0**200), 2.0**200)  # infinite quotients saturate all the same
    exponent = np.frexp(x)[1] - 1 - mantissa_bits
    unit = np.ldexp(1.0, np.maximum(exponent, 1 - bias - mantissa_bits))
    return np.asarray(np.clip(unit * round_real(x / unit, mode), -largest, largest))


def least_singles(rule: Callable[[Reals], Reals], values: Reals) -> Reals:
    """Return the least float32 from which on a rising rule reaches each value."""
    low = np.full(len(values), -(2.0**31) + (1 << 23), np.float64)  # as ordered integers
    low, high = low, -low
    low, high = low.astype(np.int64), high.astype(np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        reached = rule(_single_of(middle)) >= values
        low, high = np.where(reached, low, middle + 1), np.where(reached, middle, high)
    return _single_of(low)


def _single_of(order: np.ndarray) -> Reals:
    """Return float32 numbers by their place in order; 0 is zero."""
    bits = np.abs(order).astype(np.uint32)
    return np.asarray(np.where(order < 0, -1.0, 1.0) * bits.view(np.float32), np.float64)
