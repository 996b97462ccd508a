"""Move potentials to the optimum of a linear program of differences, under path constraints.

The program: integers x, arcs (u, v, bound) that ask x[v] - x[u] >= bound, and a gain for every
node; maximise the sum of gain[i] * x[i]. It is the dual of a minimum cost flow. It is solved from
the least feasible x by the primal-dual method (Ford and Fulkerson 1962; in terms of labels,
Murota's steepest ascent of an L-natural function): push flow from nodes with gain to nodes with
loss along tight arcs; what is reachable from gain that is left over forms the set whose common move
by one pays most; move it, and go on. When no gain is left over, x is optimal.

The clock adds a constraint for every pair of cells whose path is too long, quadratically many. They
are found when needed (as in Wang and Zhou, *An efficient incremental algorithm for min-area
retiming*, DAC 2008): a move that breaks the clock is not made; the pairs it breaks become arcs.
Since the flow is optimal for the arcs that are there and x obeys the clock, x is optimal for all.
Every move keeps x feasible and pays, and so the search may stop at any time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any
TAIL, HEAD, BOUND, NEXT_OUT, NEXT_IN, FLOW = 0, 1, 2, 3, 4, 5
ARC_COLUMNS = 6
OUT, IN = 0, 1
EPSILON = 1e-9
"""Nanoseconds by which sums of delays may differ by rounding."""

SIGNATURE = (
    "(int64[::1], int64[::1], int64[:,::1], int64[::1], float64[::1], int64[::1], int64[::1], "
    "float64, int64)"
)


@njit()
def _link(arcs: Array, first: Array, k: int) -> None:
    """Enter an arc into the lists of its ends."""
    u, v = arcs[k, TAIL], arcs[k, HEAD]
    arcs[k, NEXT_OUT] = first[u, OUT]
    arcs[k, NEXT_IN] = first[v, IN]
    first[u, OUT] = k
    first[v, IN] = k


@njit()
def _levels(
    arcs: Array, first: Array, x: Array, excess: Array, level: Array, queue: Array
) -> tuple[int, bool, int]:
    """Search breadth first from what has gain left over.

    Returns how many nodes were reached, whether one of them can take flow, and arcs looked at.
    """
    end, at, found, seen = 0, 0, False, 0
    for u in range(len(x)):
        level[u] = -1
        if excess[u] > 0:
            level[u] = 0
            queue[end] = u
            end += 1
    while at < end:
        u = queue[at]
        at += 1
        if excess[u] < 0:
            found = True
            continue
        k = first[u, OUT]
        while k >= 0:
            v = arcs[k, HEAD]
            if level[v] < 0 and x[v] - x[u] == arcs[k, BOUND]:
                level[v] = level[u] + 1
                queue[end] = v
                end += 1
            seen += 1
            k = arcs[k, NEXT_OUT]
        k = first[u, IN]
        while k >= 0:
            v = arcs[k, TAIL]
            if level[v] < 0 and arcs[k, FLOW] > 0:
                level[v] = level[u] + 1
                queue[end] = v
                end += 1
            seen += 1
            k = arcs[k, NEXT_IN]
    return end, found, seen


@njit()
def _advance(arcs: Array, x: Array, level: Array, current: Array, u: int) -> int:
    """Return the next arc out of a node to the level after it: 2 k, or 2 k + 1 backwards, or -1."""
    while current[u, OUT] >= 0:
        k: int = current[u, OUT]
        v = arcs[k, HEAD]
        if level[v] == level[u] + 1 and x[v] - x[u] == arcs[k, BOUND]:
            return 2 * k
        current[u, OUT] = arcs[k, NEXT_OUT]
    while current[u, IN] >= 0:
        k = current[u, IN]
        if level[arcs[k, TAIL]] == level[u] + 1 and arcs[k, FLOW] > 0:
            return 2 * k + 1
        current[u, IN] = arcs[k, NEXT_IN]
    return -1


@njit()
def _push(arcs: Array, excess: Array, path: Array, depth: int, start: int, end: int) -> None:
    """Send as much as a path takes."""
    amount = min(excess[start], -excess[end])
    for i in range(depth):
        if path[i] & 1:
            amount = min(amount, arcs[path[i] >> 1, FLOW])
    for i in range(depth):
        arcs[path[i] >> 1, FLOW] += -amount if path[i] & 1 else amount
    excess[start] -= amount
    excess[end] += amount


@njit()
def _drain(
    arcs: Array, x: Array, excess: Array, level: Array, current: Array, path: Array, start: int
) -> None:
    """Send what a node has left over along shortest paths, until none is left."""
    depth, u = 0, start
    while excess[start] > 0:
        if excess[u] < 0:
            _push(arcs, excess, path, depth, start, u)
            depth, u = 0, start
            continue
        step = _advance(arcs, x, level, current, u)
        if step >= 0:
            path[depth] = step
            depth += 1
            u = arcs[step >> 1, TAIL if step & 1 else HEAD]
        elif depth == 0:
            return
        else:
            level[u] = -1  # leads nowhere
            depth -= 1
            u = arcs[path[depth] >> 1, HEAD if path[depth] & 1 else TAIL]


@njit()
def _origin(i: int, p: int, x: Array, var: Array, delay: Array, worst: Array, budget: float) -> int:
    """Return the last node from which the path by `p` to `i` is too long, back along the worst."""
    total = delay[i] + delay[p]
    u = p
    while worst[u] >= 0 and (total <= budget + EPSILON or var[u] == var[i]):
        u = worst[u]
        total += delay[u]
    return u


@njit()
def _late(
    i: int, behind: int, x: Array, var: Array, delay: Array, start: Array, before: Array,
    budget: float, arrival: Array, worst: Array, pairs: Array, count: int,
) -> int:  # fmt: skip
    """Write a pair for each predecessor `behind` cycles before `i` that settles too late for it."""
    for j in range(start[i], start[i + 1]):
        p = before[j]
        late = arrival[p] + delay[i] > budget + EPSILON
        if late and arrival[p] > 0 and x[var[p]] + behind == x[var[i]]:
            pairs[count, 0] = var[_origin(i, p, x, var, delay, worst, budget)]
            pairs[count, 1] = var[i]
            count += 1
    return count


@njit()
def _check(
    x: Array, var: Array, delay: Array, start: Array, before: Array, budget: float,
    arrival: Array, worst: Array, pairs: Array,
) -> int:  # fmt: skip
    """Compute arrival times; write the pairs that a register must part; return how many."""
    count = 0
    for i in range(len(var)):
        latest, chosen = 0.0, -1
        for j in range(start[i], start[i + 1]):
            p = before[j]
            if x[var[p]] == x[var[i]] and arrival[p] > latest:
                latest, chosen = arrival[p], p
        worst[i] = chosen
        arrival[i] = latest + delay[i]
        if chosen >= 0 and arrival[i] > budget + EPSILON:
            count = _late(i, 0, x, var, delay, start, before, budget, arrival, worst, pairs, count)
            worst[i] = -1
            arrival[i] = delay[i]  # as if the register were there: what follows is judged by itself
    return count


@njit()
def _met(
    x: Array, var: Array, delay: Array, start: Array, before: Array, budget: float,
    arrival: Array, worst: Array, pairs: Array,
) -> int:  # fmt: skip
    """Write the pairs that keep a cell from the cycle before its own; return how many."""
    count = 0
    for i in range(len(var)):
        count = _late(i, 1, x, var, delay, start, before, budget, arrival, worst, pairs, count)
    return count


@njit()
def _with_pairs(arcs: Array, first: Array, used: int, pairs: Array, count: int) -> Array:
    """Add an arc of bound 1 for each pair; return the arcs, in a larger table where needed."""
    if used + count > arcs.shape[0]:
        larger = np.empty((2 * arcs.shape[0] + count, ARC_COLUMNS), np.int64)
        larger[:used] = arcs[:used]
        arcs = larger
    for i in range(count):
        k = used + i
        arcs[k, TAIL], arcs[k, HEAD] = pairs[i, 0], pairs[i, 1]
        arcs[k, BOUND], arcs[k, FLOW] = 1, 0
        _link(arcs, first, k)
    return arcs


@njit()
def _shift(x: Array, level: Array, by: int) -> None:
    """Move the nodes that were reached."""
    for u in range(len(x)):
        if level[u] >= 0:
            x[u] += by


@njit(SIGNATURE, cache=True)
def maximise(
    x: Array, gain: Array, arcs: Array, var: Array, delay: Array, start: Array, before: Array,
    budget: float, work: int,
) -> Any:  # fmt: skip
    """Move x from the least feasible potentials to the optimum, in place.

    Args:
        x: potentials, feasible, none of them greater than in an optimum.
        gain: what a step up of each node is worth; a large negative number holds a node.
        arcs: a row per arc with tail, head and bound set.
        var: node of each point of the timing graph, in order of dependence.
        delay: nanoseconds from the latest predecessor to each point.
        start: index into `before` of each point's first predecessor, and the end.
        before: predecessors; one counts where it has the same potential as its successor.
        budget: nanoseconds that no arrival may pass.
        work: arcs to look at before giving up.

    Returns:
        (arcs looked at, moves, path constraints, whether x is optimal)
    """
    n, used = len(x), arcs.shape[0]
    first = np.full((n, 2), -1, np.int64)
    for k in range(used):
        arcs[k, FLOW] = 0
        _link(arcs, first, k)
    excess = gain.copy()
    level, queue, path = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n + 1, np.int64)
    arrival, worst = np.empty(len(var)), np.empty(len(var), np.int64)
    pairs = np.empty((len(before), 2), np.int64)
    done, moves, asked = 0, 0, used
    if _check(x, var, delay, start, before, budget, arrival, worst, pairs):
        return done, moves, 0, False  # not feasible: leave it as it is
    count = _met(x, var, delay, start, before, budget, arrival, worst, pairs)
    arcs = _with_pairs(arcs, first, used, pairs, count)
    used += count
    while done < work:
        reached, found, seen = _levels(arcs, first, x, excess, level, queue)
        done += seen + n
        if reached == 0:
            return done, moves, used - asked, True
        if found:
            current = first.copy()
            for u in range(n):
                if excess[u] > 0:
                    _drain(arcs, x, excess, level, current, path, u)
            continue
        _shift(x, level, 1)
        count = _check(x, var, delay, start, before, budget, arrival, worst, pairs)
        done += len(before) + len(var)
        if count:
            _shift(x, level, -1)
            arcs = _with_pairs(arcs, first, used, pairs, count)
            used += count
        else:
            moves += 1
    return done, moves, used - asked, False
