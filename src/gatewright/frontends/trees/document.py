"""A model file as nested objects: each entry is checked when it is taken, and errors name it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import FileError, ModelError, Place, UnsupportedError
from gatewright.ir import Reals
from gatewright.num import Ints

MOST_BYTES = 1 << 30
"""Largest file that is read."""


@dataclass(frozen=True)
class Item:
    """Something in a document, and the way to it."""

    value: Any
    source: str
    path: str = ""

    def at(self, key: object = "") -> Place:
        """Return the place of an entry, for an error."""
        way = f"{self.path}.{key}" if self.path and key != "" else self.path or str(key)
        return Place(self.source, "", way)

    def has(self, key: str) -> bool:
        """Say whether there is an entry."""
        return isinstance(self.value, dict) and self.value.get(key) is not None

    def get(self, key: str) -> Item:
        """Return an entry of an object.

        Raises:
            ModelError: there is none.
        """
        if not isinstance(self.value, dict) or key not in self.value:
            found = sorted(map(str, self.value)) if isinstance(self.value, dict) else "no object"
            raise ModelError("the model lacks an entry", place=self.at(key), found=found)
        return Item(self.value[key], self.source, self.at(key).attribute)

    def each(self, key: str) -> Iterator[Item]:
        """Return the elements of a list that is an entry."""
        found = self.get(key)
        if not isinstance(found.value, list):
            raise self.wrong(key, "a list")
        for k, value in enumerate(found.value):
            yield Item(value, self.source, f"{found.path}[{k}]")

    def text(self, key: str) -> str:
        """Return an entry that is a text."""
        value = self.get(key).value
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        """Return an entry that is a whole number, or a text of one."""
        if default is not None and not self.has(key):
            return default
        value = self.get(key).value
        try:
            if isinstance(value, float) and value != int(value):
                raise ValueError
            return int(value)
        except (TypeError, ValueError, OverflowError):
            raise self.wrong(key, "a whole number") from None

    def reals(self, key: str) -> Reals:
        """Return an entry that is a list of numbers."""
        value = self.get(key).value
        try:
            array = np.asarray(value)
            if array.dtype.kind not in "fiub" and array.size:
                raise ValueError
            array = array.astype(np.float64)
        except (ValueError, TypeError, OverflowError):
            raise self.wrong(key, "a list of numbers") from None
        if array.ndim != 1:
            raise self.wrong(key, "a list of numbers")
        return array

    def integers(self, key: str) -> Ints:
        """Return an entry that is a list of whole numbers."""
        array = self.reals(key)
        if not (np.abs(array) < 2.0**53).all() or not (array == np.floor(array)).all():
            raise self.wrong(key, "a list of whole numbers")
        return array.astype(np.int64)

    def names(self, key: str) -> list[str]:
        """Return an entry that is a list of texts, none where there is no such list."""
        value = self.get(key).value if self.has(key) else []
        listed = isinstance(value, list) and all(isinstance(name, str) for name in value)
        return list(value) if listed else []

    def wrong(self, key: str, supported: str) -> ModelError:
        """Return the error that an entry is not what it should be."""
        return ModelError(
            "an entry of the model is not what it should be",
            place=self.at(key),
            found=repr(self.get(key).value)[:200],
            supported=supported,
        )


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        FileError: it cannot be read.
        UnsupportedError: it is too large.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise UnsupportedError(
                "the model file is too large",
                place=str(path),
                found=f"{size / 2**30:.1f} GiB",
                supported=f"up to {MOST_BYTES >> 30} GiB",
            )
        return path.read_bytes()
    except OSError as error:
        raise FileError(
            "the model cannot be read", place=str(path), found=error.strerror or str(error)
        ) from None


def parse_json(data: bytes, source: str, kind: str) -> Item:
    """Return a JSON document.

    Args:
        data: the whole file.
        source: its name, for messages.
        kind: what it should be: "an XGBoost model".

    Raises:
        ModelError: it is cut short, or no JSON.
    """
    try:
        return Item(json.loads(data), source)
    except json.JSONDecodeError as error:
        short = error.pos >= len(error.doc.rstrip()) - 1 or error.msg.startswith("Unterminated")
        raise ModelError(
            f"{kind} is cut short" if short else f"{kind} is not JSON",
            place=source,
            found=f"{error.msg} at line {error.lineno}, column {error.colno}",
            remedy="save the model again",
        ) from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        found = "too deep nesting" if isinstance(error, RecursionError) else error
        raise ModelError(
            f"{kind} is not JSON", place=source, found=found, remedy="save the model again"
        ) from None
