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


WITHIN = "within rounding"
"""Of floats: the two differ by no more than a bound derived for every operation."""

GOOD = ("exact", "equal", "proven", "within", WITHIN)
STATES = {**dict.fromkeys(GOOD, "exact"), "failed": "failed"}


def ledger_of(facts: Mapping[str, Any]) -> list[Line]:
    """Return the ledger: the checks of the import first, as everything else rests on them."""
    lines = [_line(_of_source(check)) for check in facts.get("source_checks") or ()]
    imported = facts.get("import_check")
    # A float model has no integers of its own; what quantization lost stands under accuracy.
    if imported and (imported.get("vectors") or not facts.get("quantization")):
        lines.append(_line({"subject": "integers of the model", "detail": "", **imported}))
    verification = facts.get("verification") or {}
    return lines + [_line(check) for check in verification.get("checks", ())]


def _of_source(check: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run of the source model itself as a check among the others."""
    ran = bool(check["vectors"])
    alike = ran and not check["worst"]
    found = f"largest difference {check['worst']:.1e}, {check['share']:.2%} of its bound"
    return {
        "subject": "import of the model",
        "method": check["method"],
        "vectors": check["vectors"],
        "status": "equal" if alike else WITHIN if ran else "not run",
        "detail": check["detail"] if alike or not ran else found,
    }


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
