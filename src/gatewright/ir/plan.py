"""The shape of hardware chosen for an operation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Fully parallel (`reuse` 1: a new input every cycle) or folded over `reuse` cycles.

    With a reuse factor R the operation's multipliers serve R cycles each, so that about 1/R of
    them are there and the initiation interval is R.
    """

    reuse: int = 1

    @property
    def is_parallel(self) -> bool:
        """Whether the circuit takes a new input every cycle."""
        return self.reuse == 1

    def __str__(self) -> str:
        """Print for tables."""
        return "parallel" if self.is_parallel else f"folded R={self.reuse}"


PARALLEL = Plan()
