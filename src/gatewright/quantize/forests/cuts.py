"""Choose where the trees of a forest cut a feature: few places, of few bits.

The only thing that matters about a feature is on which side of each threshold it is. So what
moving a threshold costs is counted on data: the samples that come to its node and change sides,
each with what the other side's leaf does to the outputs. Thresholds that share a place share a
comparator, and a place of few bits is a comparator of one LUT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.ir import Reals
from gatewright.num import Ints

MOST_ROUNDS = 4


@dataclass(frozen=True, eq=False)
class Places:
    """Where a feature can be cut.

    Attributes:
        edges: (edges,) cuts as integers, ascending: what is less goes left. The first sends all
            samples right, the last sends all left.
        luts: (edges,) of a comparator there; the first and the last take none.
        costs: (nodes, edges), of moving each node of the feature there.
    """

    edges: Ints
    luts: Reals
    costs: Reals


def choose(places: Places, start: Ints, price: float) -> Ints:
    """Return an edge for each node, so that cost and price of the comparators are small.

    Places are given up and moved one by one, the cheapest first, until nothing is gained.

    Args:
        places: where it can be cut.
        start: (nodes,) edge of each node at the beginning.
        price: of a LUT.
    """
    at = start.copy()
    for _ in range(MOST_ROUNDS):
        before = at.copy()
        at = _drop(places, at, price)
        at = _move(places, at, price)
        if np.array_equal(before, at):
            break
    return at


def _drop(places: Places, at: Ints, price: float) -> Ints:
    """Give up places whose nodes do nearly as well at the next ones."""
    last = len(places.edges) - 1
    members = {int(e): np.flatnonzero(at == e) for e in np.unique(at)}
    for end in (0, last):
        members.setdefault(end, np.zeros(0, np.int64))
    order = sorted(members)
    gains = {e: _gain(places, members, order, k, price) for k, e in enumerate(order)}
    while True:
        inner = {e: gains[e] for e in order[1:-1]}
        best = max(inner, key=lambda e: inner[e][0], default=None)
        if best is None or inner[best][0] <= 0:
            return at
        k = order.index(best)
        _, to = gains[best]
        nodes = members.pop(best)
        at[nodes] = to
        for end in (order[k - 1], order[k + 1]):
            members[end] = np.flatnonzero(at == end)
        del order[k], gains[best]
        for j in range(max(k - 2, 0), min(k + 2, len(order))):
            gains[order[j]] = _gain(places, members, order, j, price)


def _gain(
    places: Places, members: dict[int, Ints], order: list[int], k: int, price: float
) -> tuple[float, Ints]:
    """Return what is gained without a place, and where its nodes go."""
    if k == 0 or k == len(order) - 1:
        return -np.inf, np.zeros(0, np.int64)
    e, below, above = order[k], order[k - 1], order[k + 1]
    own = places.costs[members[e]]
    lower, upper = own[:, below], own[:, above]
    to = np.where(lower <= upper, below, above)
    loss = float((np.minimum(lower, upper) - own[:, e]).sum())
    return price * float(places.luts[e]) - loss, to


def _move(places: Places, at: Ints, price: float) -> Ints:
    """Move places to cheaper ones between their neighbours."""
    last = len(places.edges) - 1
    order = sorted({int(e) for e in at} | {0, last})
    for k in range(1, len(order) - 1):
        low, high = order[k - 1] + 1, order[k + 1]
        nodes = np.flatnonzero(at == order[k])
        worth = places.costs[nodes, low:high].sum(axis=0) + price * places.luts[low:high]
        best = low + int(worth.argmin())
        if worth[best - low] < worth[order[k] - low]:
            at[nodes], order[k] = best, best
    return at
