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

    Attributes:
        reuse: cycles of an input, 1 for a parallel operation.
        offload: DSP blocks of a parallel operation.
        beat: on streams, elements of a beat of the result.
        taken: of a product folded over steps, elements of a row taken in a step; 0: not folded.
        bits: of a product with constants, bits of each element worked on in a step; 0: all.
        memory: what holds the weights of a folded product: "distributed" (LUTs), "block", or "auto"
            by their size.
        block: the DSP block that products of a folded operation may use; None: LUTs alone.
        multipliers: what multiplies there: "lut", "dsp", or "auto" by the widths.
        writable: the weights of a folded product can be written while the design runs.
        weight_bits: of each weight that can be written; 0: as many as the model's need.
        bias_bits: of each bias; 0: likewise, and as many as a product has.
        unroll: on streams, a circuit for each step of a recurrent layer; else one for all, with the
            state in registers.
        cell: of such a circuit for all steps, the plans of the products that are folded, by the
            name of their node in a step; the other operations of the step stay parallel.
        lanes: of a forest on streams, trees that are walked at once, a node of each in a step; 0: a
            circuit for the whole forest.
    """

    reuse: int = 1
    offload: Offload | None = None
    beat: int = 0
    taken: int = 0
    bits: int = 0
    memory: str = "auto"
    block: DspBlock | None = None
    multipliers: str = "auto"
    writable: bool = False
    weight_bits: int = 0
    bias_bits: int = 0
    unroll: bool = False
    cell: tuple[tuple[str, Plan], ...] = ()
    lanes: int = 0

    @property
    def is_parallel(self) -> bool:
        """Whether the circuit takes a new input every cycle."""
        return self.reuse == 1

    def __str__(self) -> str:
        """Print for tables."""
        if self.beat:
            how = f", {self.taken} taken" if self.taken else ""
            how += f", {self.lanes} lanes" if self.lanes else ""
            return f"stream of {self.beat}" + (f", {self.bits} bits a step" if self.bits else how)
        if not self.is_parallel:
            return f"folded R={self.reuse}"
        return "parallel" if self.offload is None else f"parallel, {self.offload.count} DSP"


PARALLEL = Plan()
