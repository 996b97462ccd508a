"""Read JSON of unknown origin: its size, its nesting and its numbers are checked, never run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import FileError, ModelError, Place
from gatewright.num import Ints

LARGEST = 1 << 28
"""Bytes of a file."""

MOST_INTEGER = 1 << 40
"""Largest entry of a table."""


def load(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        FileError: the file cannot be read, or is too large.
        ModelError: it is no JSON, cut short, or holds what is no number.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise FileError(
                "a file of tables is too large", place=str(path),
                found=f"{path.stat().st_size} bytes", supported=f"up to {LARGEST}",
            )  # fmt: skip
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(
            "the model cannot be read", place=str(path), found=str(error), supported="JSON in UTF-8"
        ) from None

    def refuse(word: str) -> Any:
        raise ModelError(
            "a file of tables holds what is no finite number", place=str(path), found=word,
            supported="finite numbers",
            remedy="look for NaN or infinite weights where the tables were made",
        )  # fmt: skip

    try:
        data = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ModelError(
            "a file of tables is no valid JSON; it may have been cut short",
            place=str(path),
            found=f"{error.msg} at line {error.lineno}, column {error.colno}",
            remedy="copy the file again",
        ) from None
    except (RecursionError, ValueError) as error:
        raise ModelError(
            "a file of tables is no valid JSON", place=str(path), found=type(error).__name__
        ) from None
    if not isinstance(data, dict):
        raise ModelError(
            "a file of tables must hold a JSON object", place=str(path), found=type(data).__name__
        )
    return data


def integer(place: Place, value: Any, low: int, high: int) -> int:
    """Return an integer within limits.

    Raises:
        ModelError: it is none.
    """
    if type(value) is not int or not low <= value <= high:
        raise ModelError(
            "a number of a file of tables cannot be used",
            place=place,
            found=repr(value),
            supported=f"an integer from {low} to {high}",
        )
    return value


def integers(place: Place, values: Any, count: int, low: int, high: int, what: str) -> Ints:
    """Return a list of integers of a length that is known.

    Raises:
        ModelError: it is no such list, or an entry is out of range.
    """
    if not isinstance(values, list) or len(values) != count:
        size = f"{len(values)} entries" if isinstance(values, list) else type(values).__name__
        raise ModelError(
            f"{what} has the wrong length", place=place, found=size, supported=f"{count} entries"
        )
    wrong = [v for v in values if type(v) is not int or not low <= v <= high]
    if wrong:
        raise ModelError(
            f"{what} holds an entry out of range",
            place=place,
            found=repr(wrong[0]),
            supported=f"integers from {low} to {high}",
        )
    return np.asarray(values, np.int64)
