"""Put the page together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from gatewright.report import text
from gatewright.report.accuracy import accuracy_of
from gatewright.report.forests import SECTION as FORESTS
from gatewright.report.forests import forests_of
from gatewright.report.glossary import GLOSSARY
from gatewright.report.layers import KINDS, costs_of
from gatewright.report.ledger import ledger_of
from gatewright.report.provenance import (
    common_reason,
    interface_of,
    operations,
    plan_of,
    provenance_of,
    steps_of,
)
from gatewright.report.ranges import ranges_of
from gatewright.report.streams import SECTION as STREAMS
from gatewright.report.streams import streams_of
from gatewright.report.tables import SECTION as TABLES
from gatewright.report.tables import tables_of
from gatewright.report.verdict import STATUSES, clock_text, tiles_of, verdict_of

SECTIONS = (
    ("accuracy", "Accuracy"),
    ("formats", "Ranges and formats"),
    ("cost", "Cost"),
    ("pipeline", "Pipeline"),
    ("verification", "Verification"),
    ("making", "Plan and time"),
    ("provenance", "Provenance"),
    ("glossary", "Words"),
)
"""Identifier and title of each section after the verdict, in order."""


def render(facts: Mapping[str, Any]) -> str:
    """Return the report: one HTML page that needs nothing else, no network and no script.

    Args:
        facts: plain data on a design (what `Design.facts` returns, or the same read from JSON).
            Parts that are None or missing, such as synthesis, are said to be missing.

    Returns:
        The page. The same facts give the same text.
    """
    return _template().render(**_context(facts))


def _context(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the templates speak of."""
    # Matplotlib takes half a second to load: only who makes a report waits for it.
    from gatewright.report.figures import (
        draw_cost,
        draw_errors,
        draw_ranges,
        draw_search,
        draw_tables,
        draw_timeline,
    )

    tables = tables_of(facts)
    ranges, costs, plan = ranges_of(facts), costs_of(facts), plan_of(facts)
    latency, clock = facts["latency"], facts["clock"]
    return {
        "facts": facts,
        "name": facts.get("name") or "unnamed design",
        "clock": clock_text(facts),
        "operations": operations(facts),
        "verdict": verdict_of(facts),
        "tiles": tiles_of(facts),
        "statuses": STATUSES,
        "sections": sections_of(facts),
        "streams": streams_of(facts),
        "tables": tables,
        "forests": forests_of(facts),
        "changed": list(facts.get("changed_files") or ()),
        "accuracy": accuracy_of(facts),
        "ranges": ranges,
        "costs": costs,
        "kinds": KINDS,
        "crossings": f"{float(latency['ns']) / 25:.3g}",
        "ledger": ledger_of(facts),
        "verified": facts.get("verification") is not None,
        "steps": steps_of(facts),
        "plan": plan,
        "plan_reason": common_reason(plan),
        "provenance": provenance_of(facts),
        "interface": interface_of(facts),
        "command": facts.get("command") or "",
        "glossary": GLOSSARY,
        "figures": {
            "tables": draw_tables(tables),
            "search": draw_search(facts.get("quantization")),
            "errors": draw_errors(facts.get("quantization")),
            "ranges": draw_ranges(ranges.rows),
            "cost": draw_cost(costs.rows),
            "timeline": draw_timeline(costs.rows, int(latency["cycles"]), float(clock["ns"])),
        },
    }


def sections_of(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return identifiers and titles of the sections that a design has, in order."""
    found = list(SECTIONS)
    if facts.get("tables"):
        found.insert(1 + [name for name, _ in found].index("formats"), TABLES)
    if facts.get("stream"):
        found.insert(1 + [name for name, _ in found].index("pipeline"), STREAMS)
    if facts.get("forests"):
        found.insert(1 + [name for name, _ in found].index("accuracy"), FORESTS)
    return found


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("gatewright.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {
        "number": text.number, "shorten": text.shorten, "full": text.full,
        "one_line": text.one_line, "plural": text.plural, "base_name": text.base_name,
    }  # fmt: skip
    return environment.get_template("page.html.jinja")


def _finalize(value: Any) -> Any:
    """Clean every string that comes from outside; markup of ours passes."""
    return text.clean(value) if type(value) is str else value
