"""QKeras quantizers as files write them: a text like `quantized_bits(6,0,alpha=1)`, or a mapping.

Facts from QKeras 0.9.0 and qkeras-v3 1.2.1 (parameters and defaults; no code of theirs). A text is
parsed, never evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.frontends.keras.handler import Site

_TAIL: tuple[tuple[str, Any], ...] = (
    ("qnoise_factor", 1.0), ("var_name", None), ("use_ste", True), ("use_variables", False),
)  # fmt: skip

PARAMETERS: dict[str, tuple[tuple[str, Any], ...]] = {
    "binary": (("use_01", False), ("alpha", None), ("use_stochastic_rounding", False)),
    "quantized_bits": (
        ("bits", 8), ("integer", 0), ("symmetric", 0), ("keep_negative", True), ("alpha", None),
        ("use_stochastic_rounding", False), ("scale_axis", None), *_TAIL,
    ),
    "quantized_hswish": (
        ("bits", 8), ("integer", 0), ("symmetric", 0), ("alpha", None),
        ("use_stochastic_rounding", False), ("scale_axis", None), ("qnoise_factor", 1.0),
        ("var_name", None), ("use_variables", False), ("relu_shift", 3), ("relu_upper_bound", 6),
        ("keep_negative", True),
    ),
    "quantized_linear": (
        ("bits", 8), ("integer", 0), ("symmetric", 1), ("keep_negative", True), ("alpha", None),
        ("use_stochastic_rounding", False), ("scale_axis", None), ("qnoise_factor", 1.0),
        ("var_name", None), ("use_variables", False),
    ),
    "quantized_po2": (
        ("bits", 8), ("max_value", None), ("use_stochastic_rounding", False),
        ("quadratic_approximation", False), ("log2_rounding", "rnd"), *_TAIL,
    ),
    "quantized_relu": (
        ("bits", 8), ("integer", 0), ("use_sigmoid", 0), ("negative_slope", 0.0),
        ("use_stochastic_rounding", False), ("relu_upper_bound", None),
        ("is_quantized_clip", True), *_TAIL,
    ),
    "quantized_relu_po2": (
        ("bits", 8), ("max_value", None), ("negative_slope", 0), ("use_stochastic_rounding", False),
        ("quadratic_approximation", False), ("log2_rounding", "rnd"), *_TAIL,
    ),
    "quantized_sigmoid": (
        ("bits", 8), ("symmetric", False), ("use_real_sigmoid", False),
        ("use_stochastic_rounding", False),
    ),
    "quantized_tanh": (
        ("bits", 8), ("use_stochastic_rounding", False), ("symmetric", False),
        ("use_real_tanh", False),
    ),
    "quantized_ulaw": (("bits", 8), ("integer", 0), ("symmetric", 0), ("u", 255.0)),
    "stochastic_binary": (("alpha", None), ("temperature", 6.0), ("use_real_sigmoid", True)),
    "stochastic_ternary": (
        ("alpha", None), ("threshold", None), ("temperature", 8.0), ("use_real_sigmoid", True),
        ("number_of_unrolls", 5),
    ),
    "ternary": (
        ("alpha", None), ("threshold", None), ("use_stochastic_rounding", False),
        ("number_of_unrolls", 5),
    ),
}  # fmt: skip
"""Quantizers that are handled: their parameters in order, with defaults."""

HARMLESS = frozenset({"var_name", "use_ste", "use_variables"})
"""Parameters without effect where the quantization noise is 1."""

ONLY: dict[str, tuple[Any, ...]] = {
    "use_stochastic_rounding": (0, False),
    "qnoise_factor": (1,),
    "scale_axis": (None,),
    "elements_per_scale": (None,),
    "min_po2_exponent": (None,),
    "max_po2_exponent": (None,),
    "post_training_scale": (None,),
    "training": (0, False),
}
"""Parameters that are accepted with these values alone."""

MOST_BITS = 32


@dataclass(frozen=True, eq=False)
class Spec:
    """A quantizer's class and all its parameters."""

    kind: str
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        """Return a parameter."""
        return self.values[name]


def read_spec(site: Site, entry: Any, attribute: str) -> Spec | str | None:
    """Read a quantizer; a text where the entry names a plain function, None where there is none.

    Raises:
        UnsupportedError: the quantizer or a parameter is not handled.
    """
    if entry is None:
        return None
    if isinstance(entry, Mapping):
        kind = str(entry.get("class_name", "")).split(">")[-1]
        settings = entry.get("config")
        if kind == "function" and isinstance(settings, str):
            return settings
        if not isinstance(settings, Mapping):
            raise _refuse(site, attribute, kind or repr(entry)[:100])
        return _complete(site, attribute, kind, (), settings)
    return _read_text(site, attribute, entry)


