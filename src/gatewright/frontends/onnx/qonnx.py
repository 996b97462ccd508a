"""QONNX's `Trunc`, `FloatQuant` and `MultiThreshold`.

Rules read from github.com/fastmachinelearning/qonnx (`trunc.py`, `floatquant.py`,
`multithreshold.py`) and held against its executor.
"""

from __future__ import annotations

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Const, Operand
from gatewright.frontends.recipes.quantizers import (
    MAX_BITS,
    ROUNDINGS,
    code_limits,
    least_singles,
    minifloat,
    minifloat_values,
    staircase,
    truncated,
)
from gatewright.num import Rounding
from gatewright.ops import Affine

MAX_STEPS = 1 << 12
"""Most steps of one staircase: each is a comparator for every element."""


def rounding(call: Call, default: str) -> Rounding:
    """Return the rounding mode that a node names."""
    mode = call.attributes.text("rounding_mode", default).upper()
    if mode not in ROUNDINGS:
        raise call.unsupported(
            f"a {call.node.op_type} has an unknown rounding mode",
            found=mode,
            supported=", ".join(ROUNDINGS),
        )
    return ROUNDINGS[mode]


def whole(call: Call, i: int, what: str, low: int, high: int) -> int:
    """Return a constant operand that is one whole number within limits."""
    number = call.scalar(i, what)
    if number != int(number) or not low <= number <= high:
        raise call.unsupported(
            f"a {call.node.op_type} has an unusable {what}",
            found=number,
            supported=f"a whole number from {low} to {high}",
        )
    return int(number)


def positive(call: Call, i: int, what: str) -> float:
    """Return a constant operand that is one positive number."""
    number = call.scalar(i, what)
    if not number > 0:
        raise call.unsupported(f"a {what} is not positive", found=number)
    return number


def trunc(call: Call) -> Operand:
    """Read `Trunc`: version 1 with five operands, version 2 with six."""
    mode = rounding(call, "FLOOR")
    scale = positive(call, 1, "scale")
    zero_point = whole(call, 2, "zero point", -(1 << 31), 1 << 31)
    x = call.value(0, "X")
    bits = whole(call, 3, "input bit width", 1, MAX_BITS)
    if len(call.operands) < 6:
        shift = bits - whole(call, 4, "output bit width", 1, MAX_BITS)
        _droppable(call, shift, zero_point)
        return truncated(call, x, scale, zero_point, shift, mode)
    signed, narrow = call.attributes.flag("signed", True), call.attributes.flag("narrow", False)
    out_scale = positive(call, 4, "output scale")
    limits = code_limits(whole(call, 5, "output bit width", 1, MAX_BITS), signed, narrow)
    # A power of two is forced, as its executor does, in the precision of the file.
    shift = int(np.round(np.log2(np.float32(out_scale) / np.float32(scale))))
    _droppable(call, shift, zero_point)
    return truncated(call, x, scale, zero_point, shift, mode, limits, out_scale)


def _droppable(call: Call, shift: int, zero_point: int) -> None:
    if shift < 0 or zero_point % 2**shift:
        raise call.unsupported(
            "a truncation is not handled",
            found=f"{-shift} bits added" if shift < 0 else f"zero point {zero_point}",
            supported="bits dropped, and a zero point that they divide",
        )


def float_quant(call: Call) -> Operand:
    """Read `FloatQuant`: rounding to a small floating-point format, which saturates."""
    mode = rounding(call, "ROUND")
    call.attributes.ignore("has_inf", "has_nan", "has_subnormal", "signed")  # no effect, see above
    call.attributes.must_be("saturation", 1, "overflow to infinity or NaN")
    scale = positive(call, 1, "scale")
    exponent = whole(call, 2, "exponent bit width", 1, 8)
    mantissa = whole(call, 3, "mantissa bit width", 0, 10)
    bias = whole(call, 4, "exponent bias", -64, 127)
    largest = (2 - 2.0**-mantissa) * 2.0 ** (2**exponent - 1 - bias)
    if len(call.operands) > 5:
        largest = min(largest, positive(call, 5, "largest value"))
    x = call.operand(0, "X")
    if isinstance(x, Const):
        if x.scale is not None:
            raise call.unsupported("a FloatQuant of quantized constants")
        quotient = np.asarray(x.array, np.float32) / np.float32(scale)
        values = minifloat(quotient, mantissa, bias, largest, mode)
        return Const(values, np.full(values.shape, scale))
    values = minifloat_values(exponent, mantissa, bias, largest)
    if len(values) > MAX_STEPS:
        raise call.unsupported(
            "a FloatQuant has too many values for a circuit of comparators",
            found=f"{len(values)} values",
            supported=f"{MAX_STEPS}",
            remedy="use fewer exponent or mantissa bits, or an integer quantizer",
        )
    with np.errstate(over="ignore"):
        thresholds = least_singles(
            lambda v: minifloat(
                np.asarray(v, np.float32) / np.float32(scale), mantissa, bias, largest, mode
            ),
            values[1:],
        )
    heights = np.diff(values)
    return staircase(call, call.value(0, "X"), thresholds, heights, float(values[0]), scale)


LAYOUTS = {0: "NC", 1: "NC", 2: "NC", 3: "NWC", 4: "NCHW"}
"""What the executor takes a layout for by its rank, where none is given."""


def multi_threshold(call: Call) -> Operand:
    """Read `MultiThreshold`: `out_scale * (number of thresholds reached) + out_bias`."""
    call.attributes.ignore("out_dtype")  # says what the numbers are anyway
    scale = call.attributes.number("out_scale", 1.0)
    bias = call.attributes.number("out_bias", 0.0)
    layout = call.attributes.text("data_layout", "")
    x, thresholds = call.value(0, "X"), call.const(1, "thresholds").reals()
    layout = layout or LAYOUTS.get(x.rank, "NC")
    axis = layout.index("C") if "C" in layout else 1
    if axis == 0 or axis >= x.rank or thresholds.ndim != 2:
        raise call.unsupported(
            "a MultiThreshold's layout or thresholds do not fit",
            found=f"layout {layout}, thresholds {thresholds.shape}, input of rank {x.rank}",
            supported="a channel axis behind the batch, thresholds (channels, levels)",
        )
    channels, levels = thresholds.shape
    if channels not in (1, x.shape[axis - 1]) or not 0 < levels <= MAX_STEPS:
        raise call.unsupported(
            "thresholds do not fit their channels",
            found=f"{thresholds.shape} for {x.shape[axis - 1]} channels",
            supported=f"1 row or one for each channel, up to {MAX_STEPS} levels",
        )
    wide = thresholds.reshape(channels, *(1,) * (len(x.shape) - axis), levels)
    count = staircase(call, x, wide, np.full(levels, 1.0), 0.0)
    if (scale, bias) == (1.0, 0.0):
        return count
    return call.emit(Affine(np.asarray(scale), np.asarray(bias)), count)
