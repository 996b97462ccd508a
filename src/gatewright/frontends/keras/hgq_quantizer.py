"""What HGQ2's quantizers do to data, as operations, and to weights, in float32 as HGQ2 does.

Data are rounded to 2**-f and brought into [-k * 2**i, 2**i - 2**-f]; where k + i + f <= 0 the
result is 0. A weight under a trainable WRAP quantizer is rounded and not wrapped.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.frontends.keras.handler import Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.hgq_config import HgqQuantizer
from gatewright.num import Overflow, Rounding
from gatewright.ops import Affine, Quantize


def quantize_data(site: Site, value: Value, quantizer: HgqQuantizer | None, suffix: str) -> Value:
    """Append the quantizer of a data tensor."""
    if quantizer is None:
        return value
    value = site.emit(as_quantize(quantizer), value, suffix=suffix)
    return append_affine(site, value, quantizer, suffix)


def as_quantize(quantizer: HgqQuantizer) -> Quantize:
    """Return a data quantizer without its affine as an operation."""
    signed, width, frac = (
        array.reshape(array.shape[1:])
        for array in (quantizer.signed, quantizer.width, quantizer.frac)
    )
    return Quantize.to(
        signed, width, frac - quantizer.scale, quantizer.rounding, quantizer.overflow
    )


def append_affine(site: Site, value: Value, quantizer: HgqQuantizer, suffix: str) -> Value:
    """Append the affine that follows a quantizer, if it has one."""
    if quantizer.affine is not None:
        scale, offset = (np.asarray(v) for v in quantizer.affine)
        value = site.emit(Affine(scale, offset), value, suffix=f"{suffix}_affine")
    return value


def quantize_weights(
    site: Site, values: Array, quantizer: HgqQuantizer | None, attribute: str
) -> Array:
    """Return weights as HGQ2 computes with them, evaluated in float32 as HGQ2 does.

    Raises:
        UnsupportedError: HGQ2 versions disagree about these weights.
    """
    if quantizer is None:
        return values
    scale = np.float32(2.0**quantizer.scale)
    x = (values / scale).astype(np.float32)
    wrapped, plain = _wrapped(x, quantizer), _rounded(x, quantizer)
    if quantizer.overflow is not Overflow.WRAP or quantizer.wraps_weights:
        result = wrapped
    elif quantizer.wraps_weights is False or np.array_equal(wrapped, plain):
        result = plain
    else:
        raise site.unsupported(
            "weights leave the range of a quantizer, and the file does not say if they wrap",
            attribute,
            f"{int((wrapped != plain).sum())} weights out of range",
            "a configuration with 'is_weight', as HGQ2 0.1.9 and later write it",
            "save the model with a recent HGQ2",
        )
    result = (result * scale).astype(np.float32)
    if quantizer.affine is not None:
        a, b = (np.float32(v) for v in quantizer.affine)
        result = (result * a + b).astype(np.float32)
    return result


def _rounded(x: Array, q: HgqQuantizer) -> Array:
    """Round to the grid in float32; half up is floor(x + 0.5), whose sum rounds in float32 too."""
    one = np.float32(0.5)
    grid = np.ldexp(np.float32(1), q.frac.astype(np.int32)).astype(np.float32)
    y, size, sign = x * grid, np.abs(x * grid), np.sign(x)
    rules: dict[Rounding, Callable[[], Array]] = {
        Rounding.TRN: lambda: np.floor(y),
        Rounding.RND: lambda: np.floor(y + one),
        Rounding.RND_CONV: lambda: np.round(y),
        Rounding.TRN_ZERO: lambda: np.floor(size) * sign,
        Rounding.RND_ZERO: lambda: -np.floor(one - size) * sign,
        Rounding.RND_MIN_INF: lambda: -np.floor(one - y),
        Rounding.RND_INF: lambda: np.floor(size + one) * sign,
    }
    return np.asarray(rules[q.rounding]() / grid, np.float32)


def _wrapped(x: Array, q: HgqQuantizer) -> Array:
    """Round, bring into the range, and clear what has no bits."""
    step = np.ldexp(1.0, -q.frac.astype(np.int32))
    top = np.ldexp(1.0, np.maximum(q.integer, -q.frac).astype(np.int32))
    if q.overflow is Overflow.WRAP:
        low = -top * q.signed
        # In float64 the remainder is exact.
        y = np.mod(_rounded(x, q).astype(np.float64) - low, top * (1 + q.signed)) + low
    else:
        low = -q.signed * (top - step if q.overflow is Overflow.SAT_SYM else top)
        y = _rounded(np.clip(x, low, top - step).astype(np.float32), q).astype(np.float64)
    return np.where(q.width > 0, y, 0.0).astype(np.float32)
