"""Every model that was tried while choosing formats: what it costs, what it reaches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gatewright.report.figures.canvas import (
    COLOUR,
    WIDTH,
    Drawing,
    new_figure,
    panel,
    style,
    to_svg,
)

HEIGHT = 240.0
MOST = 1000
"""Points drawn."""


def draw_search(quantization: Mapping[str, Any] | None) -> Drawing | None:
    """Draw cost against metric; None where no history was kept."""
    history = [(float(c), float(m)) for c, m in (quantization or {}).get("history") or ()]
    points = [p for p in history if all(map(math.isfinite, p))]
    if not points or quantization is None:
        return None
    left_out = ""
    if len(points) > MOST:
        left_out = f"Shown: the last {MOST:,} of {len(points):,} models tried."
        points = points[-MOST:]
    with style("search"):
        return Drawing(_draw(points, quantization), left_out)


def _draw(points: list[tuple[float, float]], quantization: Mapping[str, Any]) -> Markup:
    name = str(quantization.get("metric_name", "metric"))
    figure = new_figure(HEIGHT)
    axes = panel(figure, 64, 12, WIDTH - 64 - 20, HEIGHT - 12 - 36)
    axes.grid()
    costs, metrics = zip(*points, strict=True)
    axes.plot(
        costs,
        metrics,
        linestyle="",
        marker="o",
        markersize=5,
        color=COLOUR["soft"],
        markeredgecolor=COLOUR["accent"],
        markeredgewidth=0.8,
    )
    chosen = quantization.get("cost")
    match = [p for p in points if chosen is not None and p[0] == chosen]
    if match:
        axes.plot(
            [match[-1][0]],
            [match[-1][1]],
            linestyle="",
            marker="o",
            markersize=9,
            color=COLOUR["synthesised"],
            markeredgecolor=COLOUR["paper"],
            markeredgewidth=1,
        )
        axes.annotate(
            "chosen", match[-1], xytext=(9, -3), textcoords="offset points", color=COLOUR["ink"]
        )
    if max(costs) > 8 * max(min(costs), 1):
        axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.4g} %"))
    axes.tick_params(axis="y", colors=COLOUR["muted"])
    axes.set_xlabel("estimated LUTs")
    axes.set_ylabel(name)
    return to_svg(
        figure, "search", f"Models tried while choosing formats: {name} against estimated LUTs"
    )
