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


SETS = np.random.default_rng(5).random((4, 6)) < 0.5

CASES = [
    Case("forest-plain", grown(0, 5, 3, 3, 1), (uniform("fixed<6,4>", 3),)),
    Case("forest-outputs", grown(1, 3, 2, 2, 3), (uniform("ufixed<5,3>", 2),)),
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
