"""What QKeras's quantizers make of weights: exact codes, and a scale where that is no power of two.

Facts from QKeras 0.9.0 and qkeras-v3 1.2.1 (semantics only; no code of theirs). Decisions are taken
in float32, as QKeras takes them. Scales that follow from the weights ("auto") are frozen here. The
straight-through form `x + (q - x)`, in which QKeras adds float32 rounding to large x, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.base import ModelError
from gatewright.frontends.keras.handler import Site
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.qkeras_spec import Spec, read_spec
from gatewright.ir import Reals

EPSILON = np.float32(1e-7)
"""Keras's global epsilon, which QKeras adds in front of logarithms and divisions."""
MARGIN = 1e-5
"""Distance from a tie, of the logarithm of a sum, within which float32 backends may disagree."""
DEFAULT_THRESHOLD = np.float32(0.33)

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Quantized:
    """Weights as `codes * scale`.

    Attributes:
        codes: dyadic numbers, exact.
        scale: float32 numbers that broadcast against `codes`; None where the codes are the weights.
    """

    codes: Reals
    scale: Floats | None = None

    @property
    def values(self) -> Reals:
        """Return the weights as QKeras computes them: a float32 product."""
        if self.scale is None:
            return self.codes
        return (self.codes.astype(np.float32) * self.scale).astype(np.float64)

    @classmethod
    def scaled(cls, codes: Array, scale: Array | np.float32) -> Quantized:
        """Fold scales into the codes where all are powers of two."""
        scale = np.asarray(scale, np.float32)
        mantissa = np.abs(np.frexp(scale)[0])
        whole = np.asarray(codes, np.float64)
        if (mantissa == 0.5).all():
            return cls(whole * scale.astype(np.float64))
        return cls(whole, scale)


def quantize_weight(
    site: Site, entry: Any, attribute: str, x: Array, trained_scale: bool
) -> Quantized:
    """Return a weight under the quantizer that `entry` describes.

    Args:
        site: the layer.
        entry: configuration of the quantizer; None for none.
        attribute: that holds it.
        x: the weight, float32.
        trained_scale: whether the layer turns `alpha=None` into "auto_po2", as QKeras does silently
            with kernels (and gammas and variances) but not with biases.

    Raises:
        GatewrightError: the quantizer is not handled, or makes no finite weights.
    """
    spec = read_spec(site, entry, attribute)
    if spec is None:
        return Quantized(x.astype(np.float64))
    if isinstance(spec, str) or spec.kind not in RULES:
        raise site.unsupported(
            "a quantizer of weights is not handled",
            attribute,
            spec if isinstance(spec, str) else spec.kind,
            ", ".join(RULES),
            "train with a supported quantizer",
        )
    values = dict(spec.values)
    if trained_scale and values.get("alpha", 1) is None:
        values["alpha"] = "auto_po2"
    if spec.kind == "quantized_bits" and isinstance(values["alpha"], str):
        values["symmetric"] = 1
    result = RULES[spec.kind](
        Weight(site, attribute, Spec(spec.kind, values), x.astype(np.float32))
    )
    if not np.isfinite(result.values).all():
        raise ModelError(
            "a quantizer makes weights that are not finite",
            place=site.at(attribute),
            found=f"{spec.kind} with alpha {values.get('alpha')!r}, weights to {np.abs(x).max()}",
            supported="weights other than 0 in each channel under alpha='auto'",
            remedy="train again, or set alpha to a number",
        )
    return result


