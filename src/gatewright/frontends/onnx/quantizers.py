"""Quantizers of ONNX files: QONNX `Quant` and `BipolarQuant`, QDQ and QCDQ pairs.

Rules: QONNX `Quant` clips before it rounds and adds the zero point first,
`round(clip(x / s + zp))`; ONNX rounds half to even and adds the zero point afterwards,
`clip(round(x / s) + zp)`. Sources: github.com/fastmachinelearning/qonnx, `quant.py` and
`bipolar_quant.py`; ONNX operators QuantizeLinear and DequantizeLinear.
"""

from __future__ import annotations

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Codes, Const, Operand, Value
from gatewright.frontends.onnx.tensors import INTEGERS, type_name
from gatewright.frontends.recipes.quantizers import (
    MAX_BITS,
    ROUNDINGS,
    bipolar,
    code_limits,
    constant_codes,
    short,
    uniform,
)
from gatewright.ir import Reals
from gatewright.num import Rounding
from gatewright.ops import Affine
from gatewright.ops.quantize import round_real


def quant(call: Call) -> Operand:
    """Read QONNX `Quant` or `IntQuant`: `(round(clip(x / s + zp, low, high)) - zp) * s`."""
    signed = call.attributes.flag("signed", True)
    narrow = call.attributes.flag("narrow", False)
    mode = call.attributes.text("rounding_mode", "ROUND").upper()
    if mode not in ROUNDINGS:
        raise call.unsupported(
            "a Quant has an unknown rounding mode", found=mode, supported=", ".join(ROUNDINGS)
        )
    bits = _bits(call)
    scale, zero_point = call.const(1, "scale"), call.const(2, "zero point")
    if signed and bits == 1:
        return _bipolar(call, scale, zero_point)
    low, high = code_limits(bits, signed, narrow)
    x = call.operand(0, "X")
    if isinstance(x, Const):
        return _quantized_constant(call, x, scale, zero_point, low, high, ROUNDINGS[mode])
    x = call.value(0, "X")
    return uniform(
        call, x, _scale(call, scale, x), _zero_point(call, zero_point, x), low, high,
        ROUNDINGS[mode], shift_after=False,
    )  # fmt: skip


def bipolar_quant(call: Call) -> Operand:
    """Read QONNX `BipolarQuant`: `scale` where x >= 0, else `-scale`."""
    return _bipolar(call, call.const(1, "scale"), None)


def _bits(call: Call) -> int:
    bits = call.scalar(3, "bit width")
    if bits != int(bits) or not 1 <= bits <= MAX_BITS:
        raise call.unsupported(
            "a Quant has an unusable bit width", found=bits, supported=f"1 to {MAX_BITS}, whole"
        )
    return int(bits)


def _bipolar(call: Call, scale: Const, zero_point: Const | None) -> Operand:
    if zero_point is not None and zero_point.reals().any():
        raise call.unsupported("a one-bit Quant has a zero point", supported="0")
    x = call.operand(0, "X")
    if isinstance(x, Const):
        _positive(call, scale.reals())
        codes = np.where(x.reals() >= 0, 1.0, -1.0)
        return Const(codes, _over(call, scale.reals(), codes.shape))
    x = call.value(0, "X")
    return bipolar(call, x, _scale(call, scale, x))


def _positive(call: Call, scale: Reals) -> None:
    if not (scale > 0).all():
        raise call.unsupported(
            "a quantizer's scale is not positive",
            found=f"smallest {scale.min() if scale.size else 'none'}",
            supported="positive scales",
        )


def _over(call: Call, numbers: Reals, shape: tuple[int, ...]) -> Reals:
    """Broadcast a scale or zero point over a constant."""
    try:
        return np.asarray(np.broadcast_to(numbers, shape), np.float64)
    except ValueError:
        raise call.unsupported(
            "a scale or zero point does not fit its tensor", found=f"{numbers.shape} on {shape}"
        ) from None


def _scale(call: Call, scale: Const, x: Value) -> Reals:
    """Return an activation's scale for one sample."""
    numbers = call.sample(scale.reals(), x.rank)
    _positive(call, numbers)
    _over(call, numbers, x.shape)
    return short(numbers)


def _zero_point(call: Call, zero_point: Const, x: Value) -> Reals:
    numbers = call.sample(zero_point.reals(), x.rank)
    _whole(call, numbers)
    _over(call, numbers, x.shape)
    return short(numbers)


def _whole(call: Call, zero_point: Reals) -> None:
    if (zero_point != np.rint(zero_point)).any():
        raise call.unsupported(
            "a zero point is no integer",
            found=zero_point.reshape(-1)[:4],
            supported="whole zero points",
            remedy="train with integer zero points, or symmetrically (zero point 0)",
        )


def _quantized_constant(
    call: Call, x: Const, scale: Const, zero_point: Const, low: int, high: int, mode: Rounding
) -> Const:
    """Return a constant's codes less the zero point, and their scale."""
    if x.scale is not None:
        raise call.unsupported(
            "a Quant behind a Quant of a constant", remedy="quantize weights once"
        )
    factors, offset = scale.reals(), zero_point.reals()
    _positive(call, factors)
    _whole(call, offset)
    _over(call, factors, x.shape)
    codes = constant_codes(x.array, factors, offset, low, high, mode)
    return Const(codes, _over(call, factors, codes.shape))


