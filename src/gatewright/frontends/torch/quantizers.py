"""Quantizers of PyTorch: fake quantization, and pairs of quantize and dequantize (torchao pt2e).

All compute `clip(round(x * (1 / s)) + zp)` in float32, ties to even: the product with the rounded
reciprocal, not the quotient. Rules read from `torch/ao/quantization/fx/_decomposed.py` and
`aten/src/ATen/native/quantized/cpu/kernels/QuantizedOpKernels.cpp`, and held against PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from gatewright.frontends.recipes.quantizers import short, uniform
from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Codes, Const, Operand, Value
from gatewright.ir import Reals
from gatewright.ops import Affine
from gatewright.ops.scaled_quantize import Quotient

Handler = Callable[[Call], Operand]


def _numbers(call: Call, name: str) -> Reals:
    """Return a scale or zero point, which may be a number or a tensor."""
    return np.asarray(call.finite(call.const(name).reals(), name), np.float64)


def _limits(call: Call) -> tuple[int, int]:
    low, high = call.integer("quant_min"), call.integer("quant_max")
    if low >= high:
        raise call.unsupported("a quantizer's limits leave no codes", found=f"{low} to {high}")
    return low, high


def _parameters(
    call: Call, scale_name: str, zero_name: str, x: tuple[int, ...]
) -> tuple[Reals, ...]:
    """Return scale and zero point: single numbers, or in the rank of the quantized tensor."""
    scale = _numbers(call, scale_name)
    given = call.has(zero_name) and call.operand(zero_name) is not None
    zero_point = _numbers(call, zero_name) if given else np.zeros(())
    if not given:
        call.ignore(zero_name)
    if not (scale > 0).all():
        raise call.unsupported(
            "a quantizer's scale is not positive",
            found=f"smallest {scale.min() if scale.size else 'none'}",
            supported="positive scales",
        )
    if (zero_point != np.rint(zero_point)).any():
        raise call.unsupported(
            "a zero point is no integer",
            found=zero_point.reshape(-1)[:4],
            supported="whole zero points",
            remedy="train with integer zero points, or symmetrically (zero point 0)",
        )
    axis = call.integer("axis") if call.has("axis") else None
    return tuple(_along(call, v, axis, x) for v in (scale, zero_point))


def _along(call: Call, numbers: Reals, axis: int | None, shape: tuple[int, ...]) -> Reals:
    """Return one number, or those of an axis so that they broadcast against a shape."""
    if numbers.size == 1:
        return np.asarray(numbers.reshape(-1)[0])
    at = call.axis(axis, len(shape)) if axis is not None else None
    if at is None or numbers.ndim != 1 or numbers.shape[0] != shape[at]:
        raise call.unsupported(
            "scales or zero points do not fit their axis",
            found=f"{numbers.shape} along axis {axis} of {shape}",
        )
    return numbers.reshape(-1, *(1,) * (len(shape) - at - 1))


def _single(scale: Reals) -> Reals:
    """Return a scale as the float32 that PyTorch brings codes back with."""
    return np.asarray(scale, np.float32).astype(np.float64)


def _inverted(scale: Reals) -> bool:
    """Say whether the reciprocal of a scale is that of its float32; a Python float's need not be.

    `quantized_decomposed` takes it in float64 and rounds it then.
    """
    single = np.asarray(scale, np.float32)
    return bool((np.float32(1) / single == np.asarray(1.0 / scale, np.float32)).all())


def _of_float32(call: Call, name: str) -> None:
    """Refuse a list of float64 scales: PyTorch would multiply in float64."""
    found = call.operand(name)
    if isinstance(found, Const) and found.tensor.dtype is torch.float64 and found.shape:
        raise call.unsupported(
            "a quantizer has a list of float64 scales",
            supported="float32 scales",
            remedy="convert the scales to float32 before exporting",
        )


def _of_sample(call: Call, x: Value, numbers: Reals) -> Reals:
    return short(call.sample(numbers, x, "a scale or zero point"))


def _run(call: Call) -> np.ndarray:
    """Run the operator on constants, by PyTorch itself."""
    given = {k: v.tensor if isinstance(v, Const) else v for k, v in call.given.items()}
    with torch.no_grad():
        result = call.target(**given)
    first = result[0] if isinstance(result, tuple) else result
    return np.asarray(first.detach().to(torch.float64).cpu().numpy(), np.float64)


def _constant(call: Call, codes: Reals, scale: Reals) -> Const:
    spread = np.broadcast_to(np.asarray(scale, np.float64), codes.shape)
    return Const(torch.tensor(codes, dtype=torch.float64), torch.tensor(spread.copy()))


def _plain(call: Call, name: str) -> None:
    found = call.operand(name)
    if isinstance(found, Const) and found.scale is not None:
        raise call.unsupported("a quantizer of quantized constants", remedy="quantize weights once")


def fake_quantize(call: Call) -> Operand:
    """Read `fake_quantize_per_tensor_affine` and `..._per_channel_affine`."""
    if call.has("fake_quant_enabled") and not call.number("fake_quant_enabled"):
        call.ignore("scale", "zero_point", "axis", "quant_min", "quant_max")
        return _as_called(call, call.operand("self"))
    found = call.operand("self")
    low, high = _limits(call)
    shape = (
        found.shape
        if isinstance(found, Const)
        else call.value("self").full_shape(call.builder.batch)
    )
    scale, zero_point = _parameters(call, "scale", "zero_point", shape)
    scale = _single(scale)
    if isinstance(found, Const):
        _plain(call, "self")
        return _as_called(call, _constant(call, np.rint(_run(call) / scale), scale))
    x = call.value("self")
    factors, offset = (_of_sample(call, x, v) for v in (scale, zero_point))
    result = uniform(
        call, x, factors, offset, low, high, shift_after=True, quotient=Quotient.RECIPROCAL
    )
    return _as_called(call, result)


def _as_called(call: Call, result: Operand) -> Operand:
    """Return the result, with the mask beside it that some variants give (for gradients)."""
    return (result, None) if "cachemask" in call.operator else result


def quantize(call: Call) -> Operand:
    """Read `quantize_per_tensor` and `quantize_per_channel`: integers till they are dequantized."""
    call.ignore("dtype")  # the limits say which codes there are
    zero = "zero_points" if call.has("zero_points") else "zero_point"
    name = "scales" if call.has("scales") else "scale"
    found = call.operand("input")
    if isinstance(found, Const):
        _plain(call, "input")
        call.ignore(zero, name, "axis", "quant_min", "quant_max")
        return Const(torch.tensor(_run(call)).to(torch.int64))
    x = call.value("input")
    _of_float32(call, name)
    low, high = _limits(call)
    scale, zero_point = _parameters(call, name, zero, x.full_shape(call.builder.batch))
    factors, offset = (_of_sample(call, x, v) for v in (scale, zero_point))
    return Codes(x, factors, offset, low, high)


def dequantize(call: Call) -> Operand:
    """Read `dequantize_per_tensor` and `dequantize_per_channel`: `(code - zp) * s`."""
    call.ignore("dtype", "out_dtype")
    zero = "zero_points" if call.has("zero_points") else "zero_point"
    name = "scales" if call.has("scales") else "scale"
    found = call.operand("input")
    low, high = _limits(call)
    if isinstance(found, Const):
        if found.scale is not None or found.tensor.is_floating_point():
            raise call.unsupported("a dequantization of a tensor that holds no integers")
        scale, zero_point = _parameters(call, name, zero, found.shape)
        codes = found.tensor.to(torch.float64).cpu().numpy()
        return _constant(call, codes - zero_point, np.asarray(scale, np.float32))
    if not isinstance(found, Codes):
        raise call.unsupported(
            "a dequantization without a quantization in front",
            found=str(found),
            supported="quantize and dequantize next to each other",
            remedy="let the model take real numbers, and quantize them by its first operation",
        )
    x = found.value
    scale, zero_point = _parameters(call, name, zero, x.full_shape(call.builder.batch))
    factors, offset = (_of_sample(call, x, v) for v in (scale, zero_point))
    if (low, high) != (found.low, found.high) or not (
        np.array_equal(factors, found.scale) and np.array_equal(offset, found.zero_point)
    ):
        raise call.unsupported(
            "a quantization and its dequantization differ",
            found=f"scales {found.scale} and {factors}, zero points {found.zero_point} and "
            f"{offset}, codes {found.low} to {found.high} and {low} to {high}",
            supported="equal ones",
        )
    single = _single(factors)
    if _inverted(factors):
        return uniform(
            call, x, single, offset, low, high, shift_after=True, quotient=Quotient.RECIPROCAL
        )
    inverse = np.asarray(1.0 / factors, np.float32).astype(np.float64)
    product = call.emit(Affine(inverse, np.asarray(0.0)), x, suffix="product")
    codes = uniform(call, product, np.asarray(1.0), offset, low, high, shift_after=True, unit=True)
    return call.emit(Affine(single, np.asarray(0.0)), codes)


def dynamic(call: Call) -> Operand:
    """Refuse scales that are chosen from the data of each call."""
    raise call.unsupported(
        "a scale is chosen anew from the data of each call",
        found=call.operator,
        supported="static scales",
        remedy="quantize statically: a quantizer with is_dynamic=False, calibrated before "
        "convert_pt2e",
    )


def observing(call: Call) -> Operand:
    """Refuse a fake quantizer whose observer still changes its scale."""
    raise call.unsupported(
        "a fake quantizer still observes its data, so that every call changes its scale",
        found=call.operator,
        supported="fixed scales",
        remedy="module.apply(torch.ao.quantization.disable_observer) before the export",
    )


def blocked(call: Call) -> Operand:
    """Refuse scales of blocks and of tokens."""
    raise call.unsupported(
        "a quantizer has scales for blocks, groups or tokens",
        found=call.operator,
        supported="one scale for the tensor, or one for each channel",
    )


def _decomposed(name: str, handler: Handler, *overloads: str) -> dict[str, Handler]:
    return {f"quantized_decomposed.{name}.{overload}": handler for overload in overloads}


HANDLERS: dict[str, Handler] = {
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams": fake_quantize,
    "_fused_moving_avg_obs_fq_helper": observing,
    "_fused_moving_avg_obs_fq_helper_functional": observing,
    "fake_quantize_per_channel_affine": fake_quantize,
    "fake_quantize_per_channel_affine_cachemask": fake_quantize,
    "fake_quantize_per_tensor_affine": fake_quantize,
    "fake_quantize_per_tensor_affine_cachemask": fake_quantize,
    "fused_moving_avg_obs_fake_quant": observing,
    **_decomposed("choose_qparams", dynamic, "tensor"),
    **_decomposed("choose_qparams_per_token", dynamic, "default"),
    **_decomposed("choose_qparams_per_token_asymmetric", dynamic, "default"),
    **_decomposed("choose_qparams_symmetric", dynamic, "tensor"),
    **_decomposed("dequantize_per_channel", dequantize, "default"),
    **_decomposed("dequantize_per_channel_group", blocked, "default"),
    **_decomposed("dequantize_per_tensor", dequantize, "default", "tensor", "tensor2"),
    **_decomposed("dequantize_per_token", blocked, "default"),
    **_decomposed("quantize_per_channel", quantize, "default"),
    **_decomposed("quantize_per_channel_group", blocked, "default"),
    **_decomposed("quantize_per_tensor", quantize, "default", "tensor", "tensor2"),
    **_decomposed("quantize_per_token", blocked, "default"),
}
