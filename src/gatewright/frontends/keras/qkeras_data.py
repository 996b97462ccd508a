"""What QKeras's quantizers do to data, as operations.

Facts from QKeras 0.9.0 and qkeras-v3 1.2.1 (semantics only; no code of theirs). "hard" functions
are QKeras's own: its hard sigmoid is clip(x / 2 + 1/2, 0, 1). A process may exchange it with
`set_internal_sigmoid`, which no file records; the default is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewright.frontends.keras.activations import activate, chain, single
from gatewright.frontends.keras.handler import Site, Value
from gatewright.frontends.keras.qkeras_spec import PARAMETERS, Spec, read_spec
from gatewright.frontends.keras.qkeras_weights import DEFAULT_THRESHOLD
from gatewright.ir import Op
from gatewright.num import Overflow, Rounding
from gatewright.ops import (
    Affine,
    Clip,
    DivideConstant,
    Function,
    LeakyRelu,
    Multiply,
    Piecewise,
    Quantize,
    Relu,
    Subtract,
)

EPSILON = float(np.float32(1e-7))
"""Keras's epsilon: smaller numbers count as 0 in powers of two."""

OWN: dict[str, tuple[Op, ...]] = {
    "hard_sigmoid": (Affine(np.asarray(0.5), np.asarray(0.5)), Clip(0.0, 1.0)),
    "hard_tanh": (Clip(-1.0, 1.0),),
}
"""Functions that QKeras defines under names that Keras has too."""


def quantized_activation(
    site: Site, value: Value, entry: Any, attribute: str = "activation"
) -> Value:
    """Append what an activation of a QKeras layer names: a quantizer, or a function.

    Raises:
        UnsupportedError: it is not handled for data.
    """
    spec = read_spec(site, entry, attribute)
    if not isinstance(spec, Spec):
        name = "linear" if spec is None else spec
        return (
            chain(site, value, OWN[name]) if name in OWN else activate(site, value, name, attribute)
        )
    if spec.kind not in RULES and spec.kind not in BRANCHED:
        raise site.unsupported(
            f"the quantizer {spec.kind} is not handled for data",
            attribute,
            spec.kind,
            ", ".join(sorted((*RULES, *BRANCHED))),
            "train with a supported quantizer",
        )
    if isinstance(spec.values.get("alpha"), str):
        raise site.unsupported(
            "a quantizer's scale follows from the data of each batch, which no hardware can do",
            attribute,
            f"{spec.kind} with alpha={spec['alpha']!r}",
            "alpha None or a number",
            "train with a fixed alpha",
        )
    if spec.kind in BRANCHED:
        return BRANCHED[spec.kind](site, value, spec)
    return chain(site, value, RULES[spec.kind](site, spec, attribute), "q")


def _rounded(signed: bool, bits: int, frac: int, symmetric: bool = False) -> Quantize:
    """Round half to even and saturate: what all of these do."""
    mode = Overflow.SAT_SYM if symmetric and signed else Overflow.SAT
    return Quantize.to(signed, bits, frac, Rounding.RND_CONV, mode)


def _linear(site: Site, spec: Spec, attribute: str) -> tuple[Op, ...]:
    """Round to a multiple of alpha * 2**(integer - bits + 1); one signed bit is half the sign."""
    keep, bits, alpha = bool(spec["keep_negative"]), spec["bits"], spec["alpha"]
    exponent = _whole_log2(site, 1.0 if alpha is None else float(alpha), attribute, "an alpha")
    if bits == 1 and keep:
        unit = 2.0 ** (spec["integer"] + exponent)
        return (*_sign(), Affine(np.asarray(unit), np.asarray(0.5 * unit)))
    frac = bits - int(keep) - spec["integer"] - exponent
    return (_rounded(keep, bits, frac, bool(spec["symmetric"])),)


def _whole_log2(site: Site, value: float, attribute: str, what: str) -> int:
    """Return the exponent of a power of two."""
    fraction, exponent = np.frexp(value)
    if fraction != 0.5:
        raise site.unsupported(
            f"{what} is no power of two", attribute, value, "powers of two", "train with one"
        )
    return int(exponent) - 1


def _po2(site: Site, spec: Spec, attribute: str) -> tuple[Op, ...]:
    """Return the sign times the nearest power of two by its logarithm; 0 gives the smallest."""
    exponents = _exponents(site, spec, attribute, spec["bits"] - 1)
    points, values = _staircase(exponents, spec["max_value"])
    below = [-p for p in reversed(points)]
    offsets = (*(-v for v in reversed(values)), *values)
    # At a point below zero the piece nearer to zero begins after it, and zero counts as positive.
    closed = (*(False for _ in below), True, *(True for _ in points))
    return (Piecewise((*below, 0.0, *points), (0.0,) * len(offsets), offsets, closed),)


