"""Tell files and live objects of table networks apart; imports nothing heavy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gatewright.frontends.recognise import Head, Recogniser

EDGE = re.compile(r"(\d{1,3})_(\d{1,5})_(\d{1,5})")
"""Name of an edge in KANELÉ's files: layer, input, output."""

KEY = "gatewright_tables"
"""Key of the version in a file of our own."""

NEURONS = ("SparseLinearNeq", "SparseLinearNeq_add2", "Adder2")
"""Classes of layers of enumerable neurons in LogicNets and its forks."""


def is_kanele(keys: frozenset[str]) -> bool:
    """Whether the keys of a JSON file are those of edges."""
    return bool(keys) and all(EDGE.fullmatch(key) for key in keys)


KANELE = Recogniser("KANELÉ truth tables (JSON)", lambda head: is_kanele(head.keys))
PLAIN = Recogniser("Gatewright's tables (JSON)", lambda head: KEY in head.keys)


def is_tables(path: Path) -> bool:
    """Whether a file holds tables."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    head = Head.of(path)
    return PLAIN.matches(head) or KANELE.matches(head)


def is_logicnets(model: Any) -> bool:
    """Whether a live module holds layers of enumerable neurons."""
    modules = getattr(model, "modules", None)
    if not callable(modules) or not hasattr(model, "named_children"):
        return False
    return any(type(m).__name__ in NEURONS for m in modules())
