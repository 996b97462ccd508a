"""The shape of hardware chosen for an operation."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.hw import DspBlock


@dataclass(frozen=True)
class Offload:
    """DSP blocks that take part of a product with constants off the adders.

    Attributes:
        count: blocks for one copy of the operation's circuit.
        block: what one block multiplies.
        levels: how long the blocks take, in adders.
        price: adders that one signed digit of the constants costs.
    """

    count: int
    block: DspBlock
    levels: int
    price: float


@dataclass(frozen=True)
class Plan:
    """Fully parallel (`reuse` 1: a new input every cycle) or folded over `reuse` cycles.

    With a reuse factor R the operation's multipliers serve R cycles each, so that about 1/R of
    them are there and the initiation interval is R. A parallel operation can have DSP blocks.
    """

    reuse: int = 1
    offload: Offload | None = None
    beat: int = 0
    taken: int = 0
    memory: str = "auto"
    multipliers: str = "auto"

    @property
    def is_parallel(self) -> bool:
        """Whether the circuit takes a new input every cycle."""
        return self.reuse == 1

    def __str__(self) -> str:
        """Print for tables."""
        if self.beat:
            return f"stream of {self.beat}" + (f", {self.taken} taken" if self.taken else "")
        if not self.is_parallel:
            return f"folded R={self.reuse}"
        return "parallel" if self.offload is None else f"parallel, {self.offload.count} DSP"


PARALLEL = Plan()
