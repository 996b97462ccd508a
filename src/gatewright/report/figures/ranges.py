"""Bits that each value's format covers, against what calibration data needed."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
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
from gatewright.report.ranges import TensorRow
from gatewright.report.text import row_labels

MOST = 48
"""Rows drawn; the table has all."""


def draw_ranges(rows: Sequence[TensorRow]) -> Drawing | None:
    """Draw bit positions as bars; None where there is nothing to draw."""
    real = [row for row in rows if row.lsb is not None and row.msb is not None]
    if not real:
        return None
    shown = real if len(real) <= MOST else _widest(real)
    missing = len(rows) - len(shown)
    zero = len(rows) - len(real)
    left_out = ""
    if missing:
        always = f", {zero} of them always 0" if zero else ""
        what = "the widest" if len(real) > MOST else "all that are not always 0"
        left_out = (
            f"Shown: {len(shown)} of {len(rows)} values, {what}; "
            f"{missing} are in the table only{always}."
        )
    with style("ranges"):
        return Drawing(_draw(shown), left_out)


def _widest(rows: Sequence[TensorRow]) -> list[TensorRow]:
    """Return the rows with most bit positions, in their order."""
    chosen = sorted(range(len(rows)), key=lambda i: (_lsb(rows[i]) - _msb(rows[i]), i))[:MOST]
    return [rows[i] for i in sorted(chosen)]


def _lsb(row: TensorRow) -> int:
    return row.lsb or 0


def _msb(row: TensorRow) -> int:
    return row.msb or 0


def _draw(rows: Sequence[TensorRow]) -> Markup:
    labels = row_labels(
        f"{row.layer}  \u00b7 {row.operation}" if row.operation else row.layer for row in rows
    )
    left, head, foot, right = label_width(labels), 26.0, 36.0, 66.0
    height = ROW * len(rows)
    figure = new_figure(head + height + foot)
    axes = panel(figure, left, head, WIDTH - left - right, height)
    rows_axis(axes, labels)
    tops = [_msb(row) for row in rows] + [row.reach for row in rows if row.reach is not None]
    low, high = min(map(_lsb, rows)) - 0.5, max(max(tops), 0) + 0.5
    axes.set_xlim(low, max(high, low + 4))
    axes.grid(axis="x")
    for y, row in enumerate(rows):
        lsb, msb = _lsb(row), _msb(row)
        for begin, end, colour in ((lsb, min(msb, 0), "soft"), (max(lsb, 0), msb, "accent")):
            if end > begin:
                axes.barh(
                    y, end - begin, left=begin, height=0.58, color=COLOUR[colour], linewidth=0
                )
        if row.reach is not None:
            axes.plot(
                [row.reach],
                [y],
                marker="D",
                markersize=4.6,
                color=COLOUR["ink"],
                markeredgecolor=COLOUR["paper"],
                markeredgewidth=0.9,
                clip_on=False,
            )
        if row.limited:
            axes.plot(
                [msb + 0.3], [y], marker="<", markersize=5.5, color=COLOUR["bad"], clip_on=False
            )
        axes.annotate(
            f"{row.bits.split(' ')[0]} b",
            (1, y),
            xytext=(8, 0),
            color=COLOUR["muted"],
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
        )
    axes.axvline(0, color=COLOUR["ink"], linewidth=1)
    axes.set_xlabel(
        "power of two: a bit drawn from n to n+1 is worth 2ⁿ; the line is the binary point"
    )
    axes.xaxis.set_major_locator(MaxNLocator(16, integer=True))
    _legend(figure, rows)
    return to_svg(
        figure, "ranges", "Bit positions of every value's format, and the largest value seen"
    )


def _legend(figure: Figure, rows: Sequence[TensorRow]) -> None:
    handles: list[Patch | Line2D] = [
        Patch(color=COLOUR["accent"], label="bits before the point"),
        Patch(color=COLOUR["soft"], label="bits after the point"),
    ]
    if any(row.reach is not None for row in rows):
        handles.append(
            Line2D(
                [],
                [],
                marker="D",
                linestyle="",
                markersize=4.6,
                color=COLOUR["ink"],
                label="largest magnitude in calibration",
            )
        )
    if any(row.limited for row in rows):
        handles.append(
            Line2D(
                [],
                [],
                marker="<",
                linestyle="",
                markersize=5.5,
                color=COLOUR["bad"],
                label="reached the limit: may be cut",
            )
        )
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 1),
        ncols=len(handles),
        frameon=False,
        borderaxespad=0,
        borderpad=0,
        handlelength=1.1,
        columnspacing=1.8,
    )
