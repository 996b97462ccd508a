"""Hold forests of every library against the library: `python -m bench.forest_agreement [--quick]`.

Each library trains on the Pythia jets, on `magic` and on `shuttle`. Before quantization, the leaf
reached in each tree is compared with what the library itself says, on all rows. Then the model is
compiled with automatic quantization at the default tolerance, on rows that were not trained on, and
what it loses is counted on those rows and on others that nothing has seen. The table goes to
build/forest_agreement.md. With `--keep` it also takes its place in docs/benchmarks.md. The exit
status is 1 where a leaf differs or the tolerance is exceeded on the calibration data.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import gatewright as gw
from bench.forest_models import RECIPES, SETS, Recipe, Set
from bench.material import ROOT
from bench.page import environment, page
from bench.record import MissingError, Row, Target, is_bad
from bench.results import read, updated, write

SECTION = "Forests"
TOLERANCE = 0.002
"""What `gw.compile` allows where labels are given."""

COLUMNS = ("set", "model", "wrong leaves", "of", "accuracy, calibration: float", "loss",
           "accuracy, test: float", "firmware", "loss", "other answers", "comparisons",
           "LUT (estimated)")  # fmt: skip
QUICK_ROWS = 6_000

NOTE = """\
Each library trains (jets: 20,000 rows; `magic`, `shuttle`: 40 %). Before quantization, the leaf \
reached in each tree is compared with the library's own answer on all rows of the set (100,000, \
19,020 and 58,000). Then `gw.compile` quantizes with its defaults, on rows that were not trained \
on (20,000 jets, 30 % of the others), and both models answer those and the test rows (20,000, \
30 %)"""
"""How it is measured, for the page."""


@dataclass(frozen=True)
class Measured:
    """One model on one set.

    Attributes:
        wrong, asked: leaves that are not the library's, and rows x trees, on all rows.
        calibration, test: accuracy of the library's model and of the firmware.
        differing: share of test rows that get another class from the firmware than from the model.
        comparisons: different ones of the forest, and those left.
        luts: estimated.
        seconds: of processor, for all of it.
    """

    set: str
    library: str
    what: str
    wrong: int = 0
    asked: int = 0
    calibration: tuple[float, float] = (0.0, 0.0)
    test: tuple[float, float] = (0.0, 0.0)
    differing: float = 0.0
    comparisons: str = ""
    luts: float = 0.0
    seconds: float = 0.0
    trouble: str = ""
    broken: bool = False

    @property
    def loss(self) -> float:
        """Accuracy lost on the calibration data."""
        return self.calibration[0] - self.calibration[1]

    @property
    def test_loss(self) -> float:
        """Accuracy lost on rows that nothing has seen."""
        return self.test[0] - self.test[1]

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        name = f"{LIBRARIES[self.library]}: {self.what}"
        if self.trouble:
            return (self.set, name, self.trouble, *[""] * (len(COLUMNS) - 3))
        return (
            self.set, name, f"{self.wrong:,}", f"{self.asked:,}", f"{self.calibration[0]:.2%}",
            _points(self.loss), f"{self.test[0]:.2%}", f"{self.test[1]:.2%}",
            _points(self.test_loss), f"{self.differing:.2%}", self.comparisons, f"{self.luts:,.0f}",
        )  # fmt: skip


LIBRARIES = {"sklearn": "scikit-learn", "xgboost": "XGBoost", "lightgbm": "LightGBM",
             "catboost": "CatBoost", "ydf": "YDF"}  # fmt: skip


def _points(loss: float) -> str:
    return f"{100 * loss:+.2f} points"


def measure(recipe: Recipe, data: Set) -> Measured:
    """Train, compare leaves, compile, compare answers."""
    found = Measured(data.name, recipe.library, recipe.what)
    if not recipe.is_installed:
        return replace(found, trouble="not installed")
    began = time.process_time()
    trained = recipe.train(data.x[data.train], data.y[data.train])
    forest = trained.built.forest
    wrong, asked = trained.wrong(data.x), len(data.x) * forest.trees
    given, labels = data.x[data.calibration], trained.positions(data.y[data.calibration])
    found = replace(found, wrong=wrong, asked=asked)
    try:
        design = gw.compile(trained.model, calibration=given, labels=labels, name="forest")
    except gw.GatewrightError as error:
        return replace(found, trouble=str(error).splitlines()[0], broken=True)
    before = [answers(trained.chances(data.x[part])) for part in (data.calibration, data.test)]
    after = [answers(design.predict(data.x[part])) for part in (data.calibration, data.test)]
    truth = trained.positions(data.y[data.test])
    right = [[float((a == t).mean()) for a, t in zip(told, (labels, truth), strict=True)]
             for told in (before, after)]  # fmt: skip
    (note,) = (n for n in design.facts()["quantization"]["notes"] if "comparisons" in n)
    words = note.split()
    return replace(
        found,
        calibration=(right[0][0], right[1][0]),
        test=(right[0][1], right[1][1]),
        differing=float((before[1] != after[1]).mean()),
        comparisons=f"{words[0]} to {words[-1]}",
        luts=float(design.facts()["estimate"]["lut"]),
        seconds=time.process_time() - began,
    )  # fmt: skip


