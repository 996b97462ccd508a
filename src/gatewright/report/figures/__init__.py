"""One figure a file, drawn with matplotlib as inline SVG that follows the page's colours."""

from gatewright.report.figures.cost import draw_cost
from gatewright.report.figures.errors import draw_errors
from gatewright.report.figures.ranges import draw_ranges
from gatewright.report.figures.search import draw_search
from gatewright.report.figures.tables import draw_tables
from gatewright.report.figures.timeline import draw_timeline

__all__ = ["draw_cost", "draw_errors", "draw_ranges", "draw_search", "draw_tables", "draw_timeline"]
