"""Universal Binary JSON, as XGBoost writes it: the document of its JSON, in big-endian bytes."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from gatewright.base import ModelError

INTEGERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8"}
NUMBERS = {**INTEGERS, b"d": ">f4", b"D": ">f8"}
CONSTANTS: dict[bytes, Any] = {b"Z": None, b"T": True, b"F": False}

DEEPEST = 64
"""Nesting that is read."""


class _Reader:
    """Bytes, and how far they were read."""

    def __init__(self, data: bytes, source: str) -> None:
        self.data, self.source, self.at = data, source, 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise ModelError(
                "an XGBoost model (UBJ) is cut short",
                place=self.source,
                found=f"{count} bytes to come at byte {self.at} of {len(self.data)}",
                remedy="save the model again",
            )
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, mark: bytes) -> Any:
        kind = NUMBERS[mark]
        return np.frombuffer(self.take(int(kind[2])), kind)[0].item()

    def count(self) -> int:
        mark = self.take(1)
        if mark not in INTEGERS:
            raise self.damaged(mark)
        return int(self.number(mark))

    def damaged(self, mark: bytes) -> ModelError:
        return ModelError(
            "an XGBoost model (UBJ) is damaged",
            place=self.source,
            found=f"{mark!r} at byte {self.at - 1}",
            supported="markers of UBJSON",
            remedy="save the model again",
        )

    def value(self, mark: bytes, depth: int) -> Any:
        if mark in NUMBERS:
            return self.number(mark)
        if mark in CONSTANTS:
            return CONSTANTS[mark]
        if mark == b"S":
            return self.take(self.count()).decode("utf-8", "replace")
        if mark == b"C":
            return self.take(1).decode("latin-1")
        if mark not in b"[{" or not mark or depth > DEEPEST:
            raise self.damaged(mark)
        return self.array(depth + 1) if mark == b"[" else self.object(depth + 1)

    def peeked(self, mark: bytes) -> bool:
        """Take a mark where it comes next."""
        if self.data[self.at : self.at + 1] != mark:
            return False
        self.at += 1
        return True

    def array(self, depth: int) -> Any:
        """Return a list, or an array where the type of its numbers stands in front."""
        kind = self.take(1) if self.peeked(b"$") else None
        count = self.count() if self.peeked(b"#") else None
        if kind is not None:
            if kind not in NUMBERS or count is None:
                raise self.damaged(kind)
            size = int(NUMBERS[kind][2])
            return np.frombuffer(self.take(count * size), NUMBERS[kind])
        found: list[Any] = []
        while (len(found) < count) if count is not None else not self.peeked(b"]"):
            found.append(self.value(self.take(1), depth))
        return found

    def object(self, depth: int) -> dict[str, Any]:
        count = self.count() if self.peeked(b"#") else None
        found: dict[str, Any] = {}
        while (len(found) < count) if count is not None else not self.peeked(b"}"):
            key = self.take(self.count()).decode("utf-8", "replace")
            found[key] = self.value(self.take(1), depth)
        return found


def parse_ubjson(data: bytes, source: str) -> dict[str, Any]:
    """Return a document; arrays of one type of numbers are NumPy arrays.

    Raises:
        ModelError: it is cut short, damaged, or no object.
    """
    reader = _Reader(data, source)
    mark = reader.take(1)
    if mark != b"{":
        raise reader.damaged(mark)
    try:
        return reader.object(0)
    except (struct.error, RecursionError):
        raise reader.damaged(b"?") from None