def _relu_po2(site: Site, spec: Spec, attribute: str) -> tuple[Op, ...]:
    """Return the power of two nearest to x, and of slope * |x|, negative, where x is below 0."""
    exponents, slope = _exponents(site, spec, attribute, spec["bits"]), spec["negative_slope"]
    points, values = _staircase(exponents, spec["max_value"])
    if not slope:
        op = Piecewise(tuple(points), (0.0,) * len(values), tuple(values), (True,) * len(points))
        return (op,)
    _whole_log2(site, float(slope), attribute, "a slope")
    below = [-p / slope for p in reversed(points)]
    offsets = (*(-v for v in reversed(values)), *values)
    closed = (*(False for _ in below), True, *(True for _ in points))
    return (Piecewise((*below, 0.0, *points), (0.0,) * len(offsets), offsets, closed),)


def _exponents(site: Site, spec: Spec, attribute: str, bits: int) -> range:
    """Return the exponents that a number of bits holds, one of them the exponent's sign."""
    for name, allowed in (("quadratic_approximation", False), ("log2_rounding", "rnd")):
        if spec[name] != allowed:
            raise site.unsupported(
                "a power of two rounded in another way depends on the float logarithm's last bit",
                attribute, f"{name} = {spec[name]!r}", f"{name} = {allowed!r}",
                "train with the default rounding",
            )  # fmt: skip
    most = spec["max_value"]
    half = 2 ** (bits - (1 if most is None or most > 1 else 0))
    return range(-half, half)


def _staircase(exponents: range, most: float | None) -> tuple[list[float], list[float]]:
    """Return where the power of two changes among positive numbers, and the powers.

    It changes at 2**(e + 1/2), which no dyadic number meets. Numbers below Keras's epsilon count
    as 0, whose power is the smallest; from `most` on all are what `most` gives.
    """
    top = exponents[-1]
    if most is not None and most > 0:
        top = min(top, max(round(float(np.log2(most))), exponents[0]))
    steps = [e for e in range(exponents[0] + 1, top + 1) if 2.0 ** (e - 0.5) >= EPSILON]
    values = [2.0 ** exponents[0], *(2.0**e for e in steps)]
    points = [2.0 ** (e - 0.5) for e in steps]
    if steps and steps[0] > exponents[0] + 1:
        values.insert(1, 2.0 ** (steps[0] - 1))
        points.insert(0, EPSILON)
    return points, values


def _ulaw(site: Site, spec: Spec, attribute: str) -> tuple[Op, ...]:
    """Round the hard sigmoid of x / 2**integer to codes, and expand these by the u-law.

    The answers stand on no grid: a quantizer must follow, or calibration.
    """
    m, top = 2.0 ** (spec["bits"] - 1), 2.0 ** spec["integer"]
    low = -1.0 + (1.0 if spec["symmetric"] else 0.0) / m
    return (
        Affine(np.asarray(0.5 / top), np.asarray(0.5)),
        Clip(0.0, 1.0),
        _rounded(False, spec["bits"], spec["bits"] - 1),
        Affine(np.asarray(2.0), np.asarray(-1.0)),
        Function("ulaw", None, (single(spec["u"]),)),
        Clip(low, 1.0 - 1.0 / m),
        Affine(np.asarray(top), np.asarray(0.0)),
    )


def _hswish(site: Site, value: Value, spec: Spec) -> Value:
    """Round x * clip(x + shift, 0, bound) / bound as `quantized_bits` does."""
    shift, bound = spec["relu_shift"], spec["relu_upper_bound"]
    if not (isinstance(bound, int) and isinstance(shift, int) and bound > 0 and shift > 0):
        raise site.unsupported(
            "quantized_hswish has a shift or bound that is no positive integer", "activation",
            f"relu_shift {shift}, relu_upper_bound {bound}", "integers above 0",
            "train with the defaults",
        )  # fmt: skip
    gate = (Affine(np.asarray(1.0), np.asarray(float(shift))), Relu(high=float(bound)))
    product = site.emit(Multiply(), value, chain(site, value, gate, "gate"), suffix="product")
    divided = site.emit(DivideConstant.of(bound), product, suffix="part")
    return chain(site, divided, _bits(site, spec, "activation"), "q")


def _scaled(alpha: float | None) -> tuple[Op, ...]:
    if alpha is None or alpha == 1:
        return ()
    return (Affine(np.asarray(single(alpha)), np.asarray(0.0)),)


def _bits(site: Site, spec: Spec, attribute: str) -> tuple[Op, ...]:
    keep, bits = bool(spec["keep_negative"]), spec["bits"]
    if bits == 1 and keep:
        return (*_sign(), Affine(np.asarray(2.0), np.asarray(1.0)), *_scaled(spec["alpha"]))
    frac = bits - int(keep) - spec["integer"]
    return (_rounded(keep, bits, frac, bool(spec["symmetric"])), *_scaled(spec["alpha"]))


