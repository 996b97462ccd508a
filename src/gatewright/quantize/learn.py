"""Run the real model on the data to fit, a chunk after the other, and learn what matters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.ir import Graph, Reals, run_real
from gatewright.num import Ints
from gatewright.quantize.data import Calibration
from gatewright.quantize.forward import encode, forward
from gatewright.quantize.load import MOST_ROWS, Load, Rows, as_rows, chunks, cut
from gatewright.quantize.material import Material
from gatewright.quantize.sensitivity import score_value, sensitivities, spreads
from gatewright.quantize.structure import Structure
from gatewright.quantize.tie_groups import tie_groups

HELD = 1 << 24
"""Elements of all values, or of their gradients, held at once: 128 MB."""

WHOLE = 1 << 22
"""Elements of samples kept whole, for constants that differ along more than the last axis."""

GROUPED_ROWS = 8 * MOST_ROWS
"""Rows for operations with a matrix for each group: each needs rows of its own."""

Progress = Callable[[str, int, int], None]


def learn(
    structure: Structure, data: Calibration, seed: int, progress: Progress | None = None
) -> Material:
    """Return what the real model says of ranges, targets and sensitivities."""
    return _Learner(structure, data, seed).run(progress)


def rows_of(op: object) -> int:
    """Return how many rows a node with constants is fitted to."""
    return GROUPED_ROWS if np.ndim(getattr(op, "weight", 0.0)) == 3 else MOST_ROWS


def has_matrix(op: object) -> bool:
    """Say whether an operation multiplies by a constant matrix, or by one for each group."""
    return np.ndim(getattr(op, "weight", 0.0)) >= 2


class _Learner:
    def __init__(self, structure: Structure, data: Calibration, seed: int) -> None:
        self.structure, self.data = structure, data
        self.graph: Graph = structure.graph
        self.rng = np.random.default_rng(seed)
        self.rows = Rows(data.fit.size, seed)
        self.load = Load.of(self.graph)
        self.real: dict[str, Reals] = {}
        self.felt: dict[str, Reals] = {}
        self.whole: dict[str, Reals] = {}
        self.observed: dict[str, tuple[float, float]] = {}
        self.extremes: dict[str, tuple[Reals, Reals]] = {}
        ops = {node.name: node.op for node in self.graph.nodes}
        self.most = dict.fromkeys(structure.sites, MOST_ROWS)
        self.fitted = {n: rows_of(ops[n]) for n in structure.weighted if has_matrix(ops[n])}
        self.kept_whole = {n for n in structure.weighted if n not in self.fitted}
        self.given: dict[str, Reals] = {}
        operands = {node.name: node.inputs[0] for node in self.graph.nodes if node.inputs}
        tied = {n for names in tie_groups(self.graph).values() for n in names}
        self.operand = {n: operands[n] for n in tied if n in structure.weighted}
        self.compared = {n for n in tied if n in structure.sites}
        self.compared |= {x for n, x in self.operand.items() if n in self.fitted}

    def run(self, progress: Progress | None) -> Material:
        """Go through the data."""
        part, labelled = self.data.fit, self.data.fit.labels is not None
        ends = tuple(dict.fromkeys(score_value(self.graph, o) for o in self.graph.outputs))
        real_ends = forward(self.graph, part.inputs, keep=ends)
        spread = {name: spreads(real_ends[name]) for name in ends}
        wanted = {*self.structure.sites, *self.fitted, *self.kept_whole}
        steps = list(chunks(part.size, self.load.total, HELD))
        for done, step in enumerate(steps, 1):
            values = run_real(self.graph, encode(self.graph, cut(part.inputs, step)))
            self._note(values)
            for name, x in values.items():
                low, high = self.observed.get(name, (np.inf, -np.inf))
                self.observed[name] = min(low, float(x.min())), max(high, float(x.max()))
            found = sensitivities(self.graph, values, labelled, self.rng, spread, wanted)
            self._keep(values, found, step)
            if progress:
                progress("measuring what matters", done, len(steps))
        for other in (self.data.choice, self.data.report):
            for step in chunks(other.size, self.load.total):
                self._note(run_real(self.graph, encode(self.graph, cut(other.inputs, step))))
        return Material(
            part.inputs, self.rows, self.real, self.felt, self.whole, self.given, self.extremes,
            self.observed,
        )  # fmt: skip

    def _note(self, values: dict[str, Reals]) -> None:
        """Widen the extremes of the values that get a format."""
        for name in self.structure.sites:
            rows = as_rows(values[name])
            low, high = rows.min(0), rows.max(0)
            if name in self.extremes:
                low = np.minimum(low, self.extremes[name][0])
                high = np.maximum(high, self.extremes[name][1])
            self.extremes[name] = low, high

    def _keep(self, values: dict[str, Reals], found: dict[str, Reals], step: slice) -> None:
        """Put the chosen rows of a chunk where they belong."""
        for name in dict.fromkeys((*self.structure.sites, *self.fitted)):
            most = self.fitted.get(name, MOST_ROWS)
            x = values[name]
            s = found.get(name)
            s = np.zeros(x.shape) if s is None else np.broadcast_to(s, x.shape)
            index = self.rows.index(x.shape[1:], most)
            if name in self.fitted:
                self._place(self.real, name, x, index, step)
            self._place(self.felt, name, s, index, step)
        for name in self.compared - set(self.fitted):
            x = values[name]
            self._place(self.real, name, x, self.rows.index(x.shape[1:]), step)
        for name in self.kept_whole:
            x = values[name]
            size = max(int(np.prod(x.shape[1:])), 1)
            count = min(self.data.fit.size, max(WHOLE // size, 16))
            if step.start < count:
                s = found.get(name)
                s = np.zeros(x.shape) if s is None else np.broadcast_to(s, x.shape)
                s = s[: count - step.start]
                old = self.whole.get(name)
                self.whole[name] = s.copy() if old is None else np.concatenate([old, s])
                if name in self.operand:
                    x = values[self.operand[name]][: len(s)]
                    old = self.given.get(name)
                    self.given[name] = x.copy() if old is None else np.concatenate([old, x])

    def _place(
        self, kept: dict[str, Reals], name: str, x: Reals, index: Ints | None, step: slice
    ) -> None:
        rows = as_rows(x)
        per = len(rows) // max(len(x), 1)
        if name not in kept:
            count = self.data.fit.size * per if index is None else len(index)
            kept[name] = np.empty((count, rows.shape[1]))
        first, behind = step.start * per, step.stop * per
        if index is None:
            kept[name][first:behind] = rows
        else:
            inside = (index >= first) & (index < behind)
            kept[name][inside] = rows[index[inside] - first]
