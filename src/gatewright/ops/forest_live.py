"""What numbers in given ranges can reach in trees that only compare: a compiled walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from gatewright.blocks.forest import Split, Tree
from gatewright.blocks.forest.prune import Inner
from gatewright.num import Intervals, Ints

if TYPE_CHECKING:
    from gatewright.ops.forest import Forest


@njit(cache=True)
def _grown(a: Any) -> Any:
    larger = np.empty((2 * len(a), a.shape[1]), a.dtype)
    larger[: len(a)] = a
    return larger


@njit(cache=True)
def visits(features: Any, cuts: Any, left: Any, right: Any, roots: Any, low: Any, high: Any) -> Any:
    """Walk all ways down the trees that integers of the given ranges can go.

    Args:
        features: (nodes,) that each compares.
        cuts: (nodes,) integers: what is less goes left.
        left: (nodes,) children, `-1 - leaf` where they are negative.
        right: likewise.
        roots: (trees,) likewise.
        low: (inputs,) least integers.
        high: (inputs,) greatest integers.

    Returns:
        (what is come to, (visits, 3): a node or `-1 - leaf`, the visits of its left and of its
        right child, -1 where that cannot be reached; (trees + 1,) the first visit of each tree).
        Parents stand before their children.
    """
    found = np.empty((len(features) * 2 + len(roots) + 16, 3), np.int64)
    known = np.empty((len(found), 4), np.int64)  # the visit before, a feature and its range there
    first = np.empty(len(roots) + 1, np.int64)
    count = 0
    for tree in range(len(roots)):
        first[tree] = at = count
        found[count, 0], known[count, 0] = roots[tree], -1
        count += 1
        while at < count:
            node = found[at, 0]
            found[at, 1] = found[at, 2] = -1
            if node >= 0:
                if count + 2 > len(found):
                    found, known = _grown(found), _grown(known)
                feature, cut = features[node], cuts[node]
                lo, hi, above = low[feature], high[feature], at
                while known[above, 0] >= 0:
                    if known[above, 1] == feature:
                        lo, hi = known[above, 2], known[above, 3]
                        break
                    above = known[above, 0]
                for side in range(2):
                    a, b = (lo, min(hi, cut - 1)) if side == 0 else (max(lo, cut), hi)
                    if a > b:
                        continue
                    found[at, 1 + side] = count
                    found[count, 0] = left[node] if side == 0 else right[node]
                    known[count, 0], known[count, 1] = at, feature
                    known[count, 2], known[count, 3] = a, b
                    count += 1
            at += 1
    first[len(roots)] = count
    return found[:count], first


def as_trees(found: np.ndarray, first: np.ndarray) -> list[Tree]:
    """Return what `visits` came to as trees without the nodes that can be passed on one side."""
    rows = found.tolist()
    built: list[Tree] = [0] * len(rows)
    for at in range(len(rows) - 1, -1, -1):
        node, left, right = rows[at]
        if node < 0:
            built[at] = -1 - node
        elif left < 0 or right < 0:
            built[at] = built[max(left, right)]
        else:
            built[at] = Inner(node, built[left], built[right])
    return [built[at] for at in first[:-1].tolist()]


def leaves_by_tree(found: np.ndarray, first: np.ndarray) -> tuple[Ints, Ints]:
    """Return the leaves among what `visits` came to, and where each tree's begin, with the end.

    They ascend in each tree.
    """
    tree = np.repeat(np.arange(len(first) - 1), np.diff(first))
    inside = found[:, 0] < 0
    leaf, tree = -1 - found[inside, 0], tree[inside]
    pairs = np.unique(tree * (int(leaf.max(initial=0)) + 1) + leaf)
    trees, leaves = np.divmod(pairs, int(leaf.max(initial=0)) + 1)
    return leaves, np.searchsorted(trees, np.arange(len(first)))


def splits_of(op: Forest, cuts: Ints, kind: Intervals) -> list[Split]:
    """Return the nodes of a forest as questions on integers; `cuts` are those of its `cuts`."""
    points = np.ldexp(op.missing, kind.frac.astype(np.int32))
    there = op.has_missing & (points == np.floor(points)) & (np.abs(points) < 2.0**62)
    codes = [int(p) if ok else None for p, ok in zip(points, there, strict=True)]
    found = []
    for n, feature in enumerate(op.features.tolist()):
        row = int(op.members[n])
        numbers = None
        if row >= 0:
            point = int(kind.frac[feature])
            chosen = np.flatnonzero(op.sets[row]).tolist()
            numbers = tuple(
                c << point if point >= 0 else c >> -point
                for c in chosen
                if point >= 0 or c % (1 << -point) == 0
            )
        found.append(
            Split(feature, int(cuts[n]), numbers, codes[feature], bool(op.missing_left[n]))
        )
    return found
