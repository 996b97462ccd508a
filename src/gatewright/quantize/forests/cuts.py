"""Choose where the trees of a forest cut a feature: few places, of few bits.

The only thing that matters about a feature is on which side of each threshold it is. So what
moving a threshold costs is counted on data: the samples that come to its node and change sides,
each with what the other side's leaf does to the outputs. Thresholds that share a place share a
comparator, and a place of few bits is a comparator of one LUT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

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
    at = np.array(start, np.int64)
    columns = (places.costs, places.luts * price)
    for _ in range(MOST_ROUNDS):
        before = at.copy()
        _drop(at, *columns)
        _move(at, *columns)
        if np.array_equal(before, at):
            break
    return at


@njit(cache=True)
def _members(at: Any, edges: int) -> Any:
    """Return lists of nodes by edge: (the first of each edge, the next one of each node)."""
    first, following = np.full(edges, -1, np.int64), np.full(len(at), -1, np.int64)
    for node in range(len(at) - 1, -1, -1):
        following[node] = first[at[node]]
        first[at[node]] = node
    return first, following


@njit(cache=True)
def _drop(at: Any, costs: Any, worth: Any) -> None:
    """Give up places whose nodes do nearly as well at the next ones, the cheapest first.

    Args:
        at: (nodes,) edge of each, changed in place.
        costs: (nodes, edges).
        worth: (edges,) of a comparator that is saved.
    """
    first, following = _members(at, len(worth))
    order = np.empty(len(worth), np.int64)
    count = 0
    for e in range(len(worth)):
        if first[e] >= 0 or e in (0, len(worth) - 1):
            order[count] = e
            count += 1
    gains = np.full(len(worth), -np.inf)
    for k in range(1, count - 1):
        gains[order[k]] = _gain(first, following, order, k, costs, worth)
    while count > 2:
        k, best = 0, 0.0
        for j in range(1, count - 1):
            if gains[order[j]] > best:
                k, best = j, gains[order[j]]
        if not k:
            return
        below, above, node = order[k - 1], order[k + 1], first[order[k]]
        while node >= 0:
            to = below if costs[node, below] <= costs[node, above] else above
            next_, following[node] = following[node], first[to]
            first[to], at[node] = node, to
            node = next_
        order[k : count - 1] = order[k + 1 : count].copy()
        count -= 1
        for j in range(max(k - 2, 1), min(k + 2, count - 1)):
            gains[order[j]] = _gain(first, following, order, j, costs, worth)


@njit(cache=True)
def _gain(first: Any, following: Any, order: Any, k: int, costs: Any, worth: Any) -> float:
    """Return what is gained without a place, its nodes at the better of the two next to it."""
    e, below, above = order[k], order[k - 1], order[k + 1]
    gain = worth[e]
    node = first[e]
    while node >= 0:
        gain -= min(costs[node, below], costs[node, above]) - costs[node, e]
        node = following[node]
    return float(gain)


@njit(cache=True)
def _move(at: Any, costs: Any, worth: Any) -> None:
    """Move places to cheaper ones between their neighbours."""
    first, following = _members(at, len(worth))
    before = 0
    total = np.empty(len(worth))
    for e in range(1, len(worth) - 1):
        if first[e] < 0:
            continue
        end = e + 1
        while end < len(worth) - 1 and first[end] < 0:
            end += 1
        total[before + 1 : end] = worth[before + 1 : end]
        node = first[e]
        while node >= 0:
            for place in range(before + 1, end):
                total[place] += costs[node, place]
            node = following[node]
        best = before + 1
        for place in range(before + 2, end):
            if total[place] < total[best]:
                best = place
        if total[best] >= total[e]:
            best = e
        node = first[e]
        while node >= 0:
            at[node] = best
            node = following[node]
        before = best
