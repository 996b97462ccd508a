"""Quantizers of PyTorch: fake quantization while training, and torchao's graphs (pt2e).

Both are `clamp(round(x * (1 / scale)) + zero_point, low, high)`, ties to even, with the reciprocal
rounded to float32, and `(code - zero_point) * scale` behind (PyTorch 2.13: `aten/src/ATen/native/
quantized/cpu/kernels/QuantizedOpKernels.cpp`, `torch/ao/quantization/fx/_decomposed.py`). Where the
scale is a power of two the reciprocal is exact, and so is everything.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.linear import is_power_of_two
from gatewright.frontends.torch.operand import Codes, Const, Operand, Value
from gatewright.ir import Reals
from gatewright.num import Fixed, Overflow, Rounding, dyadic
from gatewright.ops import Quantize, ScaledQuantize


def fake_quantize(call: Call) -> Operand:
    """Read a quantizer that brings its codes back to real numbers at once."""
    low, high = call.integer("quant_min"), call.integer("quant_max")
    if call.has("fake_quant_enabled"):
        for name in ("fake_quant_enabled",):
            if not call.number(name):
                return call.operand("self")
        call.ignore("observer_on", "observer_enabled")
    x = call.operand("self")
    scale, zero_point = _grid(call, x)
    result = (
        _codes_of(call, x, scale, zero_point, low, high)
        if isinstance(x, Const)
        else emit_quantizer(call, call.value("self"), scale, zero_point, low, high)
    )
    return (result, None) if "cachemask" in call.operator else result


def quantize(call: Call) -> Operand:
    """Read the first half of a quantizer: integer codes."""
    low, high = call.integer("quant_min"), call.integer("quant_max")
    call.ignore("dtype", "out_dtype")
    x = call.operand("input")
    scale, zero_point = _grid(call, x)
    if isinstance(x, Const):
        found = _codes_of(call, x, scale, zero_point, low, high)
        offset = torch.as_tensor(np.broadcast_to(zero_point, found.shape).copy())
        return Const((found.tensor + offset).to(torch.int64))
    return Codes(call.value("input"), scale, zero_point, low, high)


def dequantize(call: Call) -> Operand:
    """Read the second half: codes, computed or stored, become real numbers."""
    low, high = call.integer("quant_min"), call.integer("quant_max")
    call.ignore("dtype", "out_dtype")
    x = call.operand("input")
    scale, zero_point = _grid(call, x)
    if isinstance(x, Const):
        codes = x.tensor.to(torch.float64) - torch.as_tensor(zero_point)
        factors = torch.as_tensor(np.broadcast_to(scale, x.shape).copy(), dtype=torch.float64)
        return Const(codes, factors)
    if not isinstance(x, Codes):
        raise call.unsupported(
            "a dequantize without a quantize in front",
            supported="quantize and dequantize next to each other",
            remedy="let the model take real numbers, and quantize them by a quantizer",
        )
    same = np.array_equal(scale, x.scale) and np.array_equal(zero_point, x.zero_point)
    if not same or (low, high) != (x.low, x.high):
        raise call.unsupported(
            "a quantize and its dequantize have different scales, zero points or limits",
            found=f"scales {x.scale} and {scale}, zero points {x.zero_point} and {zero_point}",
            supported="equal ones",
        )
    return emit_quantizer(call, x.value, scale, zero_point, low, high)


def _grid(call: Call, x: Operand) -> tuple[Reals, Reals]:
    """Return scale and zero point, as float32 has the scale, for one sample or a constant."""
    names = ("scale", "zero_point") if call.has("scale") else ("scales", "zero_points")
    scale = np.asarray(call.reals(names[0]).astype(np.float32), np.float64)
    found = call.operand(names[1])
    zero_point = np.zeros(()) if found is None else call.reals(names[1])
    if (scale <= 0).any():
        raise call.unsupported("a quantizer's scale is not positive", found=scale.min())
    if not call.has("axis"):
        return scale.reshape(()), zero_point.reshape(())
    value = x.value if isinstance(x, Codes) else x
    if isinstance(value, Value):
        at, rank = call.sample_axis(call.integer("axis"), value), len(value.shape)
    else:
        at, rank = call.axis(call.integer("axis"), len(value.shape)), len(value.shape)
    spread = (-1, *(1,) * (rank - at - 1))
    return scale.reshape(spread), np.broadcast_to(zero_point, scale.shape).reshape(spread)


def inverse_of(scale: Reals) -> Reals:
    """Return the reciprocal as PyTorch multiplies with it."""
    return np.asarray(np.float32(1.0) / scale.astype(np.float32), np.float64)


def _codes_of(call: Call, x: Const, scale: Reals, zero_point: Reals, low: int, high: int) -> Const:
    """Quantize a constant, computing in float32 as PyTorch does; codes stand without zero point."""
    if x.scale is not None:
        raise call.unsupported("a quantizer behind a quantizer of a constant")
    numbers = x.tensor.to(torch.float32)
    inverse = torch.as_tensor(inverse_of(scale), dtype=torch.float32)
    offset = torch.as_tensor(zero_point, dtype=torch.float32)
    codes = torch.clamp(torch.round(numbers * inverse) + offset, low, high) - offset
    factors = torch.as_tensor(np.broadcast_to(scale, x.shape).copy(), dtype=torch.float64)
    return Const(codes.to(torch.float64), factors)


def emit_quantizer(
    call: Call, x: Value, scale: Reals, zero_point: Reals, low: int, high: int
) -> Value:
    """Emit the plain fixed-point quantizer where there is one, else `ScaledQuantize`."""
    fmt = Fixed.holding(low, high, 0)
    symmetric = fmt.signed and low == -fmt.high
    plain = (-fmt.high if symmetric else fmt.low, fmt.high) == (low, high)
    if zero_point.any() or not is_power_of_two(scale) or not plain:
        own = ScaledQuantize(
            scale, zero_point, low, high, Rounding.RND_CONV, shift_after=True,
            inverse=inverse_of(scale),
        )  # fmt: skip
        return call.emit(own, x)
    mode = Overflow.SAT_SYM if symmetric else Overflow.SAT
    own_format = Quantize.to(fmt.signed, fmt.width, dyadic(scale)[1], Rounding.RND_CONV, mode)
    return call.emit(own_format, x)


_DECOMPOSED = "quantized_decomposed"

HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams": fake_quantize,
    "fake_quantize_per_channel_affine": fake_quantize,
    "fake_quantize_per_channel_affine_cachemask": fake_quantize,
    "fake_quantize_per_tensor_affine": fake_quantize,
    "fake_quantize_per_tensor_affine_cachemask": fake_quantize,
    f"{_DECOMPOSED}.dequantize_per_channel.default": dequantize,
    f"{_DECOMPOSED}.dequantize_per_tensor.default": dequantize,
    f"{_DECOMPOSED}.quantize_per_channel.default": quantize,
    f"{_DECOMPOSED}.quantize_per_tensor.default": quantize,
}
