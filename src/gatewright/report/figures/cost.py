"""LUT, FF and DSP of each layer, estimated beside synthesised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

ROLES = ("estimated", "synthesised")


@dataclass(frozen=True)
class Row:
    """Label and counts; one that sums layers has no bars, as they would dwarf the rest."""

    label: str
    estimated: dict[str, float]
    synthesised: dict[str, float]
    is_sum: bool = False

    def counts(self, role: str) -> dict[str, float]:
        """Return the counts of a series."""
        return self.estimated if role == "estimated" else self.synthesised

    def most(self, kind: str) -> float:
        """Return the larger count of a resource."""
        return max(self.estimated.get(kind, 0), self.synthesised.get(kind, 0))


def draw_cost(layers: Sequence[Layer]) -> Drawing | None:
    """Draw bars by layer; None where there is no layer."""
    if not layers:
        return None
    rows = [Row(x.name, x.estimated, x.synthesised) for x in layers]
    left_out = ""
    if len(rows) > MOST:
        rows, left_out = _joined(rows)
    extra = [kind for kind in ("dsp", "bram") if any(row.most(kind) for row in rows)]
    with style("cost"):
        return Drawing(_draw(rows, ["lut", "ff", *extra]), left_out)


def _joined(rows: list[Row]) -> tuple[list[Row], str]:
    """Return the largest rows in their order and one row that sums the others."""
    large = set(sorted(range(len(rows)), key=lambda i: (-rows[i].most("lut"), i))[:MOST])
    others = [row for i, row in enumerate(rows) if i not in large]
    estimated, synthesised = ([row.counts(role) for row in others] for role in ROLES)
    joined = Row(f"({len(others)} other layers)", _sum(estimated), _sum(synthesised), is_sum=True)
    text = (
        f"Drawn one by one: the {MOST} layers with most LUTs, of {len(rows)}; "
        f"the other {len(others)} are summed in one row, and stand in the table."
    )
    return [row for i, row in enumerate(rows) if i in large] + [joined], text


def _sum(parts: list[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for kind, count in part.items():
            total[kind] = total.get(kind, 0) + count
    return total


def _draw(rows: list[Row], kinds: list[str]) -> Markup:
    roles = ROLES if any(row.synthesised for row in rows) else ROLES[:1]
    labels = row_labels(row.label for row in rows)
    left, head, foot, gap = label_width(labels), 44.0, 14.0, 54.0
    step = ROW * (1.45 if len(roles) == 2 else 1.15)
    figure = new_figure(head + step * len(rows) + foot)
    width = (WIDTH - left - gap * len(kinds)) / len(kinds)
    for i, kind in enumerate(kinds):
        axes = panel(figure, left + i * (width + gap), head, width, step * len(rows))
        rows_axis(axes, labels if i == 0 else [""] * len(labels))
        _resource(axes, rows, kind, roles)
    _legend(figure, roles)
    return to_svg(figure, "cost", "Resources of each layer, estimated and synthesised")


def _resource(axes: Axes, rows: list[Row], kind: str, roles: Sequence[str]) -> None:
    """Draw one resource: a bar or two a row, its number beside it."""
    axes.set_xlim(0, max((row.most(kind) for row in rows if not row.is_sum), default=0) or 1)
    axes.set_title(kind.upper(), loc="left", fontsize=10.5, color=COLOUR["ink"], pad=6)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.tick_params(axis="x", labelbottom=False)
    axes.grid(axis="x")
    shifts = (-0.2, 0.2) if len(roles) == 2 else (0.0,)
    for role, shift in zip(roles, shifts, strict=True):
        _series(axes, [(y + shift, row) for y, row in enumerate(rows)], kind, role, len(roles))


def _series(axes: Axes, rows: list[tuple[float, Row]], kind: str, role: str, of: int) -> None:
    """Draw one series: bars where it counts anything, numbers where it is known."""
    known = [(y, row.counts(role)[kind], row.is_sum) for y, row in rows if kind in row.counts(role)]
    bars = [(y, count) for y, count, is_sum in known if count and not is_sum]
    if bars:
        places, counts = zip(*bars, strict=True)
        axes.barh(places, counts, height=0.34 if of == 2 else 0.6, color=COLOUR[role], linewidth=0)
    for y, count, is_sum in known:
        axes.annotate(
            number(count),
            (0 if is_sum else count, y),
            xytext=(4, 0),
            fontsize=8,
            textcoords="offset points",
            va="center",
            color=COLOUR["muted"],
            annotation_clip=False,
        )


def _legend(figure: Figure, roles: Sequence[str]) -> None:
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
