"""Attributes of one ONNX node: typed access, and an error for what nobody asked for."""

from __future__ import annotations

from typing import Any

from onnx import AttributeProto, NodeProto, helper

from gatewright.base import ModelError, Place, UnsupportedError


def _type_name(code: int) -> str:
    return str(AttributeProto.AttributeType.Name(code)).lower()


class Attributes:
    """Read attributes by name; `finish` raises for those that were not read."""

    def __init__(self, node: NodeProto, place: Place) -> None:
        self._place = place
        self._found: dict[str, AttributeProto] = {}
        for attribute in node.attribute:
            if attribute.name in self._found:
                raise ModelError("an attribute stands twice", place=self._at(attribute.name))
            self._found[attribute.name] = attribute
        self._read: set[str] = set()

    def _at(self, name: str) -> Place:
        return Place(self._place.source, self._place.layer, name)

    def _get(self, name: str, types: tuple[int, ...]) -> Any:
        self._read.add(name)
        attribute = self._found.get(name)
        if attribute is None:
            return None
        if attribute.ref_attr_name or attribute.type not in types:
            raise ModelError(
                "an attribute has the wrong type",
                place=self._at(name),
                found=_type_name(attribute.type),
                supported=" or ".join(_type_name(code) for code in types),
            )
        return helper.get_attribute_value(attribute)

    def has(self, name: str) -> bool:
        """Say whether the node has an attribute."""
        return name in self._found

    def integer(self, name: str, default: int) -> int:
        """Return an integer."""
        value = self._get(name, (AttributeProto.INT,))
        return default if value is None else int(value)

    def flag(self, name: str, default: bool) -> bool:
        """Return an integer that may only be 0 or 1, as a truth value."""
        value = self.integer(name, int(default))
        if value not in (0, 1):
            raise ModelError("a flag is neither 0 nor 1", place=self._at(name), found=value)
        return bool(value)

    def number(self, name: str, default: float) -> float:
        """Return a float32 attribute, exactly."""
        value = self._get(name, (AttributeProto.FLOAT,))
        value = default if value is None else float(value)
        if not abs(value) < float("inf"):
            raise ModelError("an attribute is no finite number", place=self._at(name), found=value)
        return float(value)

    def integers(self, name: str) -> tuple[int, ...] | None:
        """Return a list of integers, or None where there is none."""
        value = self._get(name, (AttributeProto.INTS,))
        return None if value is None else tuple(int(v) for v in value)

    def numbers(self, name: str) -> tuple[float, ...] | None:
        """Return a list of floats, or None where there is none."""
        value = self._get(name, (AttributeProto.FLOATS,))
        return None if value is None else tuple(float(v) for v in value)

    def text(self, name: str, default: str) -> str:
        """Return a string."""
        value = self._get(name, (AttributeProto.STRING,))
        return default if value is None else bytes(value).decode("utf-8", "replace")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings, empty where there is none."""
        value = self._get(name, (AttributeProto.STRINGS,))
        return tuple(bytes(v).decode("utf-8", "replace") for v in value or ())

    def tensor(self, name: str) -> Any:
        """Return a TensorProto, or None where there is none."""
        return self._get(name, (AttributeProto.TENSOR,))

    def must_be(self, name: str, value: int, meaning: str) -> None:
        """Read an integer of which only one value is handled, which is also its default."""
        found = self.integer(name, value)
        if found != value:
            raise UnsupportedError(
                f"an attribute asks for what is not handled: {meaning}",
                place=self._at(name),
                found=found,
                supported=value,
            )

    def ignore(self, *names: str) -> None:
        """Account for attributes that do not matter at inference."""
        self._read.update(names)

    def finish(self) -> None:
        """Raise `UnsupportedError` for an attribute that no handler read."""
        unknown = sorted(set(self._found) - self._read)
        if unknown:
            raise UnsupportedError(
                "an attribute is not handled",
                place=self._at(unknown[0]),
                found=", ".join(unknown),
                supported=", ".join(sorted(self._read)) or "no attributes",
                remedy="export the model without it, or ask for it to be supported",
            )