@dataclass(frozen=True, eq=False)
class Weight:
    """A weight and its quantizer, for the rules below."""

    site: Site
    attribute: str
    spec: Spec
    x: Floats

    @property
    def channels(self) -> tuple[int, ...] | None:
        """Axes that share a scale: all but the last; None where each element has its own."""
        return tuple(range(self.x.ndim - 1)) if self.x.ndim > 1 else None

    def fit(self, q: Floats, power: bool) -> Floats:
        """Return the scale that fits `scale * q` to the weights by least squares, per channel."""
        q = q.astype(np.float32)
        over, under = self.x * q, q * q
        if self.channels is not None:
            over, under = (v.mean(self.channels, np.float64, keepdims=True) for v in (over, under))
        scale = (over / (under + np.float64(EPSILON))).astype(np.float32)
        return self.nearest_power(scale) if power else scale

    def nearest_power(self, scale: Floats) -> Floats:
        """Return powers of two by rounded logarithms.

        Raises:
            UnsupportedError: a logarithm is so close to a tie that float32 backends may disagree.
        """
        exponent = self.rounded_log(scale.astype(np.float64) + float(EPSILON), MARGIN)
        return np.ldexp(np.float32(1), exponent.astype(np.int32)).astype(np.float32)

    def rounded_log(self, x: Reals, margin: Reals | float, floor: bool = False) -> Reals:
        """Return log2 rounded to the nearest integer, or down."""
        with np.errstate(divide="ignore", invalid="ignore"):
            exact = np.log2(x)
        edge = exact if floor else exact - 0.5
        near = np.abs(edge - np.rint(edge)) < margin
        if not np.isfinite(exact).all() or bool(np.any(near)):
            raise self.site.unsupported(
                "a quantizer's power of two is so close to a tie that it depends on the backend",
                self.attribute,
                "a logarithm of a weight or scale next to a tie",
                "weights and scales clear of ties",
                "set alpha to a number, or train one more step",
            )
        return np.floor(exact) if floor else np.rint(exact)


def _bits(w: Weight) -> Quantized:
    """Round half to even and clip; b counts the sign where negative numbers are kept."""
    keep, alpha = int(bool(w.spec["keep_negative"])), w.spec["alpha"]
    if isinstance(alpha, str):
        return _auto_bits(w, alpha == "auto_po2")
    unsigned, integer = w.spec["bits"] - keep, w.spec["integer"]
    factor = np.float32(1.0 if alpha is None else alpha)
    if unsigned == 0:
        return Quantized.scaled(np.where(w.x >= 0, 1.0, -1.0), factor)
    step = math.ldexp(1.0, integer - unsigned)
    top = 2.0**unsigned
    low = -(top - int(bool(w.spec["symmetric"]))) if keep else 0.0
    codes = np.clip(np.round(w.x / np.float32(step)).astype(np.float64), low, top - 1)
    return Quantized.scaled(codes * step, factor)


def _auto_bits(w: Weight, power: bool) -> Quantized:
    """Scale each channel by its largest weight, or a fitted power of two; round half away."""
    most = np.float32(2 ** (w.spec["bits"] - 1) - 1)
    if most == 0:
        raise w.site.unsupported(
            "one bit with an automatic scale divides by zero in QKeras",
            w.attribute,
            "quantized_bits(1) with alpha 'auto'",
            "2 bits or more",
            "use `binary`",
        )
    own = Weight(w.site, w.attribute, w.spec, np.ldexp(w.x, -w.spec["integer"]).astype(np.float32))
    axes = w.channels if w.channels is not None else (0,)
    scale = (np.abs(own.x).max(axes, keepdims=True) * np.float32(2) / (2 * most)).astype(np.float32)

    def codes() -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.floor(np.abs(own.x) / scale + np.float32(0.5))
        return np.asarray(np.sign(own.x) * np.minimum(size, most), np.float32)

    if power:
        scale = own.nearest_power(scale)
        for _ in range(5):
            scale = own.fit(codes(), power=True)
    return Quantized.scaled(codes(), np.ldexp(scale, w.spec["integer"]).astype(np.float32))


def _binary(w: Weight) -> Quantized:
    """Take the sign, of 0 a plus."""
    codes = np.where(w.x >= 0, 1.0, 0.0 if w.spec["use_01"] else -1.0).astype(np.float32)
    alpha = w.spec["alpha"]
    if isinstance(alpha, str):
        return Quantized.scaled(codes, w.fit(codes, alpha == "auto_po2"))
    return Quantized.scaled(codes, np.float32(1.0 if alpha is None else alpha))


