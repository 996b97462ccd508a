"""Find the products of two variables, and give DSP blocks to some of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gatewright.hw import DspBlock, Kind, Module
from gatewright.hw.dsp import SMALLEST, signed_width
from gatewright.passes.netlist.cost import cell_luts, counted


@dataclass(frozen=True, eq=False)
class Multiplier:
    """A product that LUTs compute so far.

    Attributes:
        module, signal: where it is.
        luts: what it takes now, in one copy of the module.
        blocks: DSP blocks that it would take.
        copies: of the module in the whole design.
    """

    module: Module
    signal: int
    luts: float
    blocks: int
    copies: int

    @property
    def saving(self) -> float:
        """LUTs that each block saves."""
        return self.luts / self.blocks


def multipliers(top: Module, block: DspBlock) -> list[Multiplier]:
    """Return the products that DSP blocks could take, largest saving a block first."""
    found = []
    for module, copies in counted(top):
        for s, kind in enumerate(module.kind):
            if kind != Kind.MUL or module.imm[s] or module.width(s) < SMALLEST:
                continue
            a, b = module.a[s], module.b[s]
            blocks = block.blocks(signed_width(module, a), signed_width(module, b))
            found.append(Multiplier(module, s, cell_luts(module, s), blocks, copies))
    return sorted(found, key=lambda p: -p.saving)  # stable: equal ones stay in their order


def into_blocks(chosen: Iterable[Multiplier]) -> None:
    """Mark products for DSP blocks, in place: what they compute stays the same."""
    for product in chosen:
        product.module.imm[product.signal] = product.blocks
