"""HGQ2's fixed-point quantizers as their configuration and trained widths describe them.

Facts from HGQ2 0.1.9 and 0.2.0 and `quantizers` 1.2.2 (semantics only; no code of theirs):
k is the sign (0 or 1), i the bits before the point without the sign, f those behind it, b = i + f.
All are trained in float32 and rounded half to even, one for each element or shared along axes.
Variables are stored trainable ones first. Prefix S_ (stochastic rounding) matters in training only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Site
from gatewright.num import MAX_WIDTH, Ints, Overflow, Rounding

ROUNDINGS = {
    name: Rounding[name]
    for name in ("TRN", "RND", "RND_CONV", "TRN_ZERO", "RND_ZERO", "RND_MIN_INF", "RND_INF")
}
OVERFLOWS = {"WRAP": Overflow.WRAP, "SAT": Overflow.SAT, "SAT_SYM": Overflow.SAT_SYM}

MOST_OFFSET_BITS = 16

TABLE = Table(
    {
        "q_type": REQUIRED,
        "place": "datalane",
        "round_mode": REQUIRED,
        "overflow_mode": REQUIRED,
        "homogeneous_axis": None,
        "heterogeneous_axis": None,
        "scaler": None,
        "affine": None,
        "trainable": True,
        "is_weight": None,
    },
    # Initial values: the trained ones are weights. The others act in training only.
    frozenset(
        [
            "k0",
            "b0",
            "i0",
            "f0",
            "bc",
            "br",
            "ic",
            "ir",
            "fc",
            "fr",
            "i_decay_speed",
            "qnoise_factor",
        ]
    ),
    only={"bw_mapper": (None,)},
)

# What these configuration classes fix and leave out of the file.
FIXED: dict[str, dict[str, Any]] = {
    "QuantizerConfig": {},
    "HardTanhConfig": {"overflow_mode": "SAT"},
    "HardSigmoidConfig": {"overflow_mode": "SAT", "affine": [0.25, 0.5]},
}


@dataclass(frozen=True, eq=False)
class HgqQuantizer:
    """A quantizer as its configuration and weights describe it.

    Attributes:
        signed: k, per element, in the shape of the bit widths (batch first for data).
        integer: i.
        frac: f.
        wraps_weights: what a weight under WRAP sees: True, False, or None where versions differ.
        affine: scale and offset of the result, or None.
        scale: power of two by which the numbers are divided before and multiplied after.
    """

    signed: Ints
    integer: Ints
    frac: Ints
    rounding: Rounding
    overflow: Overflow
    wraps_weights: bool | None
    affine: tuple[float, float] | None
    scale: int

    @property
    def width(self) -> Ints:
        """Bits with the sign, 0 where nothing is left."""
        return np.asarray(np.maximum(self.signed + self.integer + self.frac, 0))


def read_quantizer(
    site: Site, attribute: str, part: str, shape: tuple[int, ...]
) -> HgqQuantizer | None:
    """Read the quantizer that `attribute` configures and the sublayer `part` holds.

    Args:
        site: the layer.
        attribute: of its configuration, such as `kq_conf`.
        part: group of the quantizer's weights.
        shape: of the tensor that is quantized, data with a leading 1 for the batch.

    Returns:
        None for a dummy quantizer, which does nothing.

    Raises:
        GatewrightError: it is no fixed-point quantizer, or malformed.
    """
    return quantizer_of(site, site.layer.config.get(attribute), attribute, part, shape)


def quantizer_of(
    site: Site, entry: Any, attribute: str, part: str, shape: tuple[int, ...]
) -> HgqQuantizer | None:
    """Read a quantizer from its configuration entry."""
    kind = entry.get("class_name") if isinstance(entry, Mapping) else None
    settings = entry.get("config") if isinstance(entry, Mapping) else None
    if not isinstance(kind, str) or kind not in FIXED or not isinstance(settings, Mapping):
        raise site.unsupported(
            "a quantizer is not handled",
            attribute,
            kind or repr(entry)[:100],
            ", ".join(FIXED),
            "train with HGQ2's own quantizer configurations",
        )
    settings = {**settings, **FIXED[kind]}
    if settings.get("q_type") == "dummy":
        return None
    values = TABLE.read(settings, site.at(attribute), "quantizer")
    rounding, overflow = _modes(site, attribute, values)
    signed, integer, frac = _widths(site, attribute, values, overflow, part, shape)
    _check_width(site, attribute, signed + integer + frac)
    return HgqQuantizer(
        signed, integer, frac, rounding, overflow,
        _wraps_weights(values), _affine(site, attribute, values["affine"]),
        _scale(site, attribute, values["scaler"]),
    )  # fmt: skip


def _modes(site: Site, attribute: str, values: Mapping[str, Any]) -> tuple[Rounding, Overflow]:
    rounding, overflow = (str(values[key]).upper() for key in ("round_mode", "overflow_mode"))
    rounding = rounding.removeprefix("S_")
    if (
        values["q_type"] not in ("kif", "kbi")
        or rounding not in ROUNDINGS
        or overflow not in OVERFLOWS
    ):
        raise site.unsupported(
            "a quantizer's type or modes are not handled",
            attribute,
            f"type {values['q_type']}, rounding {rounding}, overflow {overflow}",
            f"types kif and kbi, rounding {', '.join(ROUNDINGS)}, overflow {', '.join(OVERFLOWS)}",
            "train with a fixed-point quantizer and one of these modes",
        )
    return ROUNDINGS[rounding], OVERFLOWS[overflow]


def _widths(
    site: Site,
    attribute: str,
    values: Mapping[str, Any],
    overflow: Overflow,
    part: str,
    shape: tuple[int, ...],
) -> tuple[Ints, Ints, Ints]:
    """Return k, i and f in the shape of the stored widths, which must fit `shape`."""
    first = "f" if values["q_type"] == "kif" else "b"
    # Keras writes trainable variables first; i is trained unless the quantizer wraps.
    wraps = overflow is Overflow.WRAP
    names = (
        (first, "k", "i", "i_decay_speed")
        if wraps
        else ("i", "f", "k")
        if first == "f"
        else ("b", "i", "k")
    )
    stored = dict(zip(names, site.arrays(*names, part=f"{part}/quantizer"), strict=True))
    expected = _stored_shape(site, attribute, values, shape)
    for name in ("k", "i", first):
        site.expect(f"{attribute} {name}", stored[name], expected)
    k, i, other = (
        np.round(stored[name].astype(np.float32)).astype(np.int64) for name in ("k", "i", first)
    )
    if not np.isin(k, (0, 1)).all():
        raise ModelError("a quantizer's sign bit is neither 0 nor 1", place=site.at(attribute))
    return k, i, other if first == "f" else other - i


def _stored_shape(
    site: Site, attribute: str, values: Mapping[str, Any], shape: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the shape of the widths: 1 along homogeneous axes."""
    rank = len(shape)
    own, shared = values["heterogeneous_axis"], values["homogeneous_axis"]
    axes = own if own is not None else shared
    sound = isinstance(axes, list | tuple) and all(
        isinstance(a, int) and -rank <= a < rank for a in axes
    )
    if not sound or (own is not None and shared is not None):
        raise ModelError(
            "a quantizer's axes are malformed",
            place=site.at(attribute),
            found=f"heterogeneous {own}, homogeneous {shared} for shape {shape}",
            supported="one of the two, with axes of the tensor",
        )
    named = {a % rank for a in axes}
    keep = named if own is not None else set(range(rank)) - named
    return tuple(n if axis in keep else 1 for axis, n in enumerate(shape))


