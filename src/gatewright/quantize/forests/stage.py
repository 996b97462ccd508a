"""Search the price of a LUT at which a forest is just good enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from gatewright.base import OptionError
from gatewright.ir import Graph
from gatewright.quantize.data import Part
from gatewright.quantize.forests.build import BuiltForest, build
from gatewright.quantize.forests.material import FINE_BITS, ForestMaterial, Found, find, learn
from gatewright.quantize.formats import Formats
from gatewright.quantize.judge import Judge, Score

START, FINEST, COARSEST = 3e-6, 1e-14, 1.0
LEAP = 8.0
STEPS, FEW_STEPS = 6, 2
MOST_LOOKS = 3
"""Small steps of the price after which large ones follow."""
TIGHTER = 1.7

FINENESS = (FINE_BITS, FINE_BITS + 6, FINE_BITS + 12)
"""Bits of places on the finest grids looked at: finer ones where those do not do."""

FEW = 1000
"""Samples of the report's data below which leaps follow where they disagree: what a few calibration
samples do not show, is soon left as it was."""

ROUNDING = 1e-9
"""Of a loss, a difference of two shares of samples."""

MOST_VISITS = 10_000_000
"""Nodes that the samples of one trial come to."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Trial:
    """A quantized forest, at a price, and how good it is on the data to choose with."""

    price: float
    built: BuiltForest
    score: Score


@dataclass(eq=False)
class ForestSearch:
    """Tries prices and remembers what came of them."""

    make: Callable[[float], BuiltForest]
    judge: Judge
    tolerance: float
    progress: Progress | None
    tried: list[Trial] = field(default_factory=list)

    def attempt(self, price: float) -> Trial:
        """Quantize at a price."""
        built = self.make(price)
        trial = Trial(price, built, self.judge.score(built.graph))
        self.tried.append(trial)
        if self.progress:
            self.progress("choosing cuts and leaves", len(self.tried), 0)
        return trial

    def good(self, trial: Trial) -> bool:
        """Say whether a trial is within the tolerance."""
        return trial.score.risk <= self.tolerance

    def run(self, steps: int) -> Trial | None:
        """Return the cheapest forest found whose risk is within the tolerance; None: none is."""
        price, low, high = START, None, None
        while low is None or high is None:
            trial = self.attempt(price)
            low, high = (trial, high) if self.good(trial) else (low, trial)
            price = price * LEAP if self.good(trial) else price / LEAP
            if price > COARSEST and low is not None:
                return low
            if price < FINEST:
                return self._same()
        for _ in range(steps):
            trial = self.attempt(float(np.sqrt(low.price * high.price)))
            low, high = (trial, high) if self.good(trial) else (low, trial)
        return min((t for t in self.tried if self.good(t)), key=lambda t: t.built.cost)

    def _same(self) -> Trial | None:
        """Return the best forest found if it answers as the real one; None where none does.

        On few samples even such a forest leaves more doubt than a small tolerance allows.
        """
        best = self.best()
        is_same = best.score.loss <= 0 and best.score.smooth <= self.judge.doubt
        return best if is_same else None

    def best(self) -> Trial:
        """Return the forest of least risk found."""
        return min(self.tried, key=lambda t: t.score.risk)

    def hopeless(self) -> OptionError:
        """Return the error where formats of the user, or the tolerance, leave no way."""
        best = self.best()
        return OptionError(
            "no cuts and leaves keep the forest within the tolerance",
            place=self.judge.graph.source,
            found=f"{self.judge.name} {best.score.metric:.4g} of {self.judge.real:.4g} at best",
            supported=f"a loss of at most {self.tolerance:g}",
            remedy="loosen the formats that you fixed, raise the tolerance, or give more "
            "calibration samples",
        )


@dataclass(frozen=True, eq=False)
class ForestResult:
    """What was found: the model, every (cost, metric) tried, looks at the report's data, notes."""

    graph: Graph
    found: Found
    cost: float
    history: list[tuple[float, float]]
    looks: int
    notes: tuple[str, ...]