def _ternary(w: Weight) -> Quantized:
    """Take the sign of weights of at least the threshold, else 0."""
    alpha, threshold = w.spec["alpha"], w.spec["threshold"]
    if not isinstance(alpha, str):
        least = DEFAULT_THRESHOLD if threshold is None else np.float32(threshold)
        codes = np.sign(w.x) * (np.abs(w.x) >= least)
        return Quantized.scaled(codes, np.float32(1.0 if alpha is None else alpha))
    if threshold is not None:
        raise w.site.unsupported(
            "QKeras takes no threshold along with an automatic scale",
            w.attribute, f"threshold {threshold}", "one of the two", "set alpha to a number",
        )  # fmt: skip
    power = alpha == "auto_po2"
    axes = w.channels if w.channels is not None else (0,)
    scale = (np.float32(2) * np.abs(w.x).max(axes, keepdims=True) / np.float32(3)).astype(
        np.float32
    )
    scale = w.nearest_power(scale) if power else scale
    codes = np.zeros_like(w.x)
    for _ in range(int(w.spec["number_of_unrolls"])):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.abs(w.x / scale)
        if not power and bool(np.any(np.abs(ratio - 0.5) < MARGIN)):
            raise w.site.unsupported(
                "a ternary weight is so close to its threshold that it depends on the backend",
                w.attribute, "alpha 'auto'", "weights clear of the threshold",
                "use alpha='auto_po2'",
            )  # fmt: skip
        codes = (np.sign(w.x) * (np.round(ratio) >= 1)).astype(np.float32)
        scale = w.fit(codes, power)
    return Quantized.scaled(codes, scale)


def _po2(w: Weight) -> Quantized:
    """Take the sign (of 0 a plus) and the nearest power of two; there is no code for 0."""
    signs = np.where(w.x >= 0, 1.0, -1.0)
    return Quantized(signs * _power(w, np.abs(w.x), w.spec["bits"] - 1))


def _relu_po2(w: Weight) -> Quantized:
    """Take the nearest power of two, of what is not positive the smallest."""
    if w.spec["negative_slope"]:
        raise w.site.unsupported(
            "a slope of quantized_relu_po2 is not handled for weights",
            w.attribute, w.spec["negative_slope"], "0", "train with slope 0",
        )  # fmt: skip
    return Quantized(_power(w, w.x, w.spec["bits"]))


def _power(w: Weight, x: Floats, bits: int) -> Reals:
    """Return powers of two with exponents of `bits` bits; less than epsilon is the smallest."""
    most, rounding = w.spec["max_value"], w.spec["log2_rounding"]
    if rounding not in ("rnd", "floor"):
        raise w.site.unsupported(
            "a rounding of logarithms is not handled",
            w.attribute, rounding, "rnd or floor", "train with one of these",
        )  # fmt: skip
    span = 2.0 ** (bits - (0 if most is not None and most <= 1 else 1))
    square = bool(w.spec["quadratic_approximation"])
    low, high = -span, 2 * ((span - 1) // 2) if square else span - 1
    filtered = np.maximum(x, EPSILON).astype(np.float64)
    if most is not None:
        filtered = np.minimum(filtered, float(np.float32(most)))
    filtered = np.sqrt(filtered) if square else filtered
    # A float32 logarithm is off by some of its own last bits.
    margin = 3e-7 * (1.0 + np.abs(np.log2(filtered)))
    log = w.rounded_log(filtered, margin, floor=rounding == "floor")
    exponent = np.clip(log, low, high) * (2 if square else 1)
    exponent = np.where(x < EPSILON, low, exponent)
    return np.ldexp(1.0, exponent.astype(np.int32))


RULES: dict[str, Callable[[Weight], Quantized]] = {
    "binary": _binary,
    "quantized_bits": _bits,
    "quantized_po2": _po2,
    "quantized_relu_po2": _relu_po2,
    "ternary": _ternary,
}
