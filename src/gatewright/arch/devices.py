"""The parts we know: family, resources, and the delay model of the fabric."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from gatewright.arch.calibration import Calibration, calibrated
from gatewright.base import OptionError
from gatewright.hw import DspBlock
from gatewright.passes.netlist import DelayModel

ULTRASCALE_PLUS, ON_ULTRASCALE_PLUS = calibrated("ultrascale_plus", dsp=2.6, dsp_add=1.1)
ECP5_6, ON_ECP5_6 = calibrated("ecp5_6")
ECP5_8, ON_ECP5_8 = calibrated("ecp5_8")
ULTRASCALE = DelayModel(
    lut=0.38, carry=0.58, carry_bit=0.010, mux=0.15, register=0.25,
    source="constants of the order of UltraScale -2, not calibrated on routed designs",
    dsp=3.2, dsp_add=1.3,
)  # fmt: skip
SERIES_7 = DelayModel(
    lut=0.65, carry=0.95, carry_bit=0.028, mux=0.25, register=0.40,
    source="constants of the order of 7-series -1, not calibrated on routed designs",
    dsp=3.4, dsp_add=1.5,
)  # fmt: skip


BLOCKS = {
    "xcup": DspBlock(27, 18), "xcu": DspBlock(27, 18), "xc7": DspBlock(25, 18),
    "ecp5": DspBlock(18, 18),
}  # fmt: skip
"""What one DSP block multiplies, by family."""


@dataclass(frozen=True)
class Device:
    """A part.

    Attributes:
        family: the name Yosys gives its family: xc7, xcu, xcup, ecp5.
        lut, ff, dsp: how many there are; bram: blocks of 36 kbit; uram: blocks of 288 kbit.
        delay: how long cells take; `delay.sized` makes it that of a design.
        calibration: what the delays were fitted to and their error; None where they are a guess.
    """

    name: str
    part: str
    family: str
    lut: int
    ff: int
    dsp: int
    bram: int
    uram: int
    delay: DelayModel
    note: str = ""
    calibration: Calibration | None = None

    def fmax_text(self, mhz: float) -> str:
        """Return an estimated clock with the error band that is known for it."""
        return f"{mhz:.0f} MHz ({self.calibration or 'not calibrated'})"

    @property
    def block(self) -> DspBlock:
        """What one DSP block multiplies."""
        return BLOCKS[self.family]


DEVICES: tuple[Device, ...] = (
    Device("xcvu13p", "xcvu13p-flga2577-2-e", "xcup", 1728000, 3456000, 12288, 2688, 1280,
           ULTRASCALE_PLUS, "CMS and ATLAS phase-2 trigger boards", ON_ULTRASCALE_PLUS),
    Device("xcvu9p", "xcvu9p-flga2104-2L-e", "xcup", 1182240, 2364480, 6840, 2160, 960,
           ULTRASCALE_PLUS, "APx, Serenity, AWS F1", ON_ULTRASCALE_PLUS),
    Device("xcu250", "xcu250-figd2104-2L-e", "xcup", 1728000, 3456000, 12288, 2688, 1280,
           ULTRASCALE_PLUS, "Alveo U250", ON_ULTRASCALE_PLUS),
    Device("xcu50", "xcu50-fsvh2104-2-e", "xcup", 871680, 1743360, 5952, 1344, 640,
           ULTRASCALE_PLUS, "Alveo U50", ON_ULTRASCALE_PLUS),
    Device("xczu9eg", "xczu9eg-ffvb1156-2-e", "xcup", 274080, 548160, 2520, 912, 0,
           ULTRASCALE_PLUS, "ZCU102", ON_ULTRASCALE_PLUS),
    Device("xcku115", "xcku115-flvb2104-2-e", "xcu", 663360, 1326720, 5520, 2160, 0,
           ULTRASCALE, "KCU1500"),
    Device("xc7vx690t", "xc7vx690tffg1927-2", "xc7", 433200, 866400, 3600, 1470, 0,
           SERIES_7, "MP7, phase-1 trigger"),
    Device("xc7z020", "xc7z020clg400-1", "xc7", 53200, 106400, 220, 140, 0,
           SERIES_7, "Pynq-Z2"),
    Device("lfe5u-25f", "LFE5U-25F-6BG381C", "ecp5", 24288, 24288, 28, 28, 0,
           ECP5_6, "ULX3S, placed and routed by open tools", ON_ECP5_6),
    Device("lfe5u-85f", "LFE5U-85F-6BG381C", "ecp5", 83640, 83640, 156, 104, 0,
           ECP5_6, "ULX3S 85F, placed and routed by open tools", ON_ECP5_6),
    Device("lfe5um5g-45f", "LFE5UM5G-45F-8BG381C", "ecp5", 43848, 43848, 72, 54, 0,
           ECP5_8, "Versa ECP5-5G, placed and routed by open tools", ON_ECP5_8),
)  # fmt: skip
"""Resource counts from AMD's product tables (DS890, DS891, DS180, DS190) and Lattice's for ECP5
(FPGA-DS-02012: LUT4, 18x18 multipliers, blocks of 18 kbit counted half)."""

DEFAULT = "xcvu13p"


def find_device(name: str) -> Device:
    """Return the device of a name or of a full part number, in any case.

    Raises:
        OptionError: it is not known.
    """
    wanted = name.lower()
    for device in DEVICES:
        if wanted in (device.name, device.part.lower()):
            return device
    known = [device.name for device in DEVICES]
    close = difflib.get_close_matches(wanted, known, 1)
    raise OptionError(
        "the device is not known",
        found=name,
        supported=", ".join(known),
        remedy=f"did you mean {close[0]}?" if close else "list them with `gatewright devices`",
    )
