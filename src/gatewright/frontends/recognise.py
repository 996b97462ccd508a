"""Tell what a file holds by how it begins, where its ending is not enough (.json, .txt, .xml)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gatewright.base import FileError

MOST_BYTES = 1 << 16
"""How much of a file is looked at."""

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]')
"""Strings of JSON, and what nests and parts them."""


@dataclass(frozen=True)
class Head:
    """The beginning of a file.

    Attributes:
        name: of the file, without its folder.
        data: at most `MOST_BYTES`.
    """

    name: str
    data: bytes

    @classmethod
    def of(cls, path: Path) -> Head:
        """Read it.

        Raises:
            FileError: the file cannot be read.
        """
        try:
            with path.open("rb") as file:
                return cls(path.name, file.read(MOST_BYTES))
        except OSError as error:
            raise FileError(
                "the model cannot be read", place=str(path), found=error.strerror or str(error)
            ) from None

    @cached_property
    def text(self) -> str:
        """Return it as text; what is no UTF-8 is replaced."""
        return self.data.decode("utf-8", "replace")

    @cached_property
    def keys(self) -> frozenset[str]:
        """Return the keys of a JSON object, outermost level, as far as it was read."""
        if not self.text.lstrip("\ufeff \t\r\n").startswith("{"):
            return frozenset()
        depth, last, found = 0, "", set()
        for token in TOKEN.findall(self.text):
            if token in "{[":
                depth += 1
            elif token in "}]":
                depth -= 1
            elif token == ":" and depth == 1:
                found.add(last[1:-1])
            last = token
        return frozenset(found)


@dataclass(frozen=True)
class Recogniser:
    """What tells a kind of file from others.

    Attributes:
        name: of the kind, for messages: "XGBoost model (JSON)".
        matches: says whether a file is of the kind; it must be cheap and never fail.
    """

    name: str
    matches: Callable[[Head], bool]
