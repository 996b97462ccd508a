"""Cost and place in time of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.report.text import change
from gatewright.report.verdict import counts_of, synthesised_total

KINDS = ("lut", "ff", "dsp", "bram")


@dataclass(frozen=True)
class Layer:
    """One module of the circuit; counts by kind, absent where nothing counted them."""

    name: str
    module: str
    note: str
    operations: str
    begin: int
    end: int
    latency: int
    interval: int
    is_top: bool
    instances: int
    estimated: dict[str, float]
    synthesised: dict[str, float]

    @property
    def difference(self) -> str:
        """Return how far the estimate of LUTs is from synthesis."""
        if "lut" not in self.synthesised or "lut" not in self.estimated:
            return ""
        return change(self.estimated["lut"], self.synthesised["lut"])


@dataclass(frozen=True)
class Costs:
    """The section: a layer a row, then the totals."""

    rows: tuple[Layer, ...]
    estimated: dict[str, float]
    synthesised: dict[str, float]
    has_repeats: bool

    @property
    def difference(self) -> str:
        """Return how far the estimate of all LUTs is from synthesis."""
        if "lut" not in self.synthesised or "lut" not in self.estimated:
            return ""
        return change(self.estimated["lut"], self.synthesised["lut"])


def costs_of(facts: Mapping[str, Any]) -> Costs:
    """Return the section."""
    synthesis, name = facts.get("synthesis") or {}, str(facts.get("name", ""))
    instances = synthesis.get("instances") or {}
    own = (synthesis.get("modules") or {}).get(name)
    rows = tuple(_layer(row, name, instances, own) for row in facts.get("layers") or ())
    return Costs(
        rows, _counts(facts.get("estimate")), _counts(synthesised_total(facts)),
        any(row.instances > 1 for row in rows),
    )  # fmt: skip


def _layer(
    row: Mapping[str, Any], top: str, instances: Mapping[str, Any], own: Mapping[str, Any] | None
) -> Layer:
    """Return a row; `own` is what synthesis counted of the top itself, without its layers."""
    module = str(row["module"])
    synthesised = row.get("synthesised") or (counts_of(own) if own and module == top else None)
    return Layer(
        name=str(row.get("layer") or module),
        module=module,
        note=str(row.get("note") or ""),
        operations=", ".join(map(str, row.get("operations") or ())),
        begin=int(row["begin"]),
        end=int(row["end"]),
        latency=int(row["latency"]),
        interval=int(row["interval"]),
        is_top=module == top,
        instances=int(row.get("instances") or instances.get(module) or 1),
        estimated=_counts(row.get("estimate")),
        synthesised=_counts(synthesised),
    )


def _counts(found: Mapping[str, Any] | None) -> dict[str, float]:
    return {kind: found[kind] for kind in KINDS if found and found.get(kind) is not None}
