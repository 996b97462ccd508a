"""Measure Gatewright: `python bench/run.py [--circuits] [--quick] [--only NAME] ...`.

Prints a table of targets and verdicts and, after a full run or one of all circuits, keeps the rows
in docs/benchmarks.json and writes docs/benchmarks.md from it. The exit
status is 1 where a target was missed or a measurement failed. What is not there (a peer, the shared
data) is said in the table and counts as not run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":  # this folder's files are `bench.*`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bench.context import Bench
from bench.material import ROOT
from bench.page import environment, page
from bench.record import COLUMNS, MissingError, Row, is_bad
from bench.results import read, updated, write
from bench.sections import CIRCUITS, SECTIONS
from gatewright import GatewrightError

STYLES = {"met": "green", "MISSED": "bold red", "FAILED": "bold red", "not run": "yellow"}


def measure(bench: Bench, names: Sequence[str], console: Console) -> list[Row]:
    """Run sections; one that fails becomes a row and does not stop the others."""
    return measure_with(SECTIONS, bench, names, console)


def measure_with(
    sections: Mapping[str, Callable[[Bench], list[Row]]],
    bench: Bench,
    names: Sequence[str],
    console: Console,
) -> list[Row]:
    """Run some of these sections."""
    rows: list[Row] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        for name in names:
            start = time.perf_counter()

            def tell(what: str, name: str = name) -> None:
                progress.update(task, description=f"{name}: {what}")
                if not console.is_terminal:
                    console.print(f"{name}: {what}", style="dim")

            bench.tell = tell
            found = _section(sections[name], bench, name, console)
            rows += [replace(row, section=name) for row in found]
            console.print(f"{name}: {time.perf_counter() - start:.0f} s", style="dim")
    return rows


def _section(
    measure: Callable[[Bench], list[Row]], bench: Bench, name: str, console: Console
) -> list[Row]:
    try:
        return measure(bench)
    except MissingError as error:
        return [Row(name, trouble=str(error))]
    except GatewrightError as error:
        return [Row(name, trouble=str(error), broken=True)]
    except Exception as error:  # a peer's error must not hide what was measured already
        console.print(traceback.format_exc(), style="red", markup=False)
        return [Row(name, trouble=f"{type(error).__name__}: {error}", broken=True)]


def table(rows: Sequence[Row]) -> Table:
    """Return the table for a terminal."""
    found = Table(title="Gatewright against its targets", show_lines=True)
    for column in COLUMNS:
        found.add_column(column, no_wrap=column == "verdict")
    for row in rows:
        *cells, verdict = row.cells()
        found.add_row(*map(Text, cells), Text(verdict, STYLES.get(verdict, "")))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="under three minutes, fewer rows")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), metavar="NAME",
                        help=f"one section (may be repeated): {', '.join(SECTIONS)}")  # fmt: skip
    parser.add_argument("--circuits", action="store_true",
                        help=f"against other compilers: {', '.join(CIRCUITS)}")  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="keep the rows of --only as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all raw numbers")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page of results "
                        "somewhere else than docs/benchmarks.md")  # fmt: skip
    args = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160)
    start = time.perf_counter()
    names = args.only or list(CIRCUITS if args.circuits else SECTIONS)
    rows = measure(Bench(args.quick), names, console)
    flags = [f"--{name}" for name in ("quick", "circuits") if getattr(args, name)]
    options = [*flags, *(f"--only {n}" for n in args.only or [])]
    about = environment(" ".join(["python bench/run.py", *options]), time.perf_counter() - start)
    console.print(table(rows))
    for name, number in (("met", "met"), ("missed", "MISSED"), ("failed", "FAILED")):
        console.print(f"{sum(row.verdict == number for row in rows)} {name}", end="  ")
    console.print(f"in {about['seconds']:.0f} s")
    keeps = args.keep or not (args.quick or args.only)
    store = ROOT / "docs" / "benchmarks.json"
    before = read(store) if keeps else {}
    kept = updated(before, rows, about, list(dict.fromkeys([*SECTIONS, *before])))
    if keeps and not args.page:
        write(store, kept)
    target = args.page or (ROOT / "docs" / "benchmarks.md" if keeps else None)
    if target:
        target.write_text(page(kept))
        console.print(f"results: {target}")
    if args.json:
        facts = {"about": about, "rows": [row.plain() for row in rows]}
        args.json.write_text(json.dumps(facts, indent=1, default=str) + "\n")
    return int(is_bad(rows))


if __name__ == "__main__":
    sys.exit(main())
