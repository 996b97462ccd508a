"""The facts of a real design, and ways to change them."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

REAL: dict[str, Any] = json.loads((Path(__file__).parent / "jet_tagger.json").read_text())


@pytest.fixture
def facts() -> dict[str, Any]:
    """Facts of the jet tagger, compiled, verified and synthesised; a copy to change."""
    return deepcopy(REAL)


@pytest.fixture(scope="session")
def real_page() -> str:
    """The page of the unchanged facts."""
    from gatewright.report import render

    return render(deepcopy(REAL))


@pytest.fixture
def bare(facts) -> dict[str, Any]:
    """The least that a design has: no data, no synthesis, no verification."""
    for name in ("synthesis", "quantization", "metrics", "import_check", "verification"):
        facts[name] = None
    for layer in facts["layers"]:
        layer.pop("synthesised", None)
    for tensor in facts["tensors"]:
        tensor.pop("observed_low", None)
        tensor.pop("observed_high", None)
    facts["latency"]["status"] = facts["interval"]["status"] = "from the circuit"
    return facts
