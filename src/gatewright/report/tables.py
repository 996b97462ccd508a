"""Layers that are tables and sums: what they read, and the functions that the tables are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.report.text import number, one_line, plural, span

SECTION = ("tables", "Tables")


@dataclass(frozen=True)
class Curve:
    """A table of one element.

    Attributes:
        input: the element that it reads.
        output: what it adds to.
        values: its entries, the lowest code's first; None where none is given.
    """

    input: int
    output: int
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class TableLayer:
    """A layer of tables; `low` and `high` are the ends of the entries that are drawn."""

    layer: str
    reads: str
    gives: str
    inputs: int
    outputs: int
    count: int
    address: str
    entries: str
    curves: tuple[Curve, ...]
    low: float
    high: float

    @property
    def is_edges(self) -> bool:
        """Whether all tables are drawn, none beside another: the edges of a KAN."""
        pairs = {(curve.input, curve.output) for curve in self.curves}
        return len(pairs) == len(self.curves) == self.count

    @property
    def shown(self) -> str:
        """Say what the figure shows."""
        what = plural(len(self.curves), "function")
        return (
            f"{one_line(self.layer)}: {what} of one input, answering {span(self.low, self.high)}."
        )


def tables_of(facts: Mapping[str, Any]) -> list[TableLayer]:
    """Return the section's rows in order of the model; empty where a design has no tables."""
    return [_layer(found) for found in facts.get("tables") or ()]


def _layer(found: Mapping[str, Any]) -> TableLayer:
    curves = tuple(
        Curve(int(c["input"]), int(c["output"]), tuple(c["values"])) for c in found["drawn"]
    )
    known = [v for curve in curves for v in curve.values if v is not None]
    return TableLayer(
        layer=str(found["layer"] or found["name"]), reads=str(found["reads"]),
        gives=str(found["gives"]), inputs=int(found["inputs"]), outputs=int(found["outputs"]),
        count=int(found["tables"]), address=number(int(found["address_bits"])),
        entries=number(int(found["entries"])), curves=curves,
        low=min(known, default=0.0), high=max(known, default=0.0),
    )  # fmt: skip
