"""Forests: trees and comparisons, and which features they ask for, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.report.text import NONE, number, percent, span

SECTION = ("forests", "Forest")
MOST_FEATURES = 100
"""Features that are shown of a forest; the others are counted."""

COUNTS = (
    ("asking", "trees that ask something"),
    ("nodes", "nodes"),
    ("leaves", "leaves"),
    ("levels", "most questions on a way"),
    ("sets", "sets of categories"),
)


@dataclass(frozen=True)
class FeatureRow:
    """A feature: comparisons in the model and in the firmware; `share` is of the firmware's."""

    name: str
    format: str
    before: str
    after: str
    share: float
    share_text: str
    nodes: str
    range: str


@dataclass(frozen=True)
class ForestView:
    """One forest: lines (what, model, firmware), then its features, the most asked for first."""

    layer: str
    lines: tuple[tuple[str, str, str], ...]
    features: tuple[FeatureRow, ...]
    left_out: int
    unused: str
    sides_kept: bool


def forests_of(facts: Mapping[str, Any]) -> tuple[ForestView, ...]:
    """Return the section; empty where a design has no forest."""
    return tuple(_view(forest) for forest in facts.get("forests") or ())


def kept_inputs(facts: Mapping[str, Any]) -> frozenset[str]:
    """Return the inputs that are clipped beyond a forest's last cuts, where no sample changes."""
    return frozenset(f["input"] for f in facts.get("forests") or () if f.get("sides_kept"))


def _view(forest: Mapping[str, Any]) -> ForestView:
    before, after = forest.get("before") or {}, forest["after"]
    lines = [("trees", _count(before.get("trees")), number(after["trees"]))]
    for key, what in COUNTS:
        if after.get(key) or before.get(key):
            lines.append((what, _count(before.get(key)), number(after[key])))
    compared = [sum(part.get("comparisons") or ()) for part in (before, after)]
    lines.append(("different comparisons", number(compared[0]) if before else NONE,
                  number(compared[1])))  # fmt: skip
    rows = sorted(forest["features"], key=lambda f: (-int(f["after"]), -int(f["before"])))
    shown = tuple(_feature(f, compared[1], bool(before)) for f in rows[:MOST_FEATURES])
    all_features = len(after["comparisons"])
    unused = all_features - sum(bool(f["nodes"]) for f in rows)
    text = f"{number(unused)} of {number(all_features)} features are not asked for: their ports "
    return ForestView(
        str(forest["layer"]),
        tuple(lines),
        shown,
        len(rows) - len(shown),
        text + "are there, and what they carry plays no part." if unused else "",
        bool(forest.get("sides_kept")),
    )


def _count(found: Any) -> str:
    return NONE if found is None else number(found)


def _feature(line: Mapping[str, Any], total: int, known: bool) -> FeatureRow:
    share = line["after"] / total if total else 0.0
    low, high = line.get("low"), line.get("high")
    return FeatureRow(
        str(line.get("name") or f"x[{line['number']}]"),
        str(line["format"]) if line["bits"] else NONE,
        number(line["before"]) if known else NONE,
        number(line["after"]),
        round(100 * share, 1),
        percent(share, 1),
        number(line["nodes"]),
        _between(low, high),
    )


def _between(low: float | None, high: float | None) -> str:
    """Return the range of thresholds: none, one, or from the least to the greatest."""
    if low is None or high is None:
        return NONE
    return number(float(low)) if low == high else span(float(low), float(high))
