"""Errors of outputs that were quantized for a bound: each input tried, between the bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from gatewright.report.figures.canvas import (
    COLOUR,
    WIDTH,
    Drawing,
    new_figure,
    panel,
    style,
    to_svg,
)

HEIGHT = 170.0
"""Of one output's panel."""

MOST = 3
"""Outputs that are drawn."""


def draw_errors(quantization: Mapping[str, Any] | None) -> Drawing | None:
    """Draw error against the real output; None where no bound was asked for."""
    tried = (quantization or {}).get("tried") or {}
    if not tried or quantization is None:
        return None
    left_out = "" if len(tried) <= MOST else f"Shown: {MOST} of {len(tried)} outputs."
    with style("errors"):
        return Drawing(_draw(dict(list(tried.items())[:MOST]), quantization["derived"]), left_out)


def _draw(tried: Mapping[str, Any], derived: Mapping[str, float]) -> Markup:
    figure = new_figure(HEIGHT * len(tried))
    for n, (name, found) in enumerate(tried.items()):
        axes = panel(figure, 74, HEIGHT * n + 14, WIDTH - 74 - 20, HEIGHT - 14 - 36)
        axes.grid()
        bound = float(derived[name])
        for end in (-bound, bound):
            axes.axhline(end, color=COLOUR["bad"], linewidth=1.2)
        axes.plot(
            found["real"],
            found["error"],
            linestyle="",
            marker="o",
            markersize=2.5,
            color=COLOUR["accent"],
            markeredgewidth=0,
        )
        axes.set_ylim(-1.15 * bound, 1.15 * bound)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="y", colors=COLOUR["muted"])
        axes.set_xlabel(f"{name}, real expression")
        axes.set_ylabel("error")
    return to_svg(figure, "errors", "Error of each output against its value, between its bounds")
