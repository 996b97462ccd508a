"""What was compared with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.report.text import DASH, one_line, seconds


@dataclass(frozen=True)
class Line:
    """One comparison; `state` is `exact`, `open` or `failed`, for its colour."""

    subject: str
    method: str
    vectors: str
    status: str
    state: str
    detail: str
    seconds: str


STATES = {"exact": "exact", "equal": "exact", "failed": "failed"}


def ledger_of(facts: Mapping[str, Any]) -> list[Line]:
    """Return the ledger: the import check first, as everything else rests on it."""
    lines = []
    imported = facts.get("import_check")
    if imported:
        lines.append(_line({"subject": "import of the model", "detail": "", **imported}))
    verification = facts.get("verification") or {}
    return lines + [_line(check) for check in verification.get("checks", ())]


def _line(check: Mapping[str, Any]) -> Line:
    status = str(check.get("status", ""))
    vectors = int(check.get("vectors") or 0)
    return Line(
        str(check.get("subject", "")),
        str(check.get("method", "")),
        f"{vectors:,}" if vectors else DASH,
        status,
        STATES.get(status, "open"),
        one_line(check.get("detail") or ""),
        seconds(float(check["seconds"])) if check.get("seconds") else DASH,
    )