def quantize_forest(
    graph: Graph,
    parts: tuple[Part, Part],
    judges: tuple[Judge, Judge],
    tolerance: float,
    formats: Formats,
    seed: int,
    progress: Progress | None,
) -> ForestResult | None:
    """Quantize a graph that is one forest on one input; None for any other graph.

    Args:
        graph: without what stays on the host.
        parts: of the data, to fit to and to choose with.
        judges: on the part to choose with and the one for the report.
        tolerance: loss allowed.
        formats: the user's; rules for the input and for the leaves (`weight`) are kept to.
        seed: of probes.
        progress: told of trials.

    Raises:
        OptionError: fixed formats leave no way to keep within the tolerance.
    """
    chooser, final = judges
    found = find(graph, chooser.part.labels is not None)
    if found is None or any(role not in ("input", "weight") for _, role, _ in formats.rules):
        return None
    rows = max(MOST_VISITS // found.op.visits, 500)
    shared, fixed = formats.is_shared, formats.find("input", found.input.name)
    word = formats.find("weight", found.node.layer, found.node.name)
    is_large = rows < chooser.part.size
    judge = Judge(graph, _first(parts[1], rows), chooser.temperature) if is_large else chooser
    for bits in FINENESS:
        material = learn(found, _first(parts[0], rows), fixed, seed, bits)
        make = partial(build, graph, found, material, word=word, shared=shared)
        search = ForestSearch(make, judge, tolerance, progress)
        trial = search.run(FEW_STEPS if is_large else STEPS)
        if trial is not None or (fixed is not None and word is not None):
            break
    if trial is None:
        raise search.hopeless()
    whole = Judge(graph, _joined((*parts, final.part)), chooser.temperature)
    trial, looks = _confirmed(search, trial, (final, whole))
    notes = _notes(found, material, trial)
    if trial.price <= FINEST and not _holds(trial, (whole,), tolerance):
        loss = whole.score(trial.built.graph).loss
        notes += (f"on all calibration data the loss is {loss:.4g}, above the tolerance",)
    history = [(t.built.cost, t.score.metric) for t in search.tried]
    return ForestResult(trial.built.graph, found, trial.built.cost, history, looks, notes)


def _confirmed(search: ForestSearch, trial: Trial, judges: tuple[Judge, ...]) -> tuple[Trial, int]:
    """Return a trial that is within the tolerance on all data, and how many were looked at.

    Small steps, then large ones, of which half and half again is taken back.
    """
    looks, failed = 1, None
    step = LEAP if judges[0].part.size < FEW else TIGHTER
    while trial.price > FINEST and not _holds(trial, judges, search.tolerance):
        step = LEAP if looks > MOST_LOOKS else step
        looks, failed = looks + 1, trial
        trial = search.attempt(max(trial.price / step, FINEST))
    for _ in range(FEW_STEPS if failed and step == LEAP else 0):
        assert failed is not None
        middle = search.attempt(float(np.sqrt(failed.price * trial.price)))
        looks += 1
        if _holds(middle, judges, search.tolerance):
            trial = middle
        else:
            failed = middle
    return trial, looks


def _holds(trial: Trial, judges: tuple[Judge, ...], tolerance: float) -> bool:
    """Say whether a trial is within the tolerance on several data."""
    return all(judge.score(trial.built.graph).loss <= tolerance + ROUNDING for judge in judges)


def _joined(parts: tuple[Part, ...]) -> Part:
    """Return the samples of several parts."""
    names = parts[0].inputs
    labels = [part.labels for part in parts if part.labels is not None]
    return Part(
        {name: np.concatenate([part.inputs[name] for part in parts]) for name in names},
        np.concatenate(labels) if labels else None,
    )


def _first(part: Part, rows: int) -> Part:
    """Return the first samples of a part; it is shuffled."""
    labels = None if part.labels is None else part.labels[:rows]
    return replace(part, inputs={n: x[:rows] for n, x in part.inputs.items()}, labels=labels)


def _notes(found: Found, material: ForestMaterial, trial: Trial) -> tuple[str, ...]:
    """Say what became of the thresholds."""
    before = {
        (int(f), float(t)) for f, t in zip(found.op.features, found.op.thresholds, strict=True)
    }
    notes = [f"{len(before)} different comparisons of the forest became {trial.built.comparators}"]
    whole = [f.frac <= 0 for f in material.features if len(f.nodes)]
    if all(whole):
        notes.append("the features are whole numbers in the calibration data: inputs lose nothing")
    if found.free:
        notes.append(
            "scores are shifted by one number for all classes, which the answer does not depend on"
        )
    return tuple(notes)
