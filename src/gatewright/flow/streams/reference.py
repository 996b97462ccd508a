"""The integer reference on data sets: samples in batches, values dropped once they were read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gatewright.ir import Graph, infer
from gatewright.num import FixedArray
from gatewright.passes.streams import States, evaluate_stateful

NUMBERS = 1 << 22
"""Numbers of all values of a batch: some hundred megabytes with what is computed in between."""


def evaluate_outputs(graph: Graph, inputs: Mapping[str, FixedArray]) -> dict[str, FixedArray]:
    """Return what the firmware answers from reset on, by output name."""
    return run_events(graph, inputs)[0]


def run_events(
    graph: Graph, inputs: Mapping[str, FixedArray], states: Mapping[str, States] | None = None
) -> tuple[dict[str, FixedArray], dict[str, States]]:
    """Return what the firmware answers, by output name, and the states that layers keep.

    Args:
        graph: the integer model.
        inputs: the batch counts events in the order of time where layers keep their state.
        states: what an earlier call returned, to go on from there; by default as after reset.
    """
    count = len(next(iter(inputs.values())).q)
    per_sample = sum(kind.size for kind in infer(graph).values())
    size = max(NUMBERS // max(per_sample, 1), 1)
    parts: dict[str, list[FixedArray]] = {o.name: [] for o in graph.outputs}
    left = dict(states or {})
    for first in range(0, max(count, 1), size):
        rows = slice(first, first + size)
        part = {n: FixedArray(v.q[rows], v.frac) for n, v in inputs.items()}
        values, left = evaluate_stateful(graph, part, left)
        for o in graph.outputs:
            parts[o.name].append(values[o.value])
    found = {
        name: FixedArray(np.concatenate([p.q for p in found]), found[0].frac)
        for name, found in parts.items()
    }
    return found, left
