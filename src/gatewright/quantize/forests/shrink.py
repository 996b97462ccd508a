"""Take out of a forest what asks nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatewright.num import Ints
from gatewright.ops import Forest


def shrunk(op: Forest, sides: Ints | None = None) -> Forest:
    """Return a forest without nodes that all samples pass on one side, or whose leaves are equal.

    Args:
        op: the forest.
        sides: (nodes,), 1 where all samples go right, -1 where all go left, 0 elsewhere.
    """
    count = len(op.features)
    sides = np.zeros(count, np.int64) if sides is None else sides
    left, right = op.left.tolist(), op.right.tolist()
    same = np.unique(op.leaves, axis=0, return_inverse=True)[1].reshape(-1).tolist()
    short = list(range(count))  # what stands in the place of each node
    for node in reversed(_from_the_top(op)):
        ends = [c if c < 0 else short[c] for c in (left[node], right[node])]
        left[node], right[node] = ends
        if sides[node]:
            short[node] = ends[1] if sides[node] > 0 else ends[0]
        elif max(ends) < 0 and same[-1 - ends[0]] == same[-1 - ends[1]]:
            short[node] = ends[0]
    roots = [r if r < 0 else short[r] for r in op.roots.tolist()]
    return _compact(op, left, right, roots)


def _from_the_top(op: Forest) -> list[int]:
    """Return the nodes, each before its children."""
    order: list[Ints] = []
    level = op.roots[op.roots >= 0]
    while len(level):
        order.append(level)
        below = np.concatenate([op.left[level], op.right[level]])
        level = below[below >= 0]
    return [int(n) for part in order for n in part]


def _compact(op: Forest, left: list[int], right: list[int], roots: list[int]) -> Forest:
    """Return the forest of what the roots lead to, numbered anew."""
    nodes: dict[int, int] = {}
    leaves: dict[int, int] = {}
    stack = roots[::-1]
    while stack:
        child = stack.pop()
        if child < 0:
            leaves.setdefault(child, len(leaves))
        elif child not in nodes:
            nodes[child] = len(nodes)
            stack += [right[child], left[child]]

    def moved(child: int) -> int:
        return nodes[child] if child >= 0 else -1 - leaves[child]

    kept = np.asarray(list(nodes), np.int64)
    return replace(
        op,
        features=op.features[kept],
        thresholds=op.thresholds[kept],
        inclusive=op.inclusive[kept],
        missing_left=op.missing_left[kept],
        members=op.members[kept],
        left=np.asarray([moved(left[n]) for n in nodes], np.int64),
        right=np.asarray([moved(right[n]) for n in nodes], np.int64),
        roots=np.asarray([moved(r) for r in roots], np.int64),
        leaves=op.leaves[[-1 - c for c in leaves]],
    )
