"""What a report says of a forest: its trees and comparisons, before and after quantization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatewright.ir import Graph
from gatewright.num import Intervals, Ints, Rounding
from gatewright.ops import Forest, Quantize


def forests_before(source: Graph) -> dict[str, dict[str, Any]]:
    """Return the size of each forest as it was imported, by the name of its node.

    Kept with the design, which has the quantized forest only.
    """
    return {node.name: _size(node.op) for node in source.nodes if isinstance(node.op, Forest)}


def forest_facts(
    graph: Graph, types: Mapping[str, Intervals], before: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a dictionary for each forest of a design.

    Args:
        graph: on integers.
        types: of its values.
        before: of `forests_before`, or nothing where it was not kept.
    """
    inputs = {i.name: i for i in graph.inputs}
    found = []
    for node in graph.nodes:
        if not isinstance(node.op, Forest):
            continue
        kind, source = types[node.inputs[0]], inputs.get(node.inputs[0])
        first = Intervals(*(v.reshape(-1, v.shape[-1])[0] for v in (kind.lo, kind.hi, kind.frac)))
        size = _size(node.op) | {
            "comparisons": _counted([f for f, _ in node.op.asked(first)], node.op)
        }
        told = before.get(node.name) or {}
        if not _fits(told, node.op):
            told = {}
        found.append(
            {
                "layer": node.layer or node.name,
                "input": node.inputs[0],
                # Floored to the grid of the cuts and clipped beyond them, none changes sides.
                "sides_kept": source is not None and _keeps_sides(source.encode),
                "before": dict(told),
                "after": size,
                "features": _features(node.op, first, told, size),
            }
        )
    return found


def _fits(told: Any, forest: Forest) -> bool:
    """Say whether what a file keeps of a forest is what `_size` returned."""
    if not isinstance(told, Mapping):
        return False
    counts = told.get("comparisons", [])
    numbers = [v for name, v in told.items() if name != "comparisons"]
    return (
        isinstance(counts, list)
        and len(counts) == len(forest.missing)
        and all(type(n) is int for n in (*counts, *numbers))
    )


def _size(forest: Forest) -> dict[str, Any]:
    """Return plain numbers."""
    numeric = forest.members < 0
    pairs = np.stack([forest.features, forest.thresholds, forest.inclusive], axis=1)[numeric]
    different = np.unique(pairs, axis=0)[:, 0].astype(np.int64) if len(pairs) else np.zeros(0, int)
    return {
        "trees": forest.trees,
        "asking": int((forest.roots >= 0).sum()),
        "nodes": len(forest.features),
        "leaves": len(forest.leaves),
        "levels": _levels(forest),
        "sets": len(np.unique(forest.members[~numeric])),
        "comparisons": _counted(different.tolist(), forest),
    }


def _counted(features: Sequence[int], forest: Forest) -> list[int]:
    """Return how often each feature is in a list."""
    found = np.bincount(np.asarray(features, np.int64), minlength=len(forest.missing))
    return [int(n) for n in found]


def _levels(forest: Forest) -> int:
    """Return the most questions on a way to a leaf."""
    level: Ints = np.unique(forest.roots[forest.roots >= 0])
    depth = 0
    while len(level):
        depth += 1
        below = np.concatenate([forest.left[level], forest.right[level]])
        level = np.unique(below[below >= 0])
    return depth


def _keeps_sides(encode: Sequence[object]) -> bool:
    """Say whether the host floors samples: what rounds to nearest was fixed by the user."""
    last = encode[-1] if encode else None
    return isinstance(last, Quantize) and last.rounding is Rounding.TRN


def _features(
    forest: Forest, kind: Intervals, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a line for each feature that is, or was, asked for."""
    asked = np.bincount(forest.features, minlength=len(forest.missing))
    was = before.get("comparisons") or after["comparisons"]
    lines = []
    for k, (old, new) in enumerate(zip(was, after["comparisons"], strict=True)):
        if not (old or new or asked[k]):
            continue
        own = forest.thresholds[(forest.features == k) & (forest.members < 0)]
        lines.append(
            {
                "number": k,
                "name": forest.feature_names[k] if forest.feature_names else "",
                "format": str(kind.fixed(k)),
                "bits": int(kind.width[k]),
                "before": old,
                "after": new,
                "nodes": int(asked[k]),
                "low": float(own.min()) if len(own) else None,
                "high": float(own.max()) if len(own) else None,
            }
        )
    return lines
