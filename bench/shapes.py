"""Build one network in every shape of hardware and hold each against its target.

    python bench/shapes.py                   # all: long, most of it synthesis
    python bench/shapes.py keywords gru      # some
    python bench/shapes.py --no-synthesis    # cycles and values only

Each network is compiled by `gatewright.compile` with the options that a user would give, its
answers are computed by the emulator, some events are simulated in RTL by Verilator (cycles and
integers are compared with what the design says of itself), and Yosys synthesises it for the
device. Cycles are simulated, resources synthesised. The exit status is 1 where a target was missed
or a measurement failed. Needs ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # this folder's files are `bench.*`, the tests' networks `tests.*`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console

from bench.context import Bench
from bench.material import ROOT
from bench.page import environment, page
from bench.record import Row, is_bad
from bench.results import read, updated, write
from bench.run import measure_with, table
from bench.shape_networks import SHAPE_SECTIONS

TITLE = "Shapes of hardware"
"""What the page calls these rows."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SHAPE_SECTIONS))
    parser.add_argument("--no-synthesis", action="store_true", help="without resources")
    parser.add_argument("--keep", action="store_true", help="write docs/benchmarks.md anew")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all raw numbers")
    args = parser.parse_args(arguments)
    if unknown := set(args.names) - set(SHAPE_SECTIONS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    console = Console(width=None if sys.stdout.isatty() else 160)
    start = time.perf_counter()
    names = args.names or list(SHAPE_SECTIONS)
    bench = Bench(quick=args.no_synthesis)
    rows = measure_with(SHAPE_SECTIONS, bench, names, console)
    about = environment(_command(args), time.perf_counter() - start)
    console.print(table(rows))
    for verdict in ("met", "MISSED", "FAILED", "not run"):
        console.print(f"{sum(row.verdict == verdict for row in rows)} {verdict}", end="  ")
    console.print(f"in {about['seconds']:.0f} s")
    if args.json:
        facts = {"about": about, "rows": [row.plain() for row in rows]}
        args.json.write_text(json.dumps(facts, indent=1, default=str) + "\n")
    if args.keep:
        keep(rows, about)
    return int(is_bad(rows))


def keep(rows: Sequence[Row], about: dict[str, Any], docs: Path = ROOT / "docs") -> None:
    """Put the rows of a run in the place of the old ones of their networks, and write the page."""
    store = docs / "benchmarks.json"
    before = read(store)
    rows = [replace(row, section=f"{TITLE}: {row.section}") for row in rows]
    order = [*before, *(f"{TITLE}: {name}" for name in SHAPE_SECTIONS)]
    kept = updated(before, rows, about, list(dict.fromkeys(order)))
    write(store, kept)
    (docs / "benchmarks.md").write_text(page(kept))


def _command(args: argparse.Namespace) -> str:
    flags = ["--no-synthesis"] if args.no_synthesis else []
    return " ".join(["python bench/shapes.py", *args.names, *flags])


if __name__ == "__main__":
    sys.exit(main())
