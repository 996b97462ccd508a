"""Operators of QONNX in an exported program: what Brevitas' quantizers say of themselves.

`torch.onnx.ops.symbolic` puts them there as `onnx_symbolic._symbolic`, their attributes packed into
lists. Rules: see `recipes.quantizers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gatewright.frontends.recipes.quantizers import (
    MAX_BITS,
    ROUNDINGS,
    bipolar,
    code_limits,
    constant_codes,
    short,
    truncated,
    uniform,
)
from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Const, Operand, Value
from gatewright.ir import Reals
from gatewright.num import Rounding

LISTS = {"i": "attr_ints", "f": "attr_floats", "s": "attr_strs"}
"""Where attributes of a type are packed."""

PACKED = (
    "attr_floats", "attr_ints", "attr_keys", "attr_pos", "attr_strs", "attr_types", "domain",
    "metadata_props_keys", "metadata_props_values", "onnx_dtype", "shape", "version",
)  # fmt: skip


def symbolic(call: Call) -> Operand:
    """Read an operator of ONNX that stands in a program by its name."""
    op_type, inputs = call.text("op_type"), call.operand("inputs")
    attributes = _attributes(call)
    handler = QUANTIZERS.get(op_type)
    if handler is None:
        raise call.unsupported(
            "a quantizer of Brevitas is not handled",
            found=op_type,
            supported=", ".join(QUANTIZERS),
        )
    return handler(call, inputs, attributes)


def _attributes(call: Call) -> dict[str, Any]:
    """Return the attributes by name."""
    found: dict[str, Any] = {}
    given = call.given
    for key, kind, (start, end) in zip(
        given["attr_keys"], given["attr_types"], given["attr_pos"], strict=True
    ):
        values = given[LISTS[kind[0]]][start:end]
        found[key] = values[0] if len(kind) == 1 else tuple(values)
    call.ignore(*(name for name in PACKED if call.has(name)))
    return found


def _reals(call: Call, operand: Operand, what: str) -> Reals:
    if isinstance(operand, Const):
        return call.finite(operand.reals(), what)
    raise call.unsupported(
        f"a quantizer of Brevitas computes its {what}",
        supported="scales, zero points and bit widths that are fixed at inference",
        remedy="call module.eval(); runtime scaling (dynamic quantizers) has no static meaning",
    )


def _number(call: Call, operand: Operand, what: str) -> float:
    numbers = _reals(call, operand, what)
    if numbers.size == 0 or (numbers != numbers.flat[0]).any():
        raise call.unsupported(f"the {what} of a quantizer is not one number", found=numbers.shape)
    return float(numbers.flat[0])


def _bits(call: Call, operand: Operand) -> int:
    bits = _number(call, operand, "bit width")
    if bits != int(bits) or not 1 <= bits <= MAX_BITS:
        raise call.unsupported(
            "a quantizer has an unusable bit width", found=bits, supported=f"1 to {MAX_BITS}, whole"
        )
    return int(bits)


def _rounding(call: Call, attributes: dict[str, Any]) -> Rounding:
    mode = str(attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in ROUNDINGS:
        raise call.unsupported(
            "a quantizer has a rounding mode that is not handled",
            found=mode,
            supported=", ".join(ROUNDINGS),
            remedy="learned rounding: apply it to the weights, then quantize by ROUND",
        )
    return ROUNDINGS[mode]


def _checked(call: Call, scale: Reals, zero_point: Reals) -> None:
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


def quant(call: Call, inputs: list[Operand], attributes: dict[str, Any]) -> Operand:
    """Read `Quant`: `(round(clip(x / s + zp, low, high)) - zp) * s`."""
    x, scale = inputs[0], _reals(call, inputs[1], "scale")
    zero_point, bits = _reals(call, inputs[2], "zero point"), _bits(call, inputs[3])
    signed, narrow = bool(attributes.get("signed", 1)), bool(attributes.get("narrow", 0))
    mode = _rounding(call, attributes)
    _checked(call, scale, zero_point)
    if signed and bits == 1:
        if zero_point.any():
            raise call.unsupported("a one-bit quantizer has a zero point", supported="0")
        return binary(call, inputs, attributes)
    low, high = code_limits(bits, signed, narrow)
    if isinstance(x, Const):
        codes = constant_codes(_stored(call, x), scale, zero_point, low, high, mode)
        return _constant(codes, scale)
    value = _value(call, x)
    factors, offset = (short(call.sample(v, value)) for v in (scale, zero_point))
    return uniform(call, value, factors, offset, low, high, mode, shift_after=False)


def _value(call: Call, x: Operand) -> Value:
    if isinstance(x, Value):
        return x
    raise call.unsupported("a quantizer of Brevitas quantizes no computed tensor", found=repr(x))


def _stored(call: Call, x: Const) -> np.ndarray:
    if x.scale is not None:
        raise call.unsupported("a quantizer of quantized constants", remedy="quantize weights once")
    call.finite(x.reals(), "weights")
    return np.asarray(x.tensor.detach().cpu().numpy())


def _constant(codes: Reals, scale: Reals) -> Const:
    spread = np.broadcast_to(scale, codes.shape).copy()
    return Const(torch.tensor(codes, dtype=torch.float64), torch.tensor(spread))


def binary(call: Call, inputs: list[Operand], attributes: dict[str, Any]) -> Operand:
    """Read `BipolarQuant`: `scale` where x >= 0, else `-scale`."""
    x, scale = inputs[0], _reals(call, inputs[1], "scale")
    _checked(call, scale, np.zeros(()))
    if isinstance(x, Const):
        return _constant(np.where(_stored(call, x) >= 0, 1.0, -1.0), scale)
    value = _value(call, x)
    return bipolar(call, value, short(call.sample(scale, value)))


def trunc(call: Call, inputs: list[Operand], attributes: dict[str, Any]) -> Operand:
    """Read `Trunc`, version 2: see `recipes.quantizers.truncated`."""
    scale = _number(call, inputs[1], "scale")
    zero_point = _number(call, inputs[2], "zero point")
    out_scale, bits = _number(call, inputs[4], "output scale"), _bits(call, inputs[5])
    _checked(call, np.asarray([scale, out_scale]), np.asarray(zero_point))
    shift = int(np.round(np.log2(np.float32(out_scale) / np.float32(scale))))
    if shift < 0 or zero_point % 2**shift:
        raise call.unsupported(
            "a truncation is not handled",
            found=f"{-shift} bits added" if shift < 0 else f"zero point {zero_point:g}",
            supported="bits dropped, and a zero point that they divide",
        )
    limits = code_limits(bits, bool(attributes.get("signed", 1)), bool(attributes.get("narrow", 0)))
    return truncated(
        call, _value(call, inputs[0]), scale, int(zero_point), shift,
        _rounding(call, attributes), limits, out_scale,
    )  # fmt: skip


QUANTIZERS: dict[str, Callable[[Call, list[Operand], dict[str, Any]], Operand]] = {
    "BipolarQuant": binary,
    "Quant": quant,
    "Trunc": trunc,
}
"""What reads each operator of QONNX."""

HANDLERS: dict[str, Callable[[Call], Operand]] = {"onnx_symbolic._symbolic.default": symbolic}
