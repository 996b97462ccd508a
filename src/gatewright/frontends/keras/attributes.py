"""Account for every attribute of a layer's configuration: used, harmless, or an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gatewright.base import Diagnostics, ModelError, Place, UnsupportedError

HARMLESS = frozenset(
    [
        "name",
        "trainable",
        "activity_regularizer",
        "autocast",
        "batch_input_shape",
        "batch_shape",
        "build_config",
        "kernel_initializer",
        "kernel_regularizer",
        "kernel_constraint",
        "bias_initializer",
        "bias_regularizer",
        "bias_constraint",
    ]
)
"""Attributes of any layer that change nothing at inference (shapes are read elsewhere)."""

REQUIRED: Any = object()
"""Stands for the default of an attribute that must be there."""

INTEGERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
"""Types of inputs that are numbers of positions or truth values."""

POLICIES = ("DTypePolicy", "FloatDTypePolicy", "Policy")
"""Classes of Keras's types that are just a name."""


@dataclass(frozen=True)
class Table:
    """What is known of a configuration's attributes.

    Attributes:
        used: read by the handler, with the value that stands for an absent one.
        harmless: without effect at inference.
        only: accepted with these values (which need no handling), refused with others.
        integers: integers and truth values are accepted as the type.
    """

    used: Mapping[str, Any] = field(default_factory=dict)
    harmless: frozenset[str] = frozenset()
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    integers: bool = False

    def read(self, config: Mapping[str, Any], place: Place, kind: str) -> dict[str, Any]:
        """Return the attributes `used`, checked so that nothing else in `config` matters.

        Raises:
            GatewrightError: one, or all of them, naming the attributes.
        """
        diagnostics = Diagnostics()
        for key, value in config.items():
            with diagnostics.gather():
                self._check(key, value, Place(place.source, place.layer, key), kind)
        values = {}
        for key, default in self.used.items():
            with diagnostics.gather():
                if key not in config and default is REQUIRED:
                    raise ModelError(
                        "a layer's configuration lacks an attribute",
                        place=Place(place.source, place.layer, key),
                        found=f"{kind} with {', '.join(sorted(map(str, config)))}",
                    )
                values[key] = plain(config.get(key, default))
        diagnostics.raise_if_any()
        return values

    def _check(self, key: str, value: Any, place: Place, kind: str) -> None:
        if key in self.used or key in self.harmless or key in HARMLESS:
            return
        if key == "dtype":
            if not (self.integers and value in INTEGERS):
                check_dtype(value, place)
        elif key in self.only:
            if not any(_same(plain(value), allowed) for allowed in self.only[key]):
                raise UnsupportedError(
                    f"an attribute of a {kind} layer has a value that is not handled",
                    place=place,
                    found=_short(value),
                    supported=" or ".join(map(repr, self.only[key])),
                    remedy="change the layer to a supported value, or take it out of the model",
                )
        elif value is not None:
            raise UnsupportedError(
                f"an attribute of a {kind} layer is not known",
                place=place,
                found=_short(value),
                supported=", ".join(sorted({*self.used, *self.only})) or "no attributes",
                remedy="save the model with a Keras version that does not write this attribute, "
                "or take the layer out of the model",
            )


def _same(value: Any, allowed: Any) -> bool:
    """Compare without taking 0 for False."""
    return type(value) is type(allowed) and bool(value == allowed)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:199] + "…"


def check_dtype(value: Any, place: Place) -> None:
    """Accept float32, the type of the arithmetic that import must reproduce."""
    name = value
    if isinstance(value, Mapping) and value.get("class_name") in POLICIES:
        settings = value.get("config")
        name = settings.get("name") if isinstance(settings, Mapping) else value
    if name is not None and name != "float32":
        raise UnsupportedError(
            "a layer computes in a type that is not handled",
            place=place,
            found=_short(name),
            supported="float32",
            remedy="save the model with the float32 policy; quantize with QKeras, HGQ2, "
            "or by calibration here",
        )


def plain(value: Any) -> Any:
    """Return a number or list that Keras 2 wrapped in its NumPy envelope, unwrapped."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__ndarray__"):
        settings = value.get("config")
        return settings.get("value") if isinstance(settings, Mapping) else value
    if isinstance(value, Mapping) and value.get("type") == "ndarray":
        return value.get("value")
    return value