def _check_width(site: Site, attribute: str, width: Ints) -> None:
    if width.size and int(width.max()) > MAX_WIDTH:
        raise UnsupportedError(
            "a quantizer is wider than we compute with",
            place=site.at(attribute),
            found=f"{int(width.max())} bits",
            supported=f"{MAX_WIDTH} bits",
        )


def _wraps_weights(values: Mapping[str, Any]) -> bool | None:
    """Say whether WRAP wraps a weight; None where the file does not tell.

    It does not where the quantizer is trainable and says `is_weight`; under kbi only half-up
    rounding takes that way, other modes wrap.
    """
    if values["trainable"] is False:
        return True
    if values["is_weight"] is None:
        return None
    rounding = str(values["round_mode"]).upper().removeprefix("S_")
    return not values["is_weight"] or (values["q_type"] == "kbi" and rounding != "RND")


def _affine(site: Site, attribute: str, affine: Any) -> tuple[float, float] | None:
    """Return scale and offset of the result, exact in float32 whatever they meet.

    Raises:
        UnsupportedError: HGQ2 would round products or sums with them.
    """
    if affine is None:
        return None
    whole = isinstance(affine, list | tuple) and len(affine) == 2
    scale, offset = (_finite(v) for v in affine) if whole else (None, None)
    if scale is None or offset is None or _bits(scale) != 1 or _bits(offset) > MOST_OFFSET_BITS:
        raise site.unsupported(
            "a quantizer's affine is not exact in float32",
            attribute,
            repr(affine)[:200],
            f"a power of two, and an offset of at most {MOST_OFFSET_BITS} bits",
            "train with such numbers",
        )
    return scale, offset


def _scale(site: Site, attribute: str, scaler: Any) -> int:
    """Return the exponent of the scaler."""
    if scaler is None:
        return 0
    value = _finite(scaler)
    if value is None or value <= 0 or _bits(value) != 1:
        raise site.unsupported(
            "a quantizer's scaler is no positive power of two",
            attribute,
            repr(scaler)[:200],
            "powers of two",
            "train with a power of two",
        )
    return math.frexp(value)[1] - 1


def _finite(value: Any) -> float | None:
    """Return a number that float32 holds, as float32; None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(np.float32(value)) if is_number and abs(value) < 1e38 else None


def _bits(value: float) -> int:
    """Return the significant bits of a number."""
    return abs(value.as_integer_ratio()[0]).bit_length() - _trailing(value)


def _trailing(value: float) -> int:
    numerator = abs(value.as_integer_ratio()[0])
    return (numerator & -numerator).bit_length() - 1 if numerator else 0
