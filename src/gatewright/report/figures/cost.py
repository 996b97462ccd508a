"""LUT, FF and DSP of each layer, estimated beside synthesised."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from gatewright.report.figures.canvas import (
    COLOUR,
    ROW,
    WIDTH,
    Drawing,
    label_width,
    new_figure,
    panel,
    rows_axis,
    style,
    to_svg,
)
from gatewright.report.layers import Layer
from gatewright.report.text import number, row_labels

MOST = 30
"""Layers drawn one by one; the others are one row together."""

Row = tuple[str, dict[str, float], dict[str, float]]
"""Label, estimated counts, synthesised counts."""


def draw_cost(layers: Sequence[Layer]) -> Drawing | None:
    """Draw bars by layer; None where there is no layer."""
    if not layers:
        return None
    rows: list[Row] = [(x.name, x.estimated, x.synthesised) for x in layers]
    left_out = ""
    if len(rows) > MOST:
        rows, left_out = _joined(rows)
    kinds = [
        "lut",
        "ff",
        *(k for k in ("dsp", "bram") if any(e.get(k) or s.get(k) for _, e, s in rows)),
    ]
    with style("cost"):
        return Drawing(_draw(rows, kinds), left_out)


def _joined(rows: list[Row]) -> tuple[list[Row], str]:
    """Return the largest rows in their order and one row that sums the others."""

    def size(i: int) -> float:
        return max(rows[i][1].get("lut", 0), rows[i][2].get("lut", 0))

    large = set(sorted(range(len(rows)), key=lambda i: (-size(i), i))[:MOST])
    others = [row for i, row in enumerate(rows) if i not in large]
    joined: Row = (
        f"({len(others)} other layers)",
        _sum([r[1] for r in others]),
        _sum([r[2] for r in others]),
    )
    text = (
        f"Drawn one by one: the {MOST} layers with most LUTs, of {len(rows)}; "
        f"the other {len(others)} are one row, and stand in the table."
    )
    return [row for i, row in enumerate(rows) if i in large] + [joined], text


def _sum(parts: list[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for kind, count in part.items():
            total[kind] = total.get(kind, 0) + count
    return total


def _draw(rows: list[Row], kinds: list[str]) -> Markup:
    both = any(s for _, _, s in rows)
    labels = row_labels(row[0] for row in rows)
    left, head, foot, gap = label_width(labels), 44.0, 14.0, 54.0
    step = ROW * (1.45 if both else 1.15)
    figure = new_figure(head + step * len(rows) + foot)
    width = (WIDTH - left - gap * len(kinds)) / len(kinds)
    for i, kind in enumerate(kinds):
        axes = panel(figure, left + i * (width + gap), head, width, step * len(rows))
        rows_axis(axes, labels if i == 0 else [""] * len(labels))
        _bars(axes, rows, kind, both)
    _legend(figure, both)
    return to_svg(figure, "cost", "Resources of each layer, estimated and synthesised")


def _bars(axes: Axes, rows: list[Row], kind: str, both: bool) -> None:
    """Draw one resource: a bar or two a row, its number beside it."""
    most = max([max(e.get(kind, 0), s.get(kind, 0)) for _, e, s in rows], default=0) or 1
    axes.set_xlim(0, most)
    axes.set_title(kind.upper(), loc="left", fontsize=10.5, color=COLOUR["ink"], pad=6)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.tick_params(axis="x", labelbottom=False)
    axes.grid(axis="x")
    series = [(1, "estimated", -0.2 if both else 0.0)] + ([(2, "synthesised", 0.2)] if both else [])
    for at, role, shift in series:
        for y, row in enumerate(rows):
            counts: dict[str, float] = row[at]  # type: ignore[assignment]
            if kind not in counts:
                continue
            axes.barh(
                y + shift,
                counts[kind],
                height=0.34 if both else 0.6,
                color=COLOUR[role],
                linewidth=0,
            )
            axes.annotate(
                number(counts[kind]),
                (counts[kind], y + shift),
                xytext=(4, 0),
                fontsize=8,
                textcoords="offset points",
                va="center",
                color=COLOUR["muted"],
                annotation_clip=False,
            )


def _legend(figure: Figure, both: bool) -> None:
    roles = ["estimated", "synthesised"] if both else ["estimated"]
    handles = [Patch(color=COLOUR[role], label=role) for role in roles]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        borderaxespad=0,
        borderpad=0,
        handlelength=1.1,
        columnspacing=1.8,
    )