def _read_text(site: Site, attribute: str, text: Any) -> Spec | str:
    match = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text) if isinstance(text, str) else None
    if match is None:
        raise _refuse(site, attribute, repr(text)[:100])
    kind, inside = match[1], match[2]
    if kind not in PARAMETERS:
        if inside is None:
            return kind
        raise _refuse(site, attribute, text)
    if inside and "(" in inside:
        return _nested(site, attribute, kind, inside, text)
    values: list[Any] = []
    named: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in (inside or "").split(","))):
        key, equals, value = part.rpartition("=")
        if equals:
            named[key.strip()] = _value(site, attribute, value.strip(), text)
        elif named:
            raise _refuse(site, attribute, text)
        else:
            values.append(_value(site, attribute, value.strip(), text))
    return _complete(site, attribute, kind, tuple(values), named)


def _nested(site: Site, attribute: str, kind: str, inside: str, text: str) -> Spec:
    """Read `quantized_relu(quantized_bits(8,0),0)`: QKeras drops all arguments of such a text.

    What QKeras computes then is the quantizer with its defaults. That is accepted where the text
    asks for just these, so that text and computation agree.
    """
    spec = _complete(site, attribute, kind, (), {})
    inner = re.fullmatch(
        r"\s*quantized_bits\(\s*(\d+)\s*,\s*(-?\d+)\s*(?:,\s*alpha=1(?:\.0)?\s*)?\)\s*(?:,\s*0\s*)*",
        inside,
    )
    if kind != "quantized_relu" or inner is None or (int(inner[1]), int(inner[2])) != (8, 0):
        raise site.unsupported(
            "QKeras drops the arguments of a quantizer's text that holds another quantizer, and "
            "computes with the defaults",
            attribute,
            text,
            "texts without inner parentheses",
            f"write {kind}(bits, integer) and train again",
        )
    return spec


def _value(site: Site, attribute: str, word: str, text: str) -> Any:
    """Read a number, True, False, None or a quoted word."""
    constants = {"True": True, "False": False, "None": None}
    if word in constants:
        return constants[word]
    if re.fullmatch(r"[-+]?\d+", word):
        return int(word)
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", word):
        return float(word)
    if re.fullmatch(r"'\w*'|\"\w*\"", word):
        return word[1:-1]
    raise _refuse(site, attribute, text)


def _complete(
    site: Site, attribute: str, kind: str, ordered: tuple[Any, ...], named: Mapping[str, Any]
) -> Spec:
    """Return the quantizer with all its parameters, checked."""
    if kind not in PARAMETERS:
        raise _refuse(site, attribute, kind)
    known = PARAMETERS[kind]
    values = dict(known)
    values.update(zip((name for name, _ in known), ordered, strict=False))
    unknown = sorted(set(map(str, named)) - set(values) - set(ONLY))
    if len(ordered) > len(known) or unknown:
        raise _parameter(site, attribute, kind, ", ".join(unknown) or ordered, ", ".join(values))
    for name, value in named.items():
        values[name] = value
    for name, value in values.items():
        if name in ONLY and value not in ONLY[name]:
            supported = f"{name} = {' or '.join(map(str, ONLY[name]))}"
            raise _parameter(site, attribute, kind, f"{name} = {value!r}", supported)
    _check_numbers(site, attribute, kind, values)
    return Spec(kind, values)


def _check_numbers(site: Site, attribute: str, kind: str, values: Mapping[str, Any]) -> None:
    """Check bits, binary point and scale."""
    for name, low, high in (("bits", 1, MOST_BITS), ("integer", -MOST_BITS, MOST_BITS)):
        value = values.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _parameter(
                site, attribute, kind, f"{name} = {value!r}", f"{name} = {low} to {high}"
            )
    for name, value in values.items():
        is_number = value is None or (isinstance(value, int | float) and abs(value) < 1e30)
        if not is_number and name not in ("alpha", "log2_rounding", "var_name"):
            raise _parameter(site, attribute, kind, f"{name} = {value!r}", "numbers")
    alpha = values.get("alpha")
    number = (
        isinstance(alpha, int | float) and not isinstance(alpha, bool) and 0 < abs(alpha) < 1e30
    )
    if not (alpha is None or number or alpha in ("auto", "auto_po2")):
        raise _parameter(
            site, attribute, kind, f"alpha = {alpha!r}", "None, a number, auto, auto_po2"
        )


def _parameter(site: Site, attribute: str, kind: str, found: object, supported: str) -> Exception:
    return site.unsupported(
        f"a parameter of the quantizer {kind} is not handled",
        attribute,
        found,
        supported,
        "train with a supported parameter",
    )


def _refuse(site: Site, attribute: str, found: str) -> Exception:
    return site.unsupported(
        "a quantizer is not handled",
        attribute,
        found,
        ", ".join(PARAMETERS),
        "train with a supported quantizer (random ones have no hardware meaning)",
    )
