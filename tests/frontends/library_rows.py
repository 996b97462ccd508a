"""Rows that try every threshold of a forest: on it, beside it, and what is missing."""

import numpy as np

from gatewright.ops import Forest


def rows(forest: Forest, data, seed=0, count=600, single=True, missing=0.03):
    """Return samples of `data` of which one number stands at a threshold, or next to it.

    Numbers beside it are float32 neighbours where the library computes in float32, else those of
    float64; some rows hold float64 neighbours in any case.
    """
    rng = np.random.default_rng(seed)
    x = np.array(data[rng.integers(0, len(data), count)], np.float64)
    numeric = np.flatnonzero((forest.members < 0) & (np.abs(forest.thresholds) < 1e30))
    if len(numeric):
        node = rng.choice(numeric, count)
        wide = forest.thresholds[node]
        near = wide.astype(np.float32) if single else wide
        one = near.dtype.type
        beside = [near, np.nextafter(near, one(np.inf)), np.nextafter(near, one(-np.inf))]
        beside += [wide, np.nextafter(wide, np.inf), np.nextafter(wide, -np.inf)]
        kind = rng.integers(0, len(beside), count)
        chosen = np.choose(kind, [b.astype(np.float64) for b in beside])
        x[np.arange(count), forest.features[node]] = chosen
    if missing:
        x[rng.random(x.shape) < missing] = np.nan
    return x
