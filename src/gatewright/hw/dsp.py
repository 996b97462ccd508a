"""What a hardware multiplier takes: the shape of a DSP block."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.hw.module import Module

SMALLEST = 9
"""Bits of the narrowest product that is worth a block: synthesis tools build smaller ones of LUTs
(AMD UG901 on 4x4 bits; Yosys' `synth_xilinx`, `DSP_Y_MINWIDTH`)."""


@dataclass(frozen=True)
class DspBlock:
    """A multiplier of two signed numbers, of `wide` and of `narrow` bits.

    27x18 in UltraScale's DSP48E2 (AMD UG579), 25x18 in the 7 series' DSP48E1 (UG479), 18x18 in
    ECP5's MULT18X18D (Lattice FPGA-TN-02205).
    """

    wide: int
    narrow: int

    def blocks(self, first: int, second: int) -> int:
        """Return the blocks that a product of operands of so many bits takes, sign included.

        An operand that is too wide is cut: all parts but the highest are unsigned, and an unsigned
        part loses the sign's bit.
        """
        return min(
            _parts(first, self.wide) * _parts(second, self.narrow),
            _parts(first, self.narrow) * _parts(second, self.wide),
        )

    def __str__(self) -> str:
        """Print as data sheets do."""
        return f"{self.wide}x{self.narrow}"


def _parts(bits: int, port: int) -> int:
    return 1 if bits <= port else -(-(bits - 1) // (port - 1))


def signed_width(m: Module, s: int) -> int:
    """Return the bits of a signal as a signed number."""
    return m.width(s) + (m.lo[s] >= 0)
