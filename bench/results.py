"""Keep the rows of every section, so that one section can be measured again by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.record import Row, Target


@dataclass(frozen=True)
class Kept:
    """What one run of a section gave, and where and when it ran."""

    about: Mapping[str, Any]
    rows: tuple[Row, ...]


def read(path: Path) -> dict[str, Kept]:
    """Return what was kept, by section; nothing where there is no file."""
    if not path.is_file():
        return {}
    return {
        name: Kept(section["about"], tuple(map(row_of, section["rows"])))
        for name, section in json.loads(path.read_text()).items()
    }


def write(path: Path, kept: Mapping[str, Kept]) -> None:
    """Keep sections."""
    plain = {
        name: {"about": dict(section.about), "rows": [row.plain() for row in section.rows]}
        for name, section in kept.items()
    }
    path.write_text(json.dumps(plain, indent=1, default=str) + "\n")


def row_of(plain: Mapping[str, Any]) -> Row:
    """Return the row that `Row.plain` described; its verdict follows from its number again."""
    facts = {name: value for name, value in plain.items() if name != "verdict"}
    facts["value"] = float("nan") if plain["value"] is None else float(plain["value"])
    facts["target"] = None if plain["target"] is None else Target(**plain["target"])
    return Row(**facts)


def updated(
    kept: Mapping[str, Kept], rows: Sequence[Row], about: Mapping[str, Any], order: Sequence[str]
) -> dict[str, Kept]:
    """Return what is kept with the sections of a new run in the place of their old ones."""
    fresh = {
        name: Kept(about, tuple(row for row in rows if row.section == name))
        for name in dict.fromkeys(row.section for row in rows)
    }
    merged = {**kept, **fresh}
    return {name: merged[name] for name in order if name in merged}
