"""Take out of a forest what asks nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit

from gatewright.num import Ints
from gatewright.ops import Forest


def shrunk(op: Forest, sides: Ints | None = None) -> Forest:
    """Return a forest without nodes that all samples pass on one side, or whose leaves are equal.

    Args:
        op: the forest.
        sides: (nodes,), 1 where all samples go right, -1 where all go left, 0 elsewhere.
    """
    sides = np.zeros(len(op.features), np.int64) if sides is None else sides
    left, right, roots = (np.array(c, np.int64) for c in (op.left, op.right, op.roots))
    values = np.ascontiguousarray(op.leaves, np.float64)
    nodes, leaves = _shorten(left, right, roots, sides, values)
    return replace(
        op,
        features=op.features[nodes],
        thresholds=op.thresholds[nodes],
        inclusive=op.inclusive[nodes],
        missing_left=op.missing_left[nodes],
        members=op.members[nodes],
        left=left[nodes],
        right=right[nodes],
        roots=roots,
        leaves=op.leaves[leaves],
    )


@njit(cache=True)
def _shorten(left: Any, right: Any, roots: Any, sides: Any, leaves: Any) -> Any:
    """Let roots and children skip what asks nothing, and number nodes and leaves anew, in place.

    Returns:
        The old numbers of the nodes, and of the leaves, that are left.
    """
    short = _short(left, right, roots, sides, leaves)
    new_nodes, new_leaves = np.full(len(left), -1, np.int64), np.full(len(leaves), -1, np.int64)
    nodes, kept = np.empty(len(left), np.int64), np.empty(len(leaves), np.int64)
    node_count = leaf_count = 0
    stack = [np.int64(0)]
    for tree in range(len(roots)):
        roots[tree] = short[roots[tree]] if roots[tree] >= 0 else roots[tree]
        stack.append(roots[tree])
        while len(stack) > 1:
            child = stack.pop()
            if child < 0:
                if new_leaves[-1 - child] < 0:
                    new_leaves[-1 - child] = leaf_count
                    kept[leaf_count] = -1 - child
                    leaf_count += 1
            elif new_nodes[child] < 0:
                new_nodes[child] = node_count
                nodes[node_count] = child
                node_count += 1
                stack.append(right[child])
                stack.append(left[child])
    for ends in (left, right):
        for k in range(node_count):
            child = ends[nodes[k]]
            ends[nodes[k]] = new_nodes[child] if child >= 0 else -1 - new_leaves[-1 - child]
    for tree in range(len(roots)):
        child = roots[tree]
        roots[tree] = new_nodes[child] if child >= 0 else -1 - new_leaves[-1 - child]
    return nodes[:node_count], kept[:leaf_count]


@njit(cache=True)
def _short(left: Any, right: Any, roots: Any, sides: Any, leaves: Any) -> Any:
    """Return what stands in the place of each node; children are brought there."""
    order = np.empty(len(left), np.int64)  # parents before their children
    seen = np.zeros(len(left), np.bool_)
    count = 0
    for root in roots:
        if root >= 0 and not seen[root]:
            seen[root] = True
            order[count] = root
            count += 1
    at = 0
    while at < count:
        for child in (left[order[at]], right[order[at]]):
            if child >= 0 and not seen[child]:
                seen[child] = True
                order[count] = child
                count += 1
        at += 1
    short = np.arange(len(left))
    for at in range(count - 1, -1, -1):
        node = order[at]
        for ends in (left, right):
            if ends[node] >= 0:
                ends[node] = short[ends[node]]
        a, b = left[node], right[node]
        equal = max(a, b) < 0 and (leaves[-1 - a] == leaves[-1 - b]).all()
        if sides[node] > 0:
            short[node] = b
        elif sides[node] < 0 or equal:
            short[node] = a
    return short
