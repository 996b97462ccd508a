"""The pipeline: from which cycle to which each layer works on one input."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
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
from gatewright.report.text import plural, row_labels

MOST = 48
"""Layers drawn; the table has all."""


def draw_timeline(layers: Sequence[Layer], latency: int, period_ns: float) -> Drawing | None:
    """Draw a bar for each layer; None where there is no layer."""
    inner = [layer for layer in layers if not layer.is_top]
    if not inner:
        return None
    shown, left_out = inner, ""
    if len(inner) > MOST:
        longest = sorted(range(len(inner)), key=lambda i: (inner[i].begin - inner[i].end, i))[:MOST]
        shown = [inner[i] for i in sorted(longest)]
        left_out = (
            f"Shown: the {MOST} layers that take longest, of {len(inner)}; "
            f"{len(inner) - MOST} are in the table only."
        )
    with style("timeline"):
        return Drawing(_draw(shown, latency, period_ns), left_out)


def _draw(layers: Sequence[Layer], latency: int, period_ns: float) -> Markup:
    labels = row_labels(layer.name for layer in layers)
    left, head, foot, right = label_width(labels), 8.0, 36.0, 16.0
    step = ROW * 1.2
    figure = new_figure(head + step * len(layers) + foot)
    axes = panel(figure, left, head, WIDTH - left - right, step * len(layers))
    rows_axis(axes, labels)
    last = max(latency, max(layer.end for layer in layers), 1)
    axes.set_xlim(0, last)
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.grid(axis="x")
    for y, layer in enumerate(layers):
        _bar(axes, y, layer, last)
    answer = plural(latency, "cycle")
    axes.set_xlabel(f"clock cycle after the input, {period_ns:.4g} ns each; answer after {answer}")
    return to_svg(figure, "timeline", "Pipeline: the cycles in which each layer works on one input")


def _bar(axes: Axes, y: int, layer: Layer, last: int) -> None:
    length = layer.end - layer.begin
    if not length:
        axes.plot(
            [layer.begin],
            [y],
            marker="|",
            markersize=10,
            markeredgewidth=2,
            color=COLOUR["accent"],
            clip_on=False,
        )
    else:
        axes.barh(y, length, left=layer.begin, height=0.6, color=COLOUR["accent"], linewidth=0)
    text = f"{length}" if length else "0: no register"
    x, shift, align, role = layer.end, 6, "left", "muted"
    if layer.end > 0.88 * last:
        inside = length > 0.1 * last
        x, shift, align = (layer.end if inside else layer.begin), -6, "right"
        role = "paper" if inside else "muted"
    axes.annotate(
        text,
        (x, y),
        xytext=(shift, 0),
        textcoords="offset points",
        va="center",
        ha=align,
        fontsize=8.5,
        color=COLOUR[role],
        annotation_clip=False,
    )
