"""What all figures share: a clean style, the page's colours, SVG that is the same every time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Each role is drawn in a colour that nothing else has, and then replaced by the page's variable, so
# that one drawing serves the light and the dark page.
ROLES = ("ink", "muted", "grid", "estimated", "synthesised", "accent", "soft", "bad", "paper")
COLOUR = {role: f"#0b0b{i:02x}" for i, role in enumerate(ROLES, start=1)}

WIDTH = 720.0
"""Width of every figure in points; the page scales it."""

ROW = 17.0
"""Height of a row in points."""

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": COLOUR["ink"],
    "text.usetex": False,
    "text.parse_math": False,
    "axes.edgecolor": COLOUR["grid"],
    "axes.labelcolor": COLOUR["muted"],
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.spines.bottom": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": COLOUR["grid"],
    "grid.linewidth": 0.8,
    "xtick.color": COLOUR["muted"],
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.color": COLOUR["ink"],
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


@dataclass(frozen=True)
class Drawing:
    """A figure, and what it leaves out, in words; empty where it shows everything."""

    svg: Markup
    left_out: str = ""


@contextmanager
def style(name: str) -> Iterator[None]:
    """Draw in this module's style, whatever the user's own settings of matplotlib are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = {**STYLE, "svg.hashsalt": name}
        mpl.rcParams.update(settings)
        yield


def new_figure(height: float) -> Figure:
    """Return a figure of the page's width; all lengths are in points."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    FigureCanvasSVG(figure)
    return figure


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return axes whose left upper corner is at (left, top), in points from the figure's own."""
    total = figure.get_figheight() * 72
    bottom = total - top - height
    return figure.add_axes((left / WIDTH, bottom / total, width / WIDTH, height / total))


def rows_axis(axes: Axes, labels: list[str]) -> None:
    """Label rows from top to bottom."""
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", pad=6)


def label_width(labels: list[str]) -> float:
    """Return the room that row labels need at the left, in points."""
    return min(230.0, 16.0 + 5.6 * max((len(label) for label in labels), default=0))


def to_svg(figure: Figure, name: str, description: str) -> Markup:
    """Return a figure as SVG for the inside of a page.

    Nothing refers outside, no identifier meets that of another figure, and the same figure gives
    the same text: no date, no random identifiers.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.S)
    text = re.sub(r"<g id=\"[^\"]*\"", "<g", text)
    text = re.sub(r"(<path |<clipPath )id=\"", rf'\1id="{name}-', text)
    text = text.replace('xlink:href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    text = re.sub(r" transform=\"rotate\(-?0 [^)]*\)\"", "", text)
    text = re.sub(r"font: (?:[a-z]+ )*(?:\d+ )?([\d.]+px) [^;\"]*", r"font-size: \1", text)
    text = re.sub(r"font-family: [^;\"]*(; )?", "", text)
    text = re.sub(r"#0b0b([0-9a-f]{2})", lambda m: f"var(--{ROLES[int(m[1], 16) - 1]})", text)
    text = re.sub(r"\n\s*", "\n", text)
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box is not None
    head = f'<svg viewBox="{box[1]}" role="img" aria-label="{escape(description)}">'
    return Markup(head + text[text.index(">") + 1 :])
