"""What other programs need beside the RTL: clock constraints and scripts.

All scripts are started in the folder that holds `rtl/`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gatewright.base import OptionError
from gatewright.emit.header import generator

FAMILIES = (
    (r"x[acq](vu|ku|au)\d+p|x[acq]zu\d|xck\d|xcu\d", "xcup"),
    (r"x[cq][vk]u\d", "xcu"),
    (r"x[acq]7", "xc7"),
    (r"lfe5u", "ecp5"),
)
"""Part numbers (AMD DS890, DS180; Lattice FPGA-DS-02012) and the families of Yosys' flows."""


def check_part(part: str) -> str:
    """Return a part number that may stand in a script.

    Raises:
        OptionError: it holds something that no part number has.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", part):
        raise OptionError(
            "not a part number",
            found=part,
            supported="letters, digits, '-', '_' and '.'",
            remedy="name a part such as xcvu13p-flga2577-2-e",
        )
    return part


def check_clock(clock_ns: float) -> float:
    """Return a clock period in ns.

    Raises:
        OptionError: it is not a positive, finite number.
    """
    if not 0 < clock_ns < 1e6:
        raise OptionError(
            "an impossible clock period", found=f"{clock_ns} ns", supported="more than 0 ns"
        )
    return clock_ns


def yosys_family(part: str) -> str | None:
    """Return the family that Yosys calls a part's, or None where it has none."""
    for pattern, family in FAMILIES:
        if re.match(pattern, part.lower()):
            return family
    return None


def emit_xdc(clock_ns: float) -> str:
    """Return Xilinx design constraints for a design synthesised out of context."""
    period = f"{check_clock(clock_ns):.3f}"
    return f"""# {generator()}
# Out of context: the design is a part of a larger one that brings the clock.
create_clock -name clk -period {period} -waveform {{0.000 {check_clock(clock_ns) / 2:.3f}}} \\
  [get_ports clk]

# Paths from and to ports count with no delay outside, so that they are timed at all.
set_input_delay -clock clk 0.000 [get_ports -filter {{DIRECTION == IN && NAME != clk}}]
set_output_delay -clock clk 0.000 [get_ports -filter {{DIRECTION == OUT}}]
"""


def emit_yosys(top: str, files: Sequence[str], part: str) -> str:
    """Return a Yosys script: `yosys -s scripts/synth.ys`."""
    family = yosys_family(check_part(part))
    read = "\n".join(f"read_verilog {file}" for file in files)
    if family is None:
        how = f"# Yosys has no flow for {part}: generic gates.\nsynth -flatten -top {top}\n"
    elif family == "ecp5":
        how = f"synth_ecp5 -top {top}\n"
    else:
        flow = f"synth_xilinx -family {family} -flatten -noiopad -noclkbuf -top {top}"
        how = (
            f"{flow} -run begin:map_dsp\n"
            "# Yosys does not read `use_dsp`; products of this type it leaves to LUTs.\n"
            "chtype -set $__soft_mul a:use_dsp=no %ci1 t:$mul %i\n"
            f"{flow} -run map_dsp:\n"
        )
    return f"""# {generator()}: yosys -s scripts/synth.ys
{read}
{how}stat
write_json {top}.json
"""


def emit_vivado(top: str, files: Sequence[str], part: str) -> str:
    """Return a Vivado script: synthesis, placement and routing out of context."""
    read = "\n".join(f"read_verilog {file}" for file in files)
    return f"""# {generator()}: vivado -mode batch -source scripts/vivado.tcl
{read}
read_xdc -mode out_of_context constraints/{top}.xdc
synth_design -mode out_of_context -top {top} -part {check_part(part)}
opt_design
place_design
phys_opt_design
route_design
report_utilization -hierarchical -file utilization.rpt
report_timing_summary -file timing.rpt
write_checkpoint -force {top}.dcp
"""


NEXTPNR = re.compile(r"lfe5u(m|m5g|)-(\d\d)f-([678])", re.I)


def emit_nextpnr(top: str, clock_ns: float, part: str) -> str:
    """Return a shell script that places and routes for ECP5 what `emit_yosys` synthesised."""
    return f"""#!/bin/sh
# {generator()}: sh scripts/nextpnr.sh, after yosys -s scripts/synth.ys
# Out of context: the design is a part of a larger one that brings clock and pins.
nextpnr-ecp5 {" ".join(nextpnr_options(clock_ns, part))} \\
  --json {top}.json --report timing.json
"""


def nextpnr_options(clock_ns: float, part: str) -> list[str]:
    """Return the options that tell nextpnr part and clock.

    Raises:
        OptionError: the part is no ECP5.
    """
    match = NEXTPNR.match(check_part(part))
    if match is None:
        raise OptionError("not an ECP5 part", found=part, supported="such as LFE5U-85F-6BG381C")
    kind = {"": "", "m": "um-", "m5g": "um5g-"}[match[1].lower()]
    clock = f"{1e3 / check_clock(clock_ns):.6g}"
    return [f"--{kind}{match[2]}k", "--speed", match[3], "--freq", clock, "--timing-allow-fail",
            "--out-of-context"]  # fmt: skip


VECTORS = ("vectors/inputs.hex", "vectors/outputs.hex")


def emit_core(
    top: str, files: Sequence[str], clock_ns: float, part: str, vectors: Sequence[str] = VECTORS
) -> str:
    """Return a FuseSoC core description (CAPI2)."""
    played = "\n".join(f"      - {path}: {{copyto: {path}}}" for path in vectors)
    rtl = "\n".join(f"      - {file}" for file in files)
    ecp5 = yosys_family(check_part(part)) == "ecp5"
    tool = f"      vivado:\n        part: {part}"
    if ecp5:
        tool = f"      trellis:\n        nextpnr_options: {nextpnr_options(clock_ns, part)}"
    return f"""CAPI=2:
# {generator()}
name: gatewright:design:{top}:1.0.0
description: "{top}, clock period {check_clock(clock_ns):.3f} ns"

filesets:
  rtl:
    files:
{rtl}
    file_type: verilogSource-2005
  bench:
    files:
      - tb/tb_{top}.v
    file_type: verilogSource-2005
  vectors:
    files:
{played}
    file_type: user
  clock:
    files:
      - constraints/{top}.xdc
    file_type: xdc

targets:
  default:
    filesets: [rtl]
    toplevel: {top}
  sim:
    default_tool: icarus
    filesets: [rtl, bench, vectors]
    toplevel: tb_{top}
  synth:
    default_tool: {"trellis" if ecp5 else "vivado"}
    filesets: [rtl, clock]
    toplevel: {top}
    tools:
{tool}
"""
