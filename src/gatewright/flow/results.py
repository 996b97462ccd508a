"""What was found out about a saved design: kept beside it, as long as it is that design."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright.base import FileError
from gatewright.flow.verify import Check, Verification
from gatewright.ops.serialize import dump
from gatewright.tools.nextpnr import RoutingResult
from gatewright.tools.yosys import Counts, SynthesisResult

if TYPE_CHECKING:
    from gatewright.flow.design import Design

FORMAT = 1
RESULTS = "results.json"
STATUSES = ("exact", "within", "proven", "not proven", "not run", "failed")
TIMED = ("verify", "synthesise", "place and route")
"""Steps whose times are kept."""


def fingerprint(design: Design) -> str:
    """Return the SHA-256 of all that results depend on: RTL, model, golden vectors, options.

    Results of a design that was changed since then are not shown as its own.
    """
    structure, arrays = dump(design.model)
    digest = hashlib.sha256()
    options = design.options
    described = [structure, design.sources, options.clock_mhz, options.device.name, design.name]
    digest.update(json.dumps(described, sort_keys=True).encode())
    for part in (arrays, *(design.golden or ())):
        for name, array in sorted(part.items()):
            digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def results_of(design: Design) -> dict[str, Any]:
    """Return verification, synthesis and routing as plain data."""
    return {
        "format": FORMAT,
        "fingerprint": fingerprint(design),
        "verification": design.verification.facts() if design.verification else None,
        "synthesis": asdict(design.synthesis) if design.synthesis else None,
        "routing": asdict(design.routing) if design.routing else None,
        "timings": {name: design.timings[name] for name in TIMED if name in design.timings},
    }


def take_results(design: Design, path: Path, content: bytes) -> bool:
    """Give a design the results that were kept for it; return whether they are its own.

    Raises:
        FileError: the file is damaged.
    """
    try:
        kept = json.loads(content)
        if kept["format"] != FORMAT or kept["fingerprint"] != fingerprint(design):
            return False
        verification, synthesis = kept["verification"], kept["synthesis"]
        if verification is not None:
            checks = tuple(_check(check) for check in verification["checks"])
            design.verification = Verification(checks)
        if synthesis is not None:
            design.synthesis = _synthesis(synthesis)
        if kept.get("routing") is not None:
            design.routing = RoutingResult.of(kept["routing"])
        design.timings.update({str(name): float(s) for name, s in kept["timings"].items()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FileError(
            "the results kept with a design are damaged",
            place=str(path),
            remedy="remove the file; verify and synthesise again",
        ) from None
    return True


def _check(facts: dict[str, Any]) -> Check:
    check = Check(**facts)
    texts = (check.subject, check.method, check.status, check.detail)
    numbers = type(check.vectors) is int and isinstance(check.seconds, int | float)
    if not numbers or not all(isinstance(text, str) for text in texts):
        raise TypeError("a check of other types")
    if check.status not in STATUSES:
        raise ValueError(check.status)
    return check


def _synthesis(facts: dict[str, Any]) -> SynthesisResult:
    modules = {name: Counts(**counts) for name, counts in facts["modules"].items()}
    return SynthesisResult(**{**facts, "total": Counts(**facts["total"]), "modules": modules})
