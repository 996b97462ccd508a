"""Walk samples down decision trees: compiled loops over rows and trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

BLOCK = 256
"""Samples that walk down a tree one after the other."""

FLAT = 16
"""Levels of a tree up to which all samples take as many steps as the longest way has."""


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
def _padded(features: Any, cuts: Any, left: Any, right: Any, roots: Any, leaves: int) -> Any:
    """Return trees whose leaves are nodes that lead to themselves: leaf `k` is `nodes + k`.

    They are (features, cuts, children left and right in turn, roots, levels of each tree). With
    such leaves a walk takes the same steps for all samples, and no branch is to be predicted.
    Indices have no sign, as others are looked at before each use.
    """
    nodes = len(features)
    feature = np.zeros(nodes + leaves, np.uint32)
    cut = np.zeros(nodes + leaves)
    children = np.empty(2 * (nodes + leaves), np.uint32)
    for n in range(nodes):
        feature[n], cut[n] = features[n], cuts[n]
        children[2 * n] = left[n] if left[n] >= 0 else nodes - 1 - left[n]
        children[2 * n + 1] = right[n] if right[n] >= 0 else nodes - 1 - right[n]
    for n in range(nodes, nodes + leaves):
        children[2 * n] = children[2 * n + 1] = n
    tops, levels = np.empty(len(roots), np.uint32), np.zeros(len(roots), np.int64)
    stack = [(np.int64(0), np.int64(0))]
    for tree in range(len(roots)):
        tops[tree] = roots[tree] if roots[tree] >= 0 else nodes - 1 - roots[tree]
        stack.append((np.int64(roots[tree]), np.int64(0)))
        while len(stack) > 1:
            at, level = stack.pop()
            levels[tree] = max(levels[tree], level)
            if at >= 0:
                stack.append((np.int64(left[at]), level + 1))
                stack.append((np.int64(right[at]), level + 1))
    return feature, cut, children, tops, levels


@njit(cache=True)
def _descend(at: Any, rows: Any, x: Any, feature: Any, cut: Any, children: Any) -> None:
    """Take each of `rows` samples, (samples, features), one level down from node `at`."""
    width = np.uint64(x.shape[1])
    flat = x.reshape(-1)
    for row in range(rows):
        a = np.uint64(at[row])
        value = flat[np.uint64(row) * width + np.uint64(feature[a])]
        at[row] = children[a + a + np.uint64(value >= cut[a])]


@njit(cache=True)
def _fall(
    at: Any, rows: Any, levels: int, x: Any, feature: Any, cut: Any, children: Any, nodes: int
) -> None:  # fmt: skip
    """Take each of `rows` samples from node `at` to the leaf."""
    if levels <= FLAT:
        for _ in range(levels):
            _descend(at, rows, x, feature, cut, children)
        return
    for row in range(rows):  # few samples go the long way: each its own
        a = at[row]
        while a < nodes:
            a = children[2 * a + (x[row, feature[a]] >= cut[a])]
        at[row] = a


@njit(cache=True)
def reach_plain(
    x: Any, features: Any, cuts: Any, left: Any, right: Any, roots: Any, leaves: int
) -> Any:
    """Return the leaf of each sample and tree, of trees that only compare numbers.

    A sample, a row of `x` (rows, features), goes left where its number is less than the cut.
    `leaves` is how many there are.
    """
    feature, cut, children, tops, levels = _padded(features, cuts, left, right, roots, leaves)
    found, at = np.empty((len(x), len(roots)), np.int64), np.empty(BLOCK, np.uint32)
    for start in range(0, len(x), BLOCK):
        own = x[start : start + BLOCK]
        for tree in range(len(roots)):  # a tree's nodes stay in the cache
            at[:] = tops[tree]
            _fall(at, len(own), levels[tree], own, feature, cut, children, len(features))
            for row in range(len(own)):
                found[start + row, tree] = np.int64(at[row]) - len(features)
    return found


@njit(cache=True)
def sum_plain(
    x: Any, features: Any, cuts: Any, left: Any, right: Any, roots: Any, words: Any, total: Any
) -> None:  # fmt: skip
    """Do as `reach_plain` and `add_up`, while a tree's words are in the cache."""
    nodes = len(features)
    feature, cut, children, tops, levels = _padded(features, cuts, left, right, roots, len(words))
    at = np.empty(BLOCK, np.uint32)
    for start in range(0, len(x), BLOCK):
        own = x[start : start + BLOCK]
        for tree in range(len(roots)):
            at[:] = tops[tree]
            _fall(at, len(own), levels[tree], own, feature, cut, children, nodes)
            for row in range(len(own)):
                leaf = np.uint64(at[row]) - np.uint64(nodes)
                for k in range(words.shape[1]):
                    total[start + row, k] += words[leaf, k]


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


@njit(cache=True)
def flips_plain(
    x: Any, features: Any, cuts: Any, left: Any, right: Any, roots: Any, leaves: Any, weights: Any,
    bins: Any, starts: Any, cost: Any,
) -> bool:  # fmt: skip
    """Do as `flips`, of trees that only compare numbers.

    Returns False, and does nothing, where one has too many levels for it.
    """
    nodes = len(features)
    feature, cut, children, tops, levels = _padded(features, cuts, left, right, roots, len(leaves))
    if levels.max() > FLAT:
        return False
    path = np.empty((levels.max() + 1, BLOCK), np.uint32)
    other = np.empty(BLOCK, np.uint32)
    for tree in range(len(roots)):  # its part of the costs stays in the cache
        depth = levels[tree]
        for start in range(0, len(x), BLOCK):
            own = x[start : start + BLOCK]
            path[0, :] = tops[tree]
            for level in range(depth):
                path[level + 1, :] = path[level, :]
                _descend(path[level + 1], len(own), own, feature, cut, children)
            for level in range(depth):
                for row in range(len(own)):  # the child where the sample does not go
                    a, b = path[level, row], path[level + 1, row]
                    other[row] = children[2 * a] ^ children[2 * a + 1] ^ b
                for _ in range(depth - level - 1):
                    _descend(other, len(own), own, feature, cut, children)
                for row in range(len(own)):
                    a = path[level, row]
                    if a >= nodes:
                        continue
                    total = 0.0
                    for k in range(leaves.shape[1]):
                        change = leaves[other[row] - nodes, k] - leaves[path[depth, row] - nodes, k]
                        total += weights[start + row, k] * change * change
                    cost[starts[a] + bins[start + row, feature[a]]] += total
    return True
