"""Read Verilog back as word-level cells, through Yosys."""

from __future__ import annotations

import heapq
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatewright.base.errors import ToolError
from gatewright.tools.process import ending, error_lines, run, work_folder, write_sources
from gatewright.tools.rtl import check_sources, verilog_files
from gatewright.tools.yosys_plan import APART

WORKER = Path(__file__).with_name("yosys_worker.py")
TIMEOUT = 3600.0
NOTES = ("$scopeinfo",)
"""Cells that say where others come from, and compute nothing."""
UNDEFINED = -1
"""A bit that is `x` or `z`."""

Bits = tuple[int, ...]
"""Wires, lowest first: 0 and 1 are constants, `UNDEFINED` is neither, others are numbers."""


@dataclass(frozen=True, eq=False)
class NetCell:
    """A word-level cell of Yosys's internal library, or an instance of a kept module.

    Attributes:
        kind: `$add`, `$dff`, …, or the name of a module.
        inputs: the wires of each input port.
        outputs: the wires of each output port.
        parameters: numbers, but for those that are too long to be one (`INIT`): text of 0 and 1.
        source: file and lines that it comes from.
    """

    name: str
    kind: str
    inputs: dict[str, Bits]
    outputs: dict[str, Bits]
    parameters: dict[str, Any]
    source: str


@dataclass(frozen=True, eq=False)
class NetModule:
    """A module as Yosys reads it.

    Attributes:
        inputs: wires of each input port.
        outputs: wires of each output port.
        cells: in order of computation, registers like any other cell.
        loop: a cell on a loop (through a register or not), where there is one; `cells` is then in
            no order.
    """

    name: str
    inputs: dict[str, Bits]
    outputs: dict[str, Bits]
    cells: list[NetCell]
    loop: NetCell | None


def read_netlist(
    sources: Mapping[str, str], top: str, kept: Iterable[str], timeout: float = TIMEOUT
) -> dict[str, NetModule]:
    """Return the top and the kept modules, every other module flattened into them.

    Yosys parses, elaborates and turns processes into registers and multiplexers (`proc`); it
    optimises nothing but what nobody reads.

    Args:
        sources: Verilog by file name.
        top: name of the top module.
        kept: modules whose instances stay cells.
        timeout: seconds that Yosys may take.

    Raises:
        ToolError: Yosys is missing, or refuses the sources (with its line).
    """
    check_sources(dict(sources))
    kept = [name for name in kept if name != top]
    with work_folder() as work:
        write_sources(sources, work / "src")
        files = " ".join(f"src/{name}" for name in verilog_files(dict(sources)))
        script = [
            f"read_verilog -Isrc {files}",
            f"hierarchy -check -top {top}",
            "proc",
            "memory_collect",
            APART,  # what the source keeps apart is kept for synthesis only
            *(f"setattr -mod -set keep_hierarchy 1 {name}" for name in kept),
            "flatten",
            "opt_clean",
            "write_json netlist.json",
        ]
        (work / "read.ys").write_text("\n".join(script) + "\n")
        done = run(
            [sys.executable, "-P", WORKER, "read.ys", "read.done"],
            cwd=work,
            timeout=timeout,
            what="Yosys (reading the netlist)",
            env={"TMPDIR": str(work)},
        )
        if done.status != 0 or not (work / "netlist.json").is_file():
            found = error_lines(done.text, r"ERROR:|Error|not found", limit=1)
            raise ToolError(
                f"Yosys refuses the Verilog of {top!r}:\n  {found.replace('src/', '')}",
                found=ending(done.status),
            )
        design = json.loads((work / "netlist.json").read_text())
    return {name: _module(name, facts) for name, facts in design["modules"].items()}


def _module(name: str, facts: Mapping[str, Any]) -> NetModule:
    ports = {
        side: {p: _bits(v["bits"]) for p, v in facts["ports"].items() if v["direction"] == side}
        for side in ("input", "output")
    }
    wanted = [(n, c) for n, c in facts["cells"].items() if c["type"] not in NOTES]
    cells, loop = _in_order([_cell(n, c) for n, c in wanted])
    return NetModule(name, ports["input"], ports["output"], cells, loop)


def _bits(bits: Iterable[int | str]) -> Bits:
    return tuple(b if type(b) is int else {"0": 0, "1": 1}.get(str(b), UNDEFINED) for b in bits)


def _cell(name: str, facts: Mapping[str, Any]) -> NetCell:
    directions, wires = facts["port_directions"], facts["connections"]
    return NetCell(
        name,
        facts["type"],
        {p: _bits(b) for p, b in wires.items() if directions[p] == "input"},
        {p: _bits(b) for p, b in wires.items() if directions[p] == "output"},
        {key: _number(value) for key, value in facts["parameters"].items()},
        str(facts.get("attributes", {}).get("src", "")).replace("src/", ""),
    )


def _number(value: Any) -> Any:
    """Return a parameter as a number; long ones and names stay text."""
    if isinstance(value, str) and 0 < len(value) <= 32 and not value.strip("01"):
        return int(value, 2)
    return value


def _in_order(cells: list[NetCell]) -> tuple[list[NetCell], NetCell | None]:
    """Sort cells by dependence, in the file's order where that is free; name one on a loop."""
    driver = {b: i for i, cell in enumerate(cells) for bits in cell.outputs.values() for b in bits}
    readers: list[list[int]] = [[] for _ in cells]
    missing = [0] * len(cells)
    for i, cell in enumerate(cells):
        sources = {driver[b] for bits in cell.inputs.values() for b in bits if b in driver}
        missing[i] = len(sources)
        for source in sources:
            readers[source].append(i)
    ready = [i for i, count in enumerate(missing) if not count]
    order = []
    while ready:
        i = heapq.heappop(ready)
        order.append(cells[i])
        for reader in readers[i]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, reader)
    if len(order) == len(cells):
        return order, None
    return cells, next(cell for cell, count in zip(cells, missing, strict=True) if count)
