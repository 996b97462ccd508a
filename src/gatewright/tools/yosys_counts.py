"""Turn Yosys's cells into the resources of a Xilinx or Lattice ECP5 device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatewright.base.errors import ToolError

# LUT sites that one memory primitive takes (UG953, UG974: unimacro and primitive tables).
LUTRAM_SITES = {
    "RAM16X1S": 1,
    "RAM16X1D": 2,
    "RAM32X1S": 1,
    "RAM32X1D": 2,
    "RAM64X1S": 1,
    "RAM64X1D": 2,
    "RAM128X1S": 2,
    "RAM128X1D": 4,
    "RAM256X1S": 4,
    "RAM256X1D": 8,
    "RAM512X1S": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X16DR8": 8,
    "RAM64X8SW": 8,
    "TRELLIS_DPR16X4": 6,  # two slices of memory, one to write them (Lattice FPGA-TN-02204)
}
SRL = ("SRL16", "SRL16E", "SRLC16", "SRLC16E", "SRLC32E")
LUTS = ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "LUT6_2", "CFGLUT5")
LUT_UNITS = dict.fromkeys(LUTS, 1) | {"CCU2C": 2}
"""A carry cell of ECP5 is two of its LUTs; those of Xilinx stand beside the LUTs they follow."""
REGISTERS = ("FDRE", "FDSE", "FDCE", "FDPE", "LDCE", "LDPE", "TRELLIS_FF")
BRAM_UNITS = {"RAMB18E1": 0.5, "RAMB18E2": 0.5, "RAMB36E1": 1.0, "RAMB36E2": 1.0, "DP16KD": 0.5}
DSPS = ("DSP48E1", "DSP48E2", "MULT18X18D")
CARRY_UNITS = {"CARRY4": 1, "CARRY8": 2, "CCU2C": 0.5}
WIDE = ("MUXF7", "MUXF8", "MUXF9", "PFUMX", "L6MUX21")
# Cells without hardware: notes on the hierarchy, printing, formal statements.
NOTHING = ("$scopeinfo", "$print", "$check", "$assert", "$assume", "$cover")
_SUFFIX = "_1"  # the falling-edge twins of primitives


@dataclass(frozen=True)
class Counts:
    """Count a netlist's resources.

    `lut` is LUT1 to LUT6 as logic (an inverter is free, the next LUT absorbs it; for ECP5 LUT4, a
    carry cell being two), `ff` registers and latches, `carry` chains in units of four bits (CARRY4;
    two make a CARRY8), `dsp` DSP48 blocks or 18x18 multipliers, `bram` 36 kbit units (RAMB18 and
    DP16KD = 0.5), `muxf` MUXF7 to MUXF9 or PFUMX and L6MUX21, `lutram` and `srl` the LUT sites used
    as memory and as shift registers, `uram` URAM288. `cells` holds every primitive.
    """

    lut: int = 0
    ff: int = 0
    carry: int = 0
    dsp: int = 0
    bram: float = 0.0
    muxf: int = 0
    lutram: int = 0
    srl: int = 0
    uram: int = 0
    cells: dict[str, int] = field(default_factory=dict)

    @property
    def lut_sites(self) -> int:
        """Return all LUT sites: logic, memory and shift registers (Vivado's "CLB LUTs")."""
        return self.lut + self.lutram + self.srl

    def __add__(self, other: Counts) -> Counts:
        """Return the sum."""
        names = {*self.cells, *other.cells}
        return counts_of({n: self.cells.get(n, 0) + other.cells.get(n, 0) for n in names})

    def __mul__(self, times: int) -> Counts:
        """Return the counts of `times` copies."""
        return counts_of({name: number * times for name, number in self.cells.items()})


def counts_of(cells: Mapping[str, int]) -> Counts:
    """Return the counts of cells given by type.

    Raises `ToolError` where Yosys left a cell that is no primitive of the device, because a figure
    without it would be too low.
    """
    real = {name: cells[name] for name in sorted(cells) if cells[name] and name not in NOTHING}
    left = {name: number for name, number in real.items() if name.startswith("$")}
    if left:
        raise ToolError(
            "Yosys left cells that it cannot map to the device, so the count would be too low",
            found=", ".join(f"{number} {name}" for name, number in left.items()),
            remedy="write the logic with operators that synthesis tools map",
        )

    def total(units: Mapping[str, float]) -> float:
        return sum(n * units.get(name.removesuffix(_SUFFIX), 0) for name, n in real.items())

    def plain(names: tuple[str, ...]) -> int:
        return int(total(dict.fromkeys(names, 1)))

    return Counts(
        lut=int(total(LUT_UNITS)),
        ff=plain(REGISTERS),
        carry=int(total(CARRY_UNITS)),
        dsp=plain(DSPS),
        bram=float(total(BRAM_UNITS)),
        muxf=plain(WIDE),
        lutram=int(total(LUTRAM_SITES)),
        srl=plain(SRL),
        uram=plain(("URAM288", "URAM288_BASE")),
        cells=real,
    )