def answers(scores: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return the position of the class that probabilities or scores speak for."""
    flat = np.asarray(scores).reshape(len(scores), -1)
    return np.asarray(flat.argmax(1) if flat.shape[1] > 1 else flat[:, 0] > 0.5, np.int64)


def rows_of(found: Sequence[Measured]) -> list[Row]:
    """Return lines of verdicts: leaves, and what is lost, for each set."""
    rows: list[Row] = []
    for name in dict.fromkeys(m.set for m in found):
        own = [m for m in found if m.set == name and not m.trouble]
        rows += [Row(f"forests on {name}: {LIBRARIES[m.library]}: {m.what}", trouble=m.trouble,
                     broken=True) for m in found if m.set == name and m.broken]  # fmt: skip
        if not own:
            rows.append(Row(f"forests on {name}", trouble="no library is installed"))
            continue
        wrong, asked = sum(m.wrong for m in own), sum(m.asked for m in own)
        worst, test = max(own, key=lambda m: m.loss), max(own, key=lambda m: m.test_loss)
        rows += [
            Row(f"forests on {name}: leaf as the library's own", f"{wrong:,} of {asked:,} differ, "
                f"{len(own)} models", Target("no leaf differs", most=0), wrong),
            Row(f"forests on {name}: accuracy lost to quantization, calibration data",
                f"at most {_points(worst.loss)} ({LIBRARIES[worst.library]}: {worst.what})",
                Target("at most the tolerance, 0.2 points", most=TOLERANCE), worst.loss),
            Row(f"forests on {name}: the same on rows that nothing has seen",
                f"at most {_points(test.test_loss)} ({LIBRARIES[test.library]}: {test.what}), "
                f"{_points(float(np.mean([m.test_loss for m in own])))} on average"),
        ]  # fmt: skip
    return rows


def markdown(found: Sequence[Measured]) -> str:
    """Return the table."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    return "\n".join([*lines, *("| " + " | ".join(m.cells()) + " |" for m in found)])


def all_measured(console: Console, quick: bool) -> Iterator[Measured]:
    """Measure all models on all sets, with a bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    sets = [_smaller(make()) if quick else make() for make in SETS.values()]
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(sets) * len(RECIPES))
        for data in sets:
            for recipe in RECIPES:
                what = f"{data.name}, {LIBRARIES[recipe.library]}: {recipe.what}"
                progress.update(task, description=what)
                if not console.is_terminal:
                    console.print(what, style="dim")
                yield measure(recipe, data)
                progress.advance(task)


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are installed."""
    found = {}
    for package in ("scikit-learn", "xgboost", "lightgbm", "catboost", "ydf"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _smaller(data: Set) -> Set:
    parts = (part[:QUICK_ROWS] for part in (data.train, data.calibration, data.test))
    return Set(data.name, data.x, data.y, *parts)


def keep(rows: Sequence[Row], about: dict[str, object], docs: Path = ROOT / "docs") -> None:
    """Put the rows in the place of the old ones, and write the page of results."""
    store = docs / "benchmarks.json"
    before = read(store)
    rows = [replace(row, section=SECTION) for row in rows]
    kept = updated(before, rows, about, list(dict.fromkeys([*before, SECTION])))
    write(store, kept)
    (docs / "benchmarks.md").write_text(page(kept))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows to train and calibrate")
    parser.add_argument("--keep", action="store_true", help="write docs/benchmarks.md anew")
    args = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 200)
    began, used = time.perf_counter(), time.process_time()
    try:
        found = list(all_measured(console, args.quick))
    except MissingError as error:
        console.print(str(error), style="red")
        return 2
    text = markdown(found)
    rows = rows_of(found)
    rows[0] = replace(rows[0], note=NOTE, facts={"table": text})
    path = ROOT / "build" / "forest_agreement.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n")
    print(text)
    for row in rows:
        console.print(": ".join((row.verdict, row.what, row.measured)), markup=False)
    about = environment(f"python -m bench.forest_agreement{' --quick' * args.quick}",
                        time.perf_counter() - began)  # fmt: skip
    about["versions"] |= versions()
    console.print(f"{path}; {time.process_time() - used:.0f} CPU s", style="dim")
    if args.keep:
        keep(rows, about)
    return int(is_bad(rows))


if __name__ == "__main__":
    sys.exit(main())