def _sign() -> tuple[Op, ...]:
    """Return -1 for negative numbers, else 0: the floor, limited to one signed bit."""
    return (Quantize.to(True, 1, 0, Rounding.TRN, Overflow.SAT),)


def _binary(site: Site, spec: Spec, attribute: str) -> tuple[Op, ...]:
    to_codes = Affine(np.asarray(1.0 if spec.values.get("use_01") else 2.0), np.asarray(1.0))
    return (*_sign(), to_codes, *_scaled(spec["alpha"]))


def _ternary(site: Site, value: Value, spec: Spec) -> Value:
    """Compare with both thresholds: the floors of x - t and -x - t, limited to -1 and 0."""
    threshold = spec["threshold"]
    least = float(DEFAULT_THRESHOLD) if threshold is None else single(float(threshold))
    above, below = (
        chain(site, value, (Affine(np.asarray(s), np.asarray(-least)), *_sign()), side)
        for s, side in ((1.0, "above"), (-1.0, "below"))
    )
    return chain(site, site.emit(Subtract(), above, below), _scaled(spec["alpha"]))


def _relu(site: Site, spec: Spec, attribute: str) -> tuple[Op, ...]:
    """Round max(x, 0) or, with a slope s (a power of two), the leaky ReLU down to -s * 2**i."""
    bits, integer, slope = spec["bits"], spec["integer"], float(spec["negative_slope"])
    if spec["use_sigmoid"]:
        return _sigmoid_relu(site, spec, attribute)
    if slope == 0.0:
        ops: tuple[Op, ...] = (_rounded(False, bits, bits - integer),)
    else:
        if np.frexp(slope)[0] != 0.5:
            raise site.unsupported(
                "a slope is no power of two", attribute, slope, "powers of two", "train with one"
            )
        ops = (
            LeakyRelu(np.asarray(slope)),
            _rounded(True, bits, bits - 1 - integer),
            Clip(-slope * 2.0**integer, None),
        )
    bound = spec["relu_upper_bound"]
    return (*ops, Clip(None, single(bound))) if bound and not spec["is_quantized_clip"] else ops


def _sigmoid_relu(site: Site, spec: Spec, attribute: str) -> tuple[Op, ...]:
    """Round the hard sigmoid of x / 2**i, and bring it back by 2 * y - 1."""
    bits, integer = spec["bits"], spec["integer"]
    if spec["negative_slope"] or spec["relu_upper_bound"]:
        raise site.unsupported(
            "quantized_relu with use_sigmoid and a slope or bound is not handled",
            attribute,
            f"slope {spec['negative_slope']}, bound {spec['relu_upper_bound']}",
            "neither",
            "train without",
        )
    top = 2.0**integer
    return (
        Affine(np.asarray(0.5 / top), np.asarray(0.5)),
        Clip(0.0, 1.0),
        _rounded(False, bits + 1, bits),
        Affine(np.asarray(2.0), np.asarray(-1.0)),
        Clip(0.0, 1.0 - 2.0**-bits),
        Affine(np.asarray(top), np.asarray(0.0)),
    )


def _tanh(site: Site, spec: Spec, attribute: str) -> tuple[Op, ...]:
    """Round the hard tanh clip(x, -1, 1), which saturation does by itself, or the real one."""
    out = _rounded(True, spec["bits"], spec["bits"] - 1, bool(spec["symmetric"]))
    return (Function("tanh", out),) if spec["use_real_tanh"] else (out,)


def _sigmoid(site: Site, spec: Spec, attribute: str) -> tuple[Op, ...]:
    out = _rounded(False, spec["bits"], spec["bits"])
    half = Affine(np.asarray(0.5), np.asarray(0.5))
    ops: tuple[Op, ...] = (Function("sigmoid", out),) if spec["use_real_sigmoid"] else (half, out)
    return (*ops, Clip(2.0 ** -spec["bits"], None)) if spec["symmetric"] else ops


Rule = Callable[[Site, Spec, str], tuple[Op, ...]]
RULES: dict[str, Rule] = {
    "binary": _binary,
    "quantized_bits": _bits,
    "quantized_linear": _linear,
    "quantized_po2": _po2,
    "quantized_relu": _relu,
    "quantized_relu_po2": _relu_po2,
    "quantized_sigmoid": _sigmoid,
    "quantized_tanh": _tanh,
    "quantized_ulaw": _ulaw,
    # Its random choices are made in training only; so are those of stochastic_ternary.
    "stochastic_binary": _binary,
}
"""Quantizers that are a chain of operations."""

BRANCHED: dict[str, Callable[[Site, Value, Spec], Value]] = {
    "quantized_hswish": _hswish,
    "stochastic_ternary": _ternary,
    "ternary": _ternary,
}
"""Quantizers with operations side by side."""

assert {*RULES, *BRANCHED} <= set(PARAMETERS)
