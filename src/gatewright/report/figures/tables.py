"""Tables of a layer as small functions: inputs from left to right, outputs from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from gatewright.report.figures.canvas import (
    COLOUR,
    WIDTH,
    Drawing,
    new_figure,
    panel,
    style,
    to_svg,
)
from gatewright.report.tables import Curve, TableLayer

MOST_COLUMNS, MOST_ROWS = 20, 24
"""Of a matrix of inputs and outputs; larger layers are drawn one table after the other."""

IN_A_ROW, MOST = 12, 96
"""Tables beside each other, and at most, where they are drawn one after the other."""

POINTS = 128
"""Of a curve; longer tables are thinned."""

STEPPED = 32
"""Entries up to which a table is drawn in steps."""

Spot = tuple[Curve, int, int, str]
"""A table, its column and row, its label."""


def draw_tables(layers: Sequence[TableLayer]) -> list[Drawing | None]:
    """Draw each layer; None where there is nothing to draw."""
    return [_of_layer(number, layer) for number, layer in enumerate(layers)]


def _of_layer(number: int, layer: TableLayer) -> Drawing | None:
    if not layer.curves:
        return None
    columns = sorted({c.input for c in layer.curves})
    rows = sorted({c.output for c in layer.curves})
    if layer.is_edges and len(columns) <= MOST_COLUMNS and len(rows) <= MOST_ROWS:
        spots = [(c, columns.index(c.input), rows.index(c.output), "") for c in layer.curves]
        heads, sides = [f"in {i}" for i in columns], [f"out {j}" for j in rows]
    else:
        shown = layer.curves[:MOST]
        spots = [
            (c, k % IN_A_ROW, k // IN_A_ROW, f"{c.input} → {c.output}") for k, c in enumerate(shown)
        ]
        heads, sides = [""] * min(IN_A_ROW, len(shown)), [""] * (-(-len(shown) // IN_A_ROW))
    left_out = "" if len(spots) == layer.count else f"Shown: {len(spots)} of {layer.count} tables."
    name = f"tables{number}"
    with style(name):
        return Drawing(_draw(name, layer, spots, heads, sides), left_out)


def _draw(
    name: str, layer: TableLayer, spots: Sequence[Spot], heads: list[str], sides: list[str]
) -> Markup:
    labelled = any(label for *_, label in spots)
    left, head, gap = (0.0 if labelled else 44.0), (2.0 if labelled else 18.0), 3.0
    wide = (WIDTH - left) / max(len(heads), 8)
    high = 46.0 if labelled else min(max(0.7 * wide, 26.0), 44.0)
    figure = new_figure(head + high * len(sides))
    axes = panel(figure, left, head, wide * len(heads), high * len(sides))
    axes.set_xlim(0, wide * len(heads))
    axes.set_ylim(high * len(sides), 0)
    axes.set_xticks([])
    axes.set_yticks([])
    top = 12.0 if labelled else 0.0
    low, span = min(layer.low, 0.0), max(layer.high, 0.0) - min(layer.low, 0.0) or 1.0
    curves, zeros = [], []
    for curve, column, row, label in spots:
        x0, y0 = column * wide + gap, row * high + gap + top
        size = wide - 2 * gap, high - 2 * gap - top
        x, y = _points(curve)
        curves.append(np.stack([x0 + x * size[0], y0 + (1 - (y - low) / span) * size[1]], 1))
        zero = y0 + (1 + low / span) * size[1]
        zeros.append([(x0, zero), (x0 + size[0], zero)])
        if label:
            axes.text(x0, row * high + 10, label, fontsize=8, color=COLOUR["muted"])
    axes.add_collection(LineCollection(zeros, colors=COLOUR["grid"], linewidths=0.8))
    axes.add_collection(LineCollection(curves, colors=COLOUR["accent"], linewidths=1.2))
    _heads(axes, heads, sides, wide, high)
    return to_svg(figure, name, f"The {layer.count} tables of {layer.layer} as functions")


def _points(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Return a curve within a unit of width: in steps where it has few entries."""
    values = np.asarray([np.nan if v is None else v for v in curve.values], np.float64)
    count = len(values)
    if count <= STEPPED:
        edges = np.arange(count + 1) / count
        return np.repeat(edges, 2)[1:-1], np.repeat(values, 2)
    pick = np.unique(np.linspace(0, count - 1, min(count, POINTS)).astype(np.int64))
    return (pick + 0.5) / count, values[pick]


def _heads(axes: Axes, heads: list[str], sides: list[str], wide: float, high: float) -> None:
    """Name columns above and rows at the left."""
    common: dict[str, Any] = {"fontsize": 8, "color": COLOUR["muted"], "clip_on": False}
    for k, text in enumerate(heads):
        axes.text((k + 0.5) * wide, -5, text, ha="center", **common)
    for k, text in enumerate(sides):
        axes.text(-6, (k + 0.5) * high, text, ha="right", va="center", **common)
