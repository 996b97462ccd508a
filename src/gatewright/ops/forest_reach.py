"""Walk samples down decision trees: compiled loops over rows and trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

BLOCK = 256
"""Samples that walk down a tree one after the other."""


@njit(cache=True)
def goes_left(
    node: int, row: int, x: Any, numbers: Any, absent: Any, features: Any, thresholds: Any,
    inclusive: Any, missing_left: Any, members: Any, sets: Any,
) -> Any:  # fmt: skip
    """Return whether a sample goes left at a node."""
    feature = features[node]
    if absent[row, feature]:
        return missing_left[node]
    if members[node] >= 0:
        number = numbers[row, feature]
        if number != np.floor(number) or number < 0 or number >= sets.shape[1]:
            return False
        return sets[members[node], np.int64(number)]
    value, threshold = x[row, feature], thresholds[node]
    return value < threshold or (inclusive[node] and value == threshold)


@njit(cache=True)
def reach(
    x: Any, numbers: Any, absent: Any, features: Any, thresholds: Any, inclusive: Any,
    missing_left: Any, members: Any, sets: Any, left: Any, right: Any, roots: Any,
) -> Any:  # fmt: skip
    """Return the leaf of each sample and tree: (rows, trees).

    Of shape (rows, features): `x`, what thresholds are compared with; `numbers`, what sets of
    categories are asked for; `absent`, what is missing. The rest is that of a `Forest`.
    """
    found = np.empty((len(x), len(roots)), np.int64)
    for start in range(0, len(x), BLOCK):
        for tree in range(len(roots)):  # a tree's nodes stay in the cache
            for row in range(start, min(start + BLOCK, len(x))):
                at = roots[tree]
                while at >= 0:
                    is_left = goes_left(
                        at, row, x, numbers, absent, features, thresholds, inclusive, missing_left,
                        members, sets,
                    )  # fmt: skip
                    at = left[at] if is_left else right[at]
                found[row, tree] = -1 - at
    return found


@njit(cache=True)
def reach_plain(x: Any, features: Any, cuts: Any, children: Any, roots: Any) -> Any:
    """Return the leaf of each sample and tree, of trees that only compare numbers.

    A sample goes left where its number is less than the cut. `children` holds the left and the
    right child of each node in turn, so that no branch is to be predicted.
    """
    found = np.empty((len(x), len(roots)), np.int64)
    for start in range(0, len(x), BLOCK):
        for tree in range(len(roots)):
            for row in range(start, min(start + BLOCK, len(x))):
                at = roots[tree]
                while at >= 0:
                    at = children[2 * at + (x[row, features[at]] >= cuts[at])]
                found[row, tree] = -1 - at
    return found


@njit(cache=True)
def add_up(reached: Any, words: Any, total: Any) -> None:
    """Add the words, (leaves, outputs), of the leaves reached to the totals, (rows, outputs)."""
    for row in range(reached.shape[0]):
        for tree in range(reached.shape[1]):
            for k in range(words.shape[1]):
                total[row, k] += words[reached[row, tree], k]


@njit(cache=True)
def flips(
    x: Any, numbers: Any, absent: Any, leaves: Any, weights: Any, bins: Any, starts: Any, cost: Any,
    features: Any, thresholds: Any, inclusive: Any, missing_left: Any, members: Any, sets: Any,
    left: Any, right: Any, roots: Any,
) -> None:  # fmt: skip
    """Add up what it costs that samples go the other way at the nodes they come to.

    Beside what `reach` takes: `leaves` (leaves, outputs); `weights` (rows, outputs), the cost of a
    squared error of an output; `bins` (rows, features), where a sample's number stands among the
    places of the feature; `starts` (nodes,), the first place of each node in `cost`, which is added
    to.
    """
    for row in range(len(x)):
        for tree in range(len(roots)):
            at = roots[tree]
            while at >= 0:
                is_left = goes_left(
                    at, row, x, numbers, absent, features, thresholds, inclusive, missing_left,
                    members, sets,
                )  # fmt: skip
                at = left[at] if is_left else right[at]
            own = -1 - at
            at = roots[tree]
            while at >= 0:
                is_left = goes_left(
                    at, row, x, numbers, absent, features, thresholds, inclusive, missing_left,
                    members, sets,
                )  # fmt: skip
                other = right[at] if is_left else left[at]
                while other >= 0:
                    turn = goes_left(
                        other, row, x, numbers, absent, features, thresholds, inclusive,
                        missing_left, members, sets,
                    )  # fmt: skip
                    other = left[other] if turn else right[other]
                if members[at] < 0 and not absent[row, features[at]]:
                    total = 0.0
                    for k in range(leaves.shape[1]):
                        change = leaves[-1 - other, k] - leaves[own, k]
                        total += weights[row, k] * change * change
                    cost[starts[at] + bins[row, features[at]]] += total
                at = left[at] if is_left else right[at]