# ---- QDQ and QCDQ


def quantize_linear(call: Call) -> Operand:
    """Read `QuantizeLinear`: integers `clip(round(x / s) + zp)`, ties to even."""
    axis = _linear_attributes(call)
    zero_point = call.optional_const(2, "zero point")
    output = call.attributes.integer("output_dtype", 0)
    kind = zero_point.kind if zero_point is not None else output or _UINT8
    if kind not in _CODES or (output and output != kind):
        raise call.unsupported(
            "a QuantizeLinear gives a type that is not handled",
            found=type_name(kind),
            supported=", ".join(type_name(code) for code in sorted(_CODES)),
        )
    low, high = INTEGERS[kind]
    scale = call.const(1, "scale").reals()
    _positive(call, scale)
    offset = np.asarray(0.0) if zero_point is None else zero_point.reals()
    x = call.operand(0, "x")
    if isinstance(x, Const):
        if x.scale is not None:
            raise call.unsupported("a QuantizeLinear of a quantized constant")
        factors, offset = (_along(call, v, axis, x.shape) for v in (scale, offset))
        quotient = np.asarray(x.array / factors.astype(x.array.dtype), np.float64)
        codes = np.clip(round_real(quotient, Rounding.RND_CONV) + offset, low, high)
        return Const(codes.astype(np.int64), None, kind)
    x = call.value(0, "x")
    shape = (1, *x.shape)
    factors, offset = (_sample_part(call, _along(call, v, axis, shape)) for v in (scale, offset))
    return Codes(x, factors, offset, low, high)


def dequantize_linear(call: Call) -> Operand:
    """Read `DequantizeLinear`: `(code - zp) * s`, of stored codes or of a QuantizeLinear."""
    axis = _linear_attributes(call)
    scale = call.const(1, "scale").reals()
    _positive(call, scale)
    zero_point = call.optional_const(2, "zero point")
    offset = np.asarray(0.0) if zero_point is None else zero_point.reals()
    x = call.operand(0, "x")
    if isinstance(x, Const):
        if x.scale is not None or x.array.dtype != np.int64:
            raise call.unsupported("a DequantizeLinear of a tensor that holds no integers")
        factors, offset = (_along(call, v, axis, x.shape) for v in (scale, offset))
        return Const(x.array.astype(np.float64) - offset, factors)
    if not isinstance(x, Codes):
        raise call.unsupported(
            "a DequantizeLinear without a QuantizeLinear in front",
            supported="QuantizeLinear, at most a Clip, DequantizeLinear",
            remedy="let the model take real numbers, and quantize them by QuantizeLinear",
        )
    shape = (1, *x.value.shape)
    factors, offset = (_sample_part(call, _along(call, v, axis, shape)) for v in (scale, offset))
    own = x.scale if x.step is None else x.step
    if not np.array_equal(factors, own) or not np.array_equal(offset, x.zero_point):
        raise call.unsupported(
            "a QuantizeLinear and its DequantizeLinear have different scales or zero points",
            found=f"scales {own} and {factors}, zero points {x.zero_point} and {offset}",
            supported="equal ones",
        )
    if x.step is None:
        return uniform(
            call, x.value, factors, offset, x.low, x.high, Rounding.RND_CONV, shift_after=True
        )
    codes = uniform(
        call, x.value, x.scale, offset, x.low, x.high, Rounding.RND_CONV, shift_after=True
    )
    return call.emit(Affine(factors, np.asarray(0.0)), codes)


_UINT8 = next(code for code in INTEGERS if type_name(code) == "UINT8")
_CODES = {code for code, (low, high) in INTEGERS.items() if high - low < 1 << 16}


def _linear_attributes(call: Call) -> int:
    call.attributes.must_be("block_size", 0, "scales of blocks")
    call.attributes.ignore("saturate")  # speaks of 8-bit floats
    call.attributes.must_be("precision", 0, "a precision of the division")
    return call.attributes.integer("axis", 1)


def _along(call: Call, numbers: Reals, axis: int, shape: tuple[int, ...]) -> Reals:
    """Spread a scalar, or a list of numbers along an axis, over a tensor."""
    if numbers.size == 1:
        return np.full(shape, numbers.reshape(-1)[0])
    axis = call.axis(axis, len(shape))
    if numbers.ndim != 1 or numbers.shape[0] != shape[axis]:
        raise call.unsupported(
            "scales or zero points do not fit their axis",
            found=f"{numbers.shape} along axis {axis} of {shape}",
        )
    spread = numbers.reshape(-1, *(1,) * (len(shape) - axis - 1))
    return np.asarray(np.broadcast_to(spread, shape), np.float64)


def _sample_part(call: Call, numbers: Reals) -> Reals:
    """Drop the batch, and axes along which nothing changes."""
    sample = numbers[0]
    for a in range(sample.ndim):
        first = sample.take([0], axis=a)
        if (sample == first).all():
            sample = first
    return np.asarray(sample.reshape(()), np.float64) if sample.size == 1 else sample
