from dataclasses import replace

import numpy as np

from gatewright.num import Intervals
from gatewright.ops import Forest
from tests.ops.cases.common import Case, mixed, uniform

NONE = np.nan


def grown(seed: int, trees: int, depth: int, features: int, outputs: int, **options) -> Forest:
    """Return a forest of full trees with random questions."""
    rng = np.random.default_rng(seed)
    inner, ends = (1 << depth) - 1, 1 << depth
    left, right, roots = [], [], []
    for tree in range(trees):
        roots.append(tree * inner if inner else -1 - tree)
        for node in range(inner):
            below = [2 * node + 1, 2 * node + 2]
            pair = [
                tree * inner + n if n < inner else -1 - (tree * ends + n - inner) for n in below
            ]
            left.append(pair[0])
            right.append(pair[1])
    nodes = trees * inner
    sets = options.pop("sets", np.zeros((0, 0), np.bool_))
    missing = np.asarray(options.pop("missing", [NONE] * features), np.float64)
    members = np.full(nodes, -1)
    if len(sets):
        members[::3] = rng.integers(0, len(sets), len(members[::3]))
    return Forest(
        features=rng.integers(0, features, nodes),
        thresholds=np.round(rng.uniform(-4, 8, nodes) * 16) / 16,
        inclusive=rng.random(nodes) < 0.5,
        missing_left=rng.random(nodes) < 0.5,
        members=members,
        left=np.asarray(left, np.int64),
        right=np.asarray(right, np.int64),
        roots=np.asarray(roots),
        leaves=rng.integers(-20, 20, (trees * ends, outputs)) * 0.25,
        base=rng.integers(-3, 3, outputs) * 0.5,
        missing=np.nan_to_num(missing),
        has_missing=~np.isnan(missing),
        sets=sets,
    )


def of_classes(op: Forest, outputs: int) -> Forest:
    """Return a forest each tree of which adds to one output in turn, as boosting has them."""
    leaves = np.zeros((len(op.leaves), outputs))
    each = len(op.leaves) // op.trees
    for tree in range(op.trees):
        own = slice(tree * each, (tree + 1) * each)
        leaves[own, tree % outputs] = op.leaves[own, 0]
    return replace(op, leaves=leaves, base=np.arange(outputs) * 0.5)


def chain(depth: int) -> Forest:
    """Return one tree in which each node has one leaf and one node, as grown by loss."""
    rng = np.random.default_rng(depth)
    nodes = np.arange(depth)
    after = np.where(nodes + 1 < depth, nodes + 1, -1 - depth)
    left = np.where(nodes % 2, after, -1 - nodes)
    right = np.where(nodes % 2, -1 - nodes, after)
    step = nodes // 2  # to the right from below, to the left from above, alternately
    thresholds = np.where(nodes % 2, depth + 50 - step, step) * 1.0
    return Forest(
        features=nodes % 2,
        thresholds=thresholds,
        inclusive=np.zeros(depth, np.bool_),
        missing_left=np.zeros(depth, np.bool_),
        members=np.full(depth, -1),
        left=left,
        right=right,
        roots=np.zeros(1, np.int64),
        leaves=rng.integers(-50, 50, (depth + 1, 1)) * 0.5,
        base=np.zeros(1),
        missing=np.zeros(2),
        has_missing=np.zeros(2, np.bool_),
        sets=np.zeros((0, 0), np.bool_),
    )


SETS = np.random.default_rng(5).random((4, 6)) < 0.5

SAME = grown(10, 4, 3, 2, 1)
SAME = replace(SAME, thresholds=np.where(SAME.features, 1.0, 2.5))
"""Nodes that ask the same again, so that one of their sides is dead."""

OUTSIDE = grown(11, 4, 3, 2, 1)
OUTSIDE = replace(OUTSIDE, thresholds=OUTSIDE.thresholds * np.where(np.arange(28) % 3, 1.0, 1e9))

CASES = [
    Case("forest-deep", grown(12, 1, 8, 3, 2), (uniform("ufixed<7,4>", 3),)),
    Case("forest-chain", chain(40), (uniform("ufixed<7,7>", 2),)),
    Case("forest-same", SAME, (uniform("fixed<6,4>", 2),)),
    Case("forest-outside", OUTSIDE, (uniform("fixed<6,4>", 2),)),
    Case(
        "forest-wide",
        replace(grown(13, 3, 3, 2, 1), thresholds=np.arange(21) * 51_234.0 - 5e5),
        (uniform("fixed<21,21>", 2),),
    ),
    Case("forest-plain", grown(0, 5, 3, 3, 1), (uniform("fixed<6,4>", 3),)),
    Case("forest-outputs", grown(1, 3, 2, 2, 3), (uniform("ufixed<5,3>", 2),)),
    Case("forest-classes", of_classes(grown(14, 7, 3, 3, 1), 3), (uniform("fixed<6,4>", 3),)),
    Case("forest-grids", grown(2, 4, 3, 4, 2), (mixed(4, 4),)),
    Case("forest-rows", grown(3, 2, 2, 3, 1), (uniform("fixed<5,4>", 2, 3),)),
    Case(
        "forest-missing",
        grown(4, 4, 3, 3, 2, missing=[-8.0, NONE, 3.5]),
        (uniform("fixed<6,4>", 3),),
    ),
    Case("forest-sets", grown(6, 4, 3, 3, 1, sets=SETS), (uniform("fixed<5,4>", 3),)),
    Case(
        "forest-sets-missing",
        grown(7, 4, 2, 2, 1, sets=SETS, missing=[-1.0, 2.0]),
        (uniform("fixed<5,4>", 2),),
    ),
    Case("forest-leaves", grown(8, 3, 0, 2, 2), (uniform("fixed<4,4>", 2),)),
    Case("forest-narrow", grown(9, 6, 3, 2, 1), (Intervals.of([0, 5], [3, 5], 0),)),
]
