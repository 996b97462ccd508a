"""Replace negative values by zero, and larger ones than a limit by it."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.ops.clip import Clip


@dataclass(frozen=True, eq=False)
class Relu(Clip):
    """Replace negative values by zero, and values above `high` (ReLU6: 6) by it."""

    low: float | None = 0.0
