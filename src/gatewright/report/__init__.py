"""Floor 9: the page that tells a colleague what a design is and how far to trust it."""

from gatewright.report.page import render

__all__ = ["render"]
