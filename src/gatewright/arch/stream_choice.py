"""What a stream design's planner chose, for each operation and in all."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.arch.stream_cost import Cost
from gatewright.ir import Plan


@dataclass(frozen=True)
class StreamChoice:
    """What was planned for one operation, and why.

    Attributes:
        steps: of one event.
        multipliers: that a folded product has.
        cost: estimated.
    """

    node: str
    layer: str
    plan: Plan
    steps: int
    multipliers: int
    cost: Cost
    reason: str


@dataclass(frozen=True)
class StreamPlan:
    """Plans by the name of a node or input, and the table of choices.

    Attributes:
        interval: cycles that every operation was given.
    """

    interval: int
    plans: dict[str, Plan]
    choices: tuple[StreamChoice, ...]

    @property
    def cost(self) -> Cost:
        """Estimated, of all operations."""
        return sum((choice.cost for choice in self.choices), Cost())
