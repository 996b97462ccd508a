"""Round the leaves of a forest, tree after tree, so that later trees make up for earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from gatewright.ir import Reals
from gatewright.num import Ints
from gatewright.ops.forest import WORD_LUTS
from gatewright.quantize.constants import leaf_unit

SHRINKAGE = 16.0
"""Samples of average weight that speak for a leaf's old value."""

REFIT_SHARE = 0.1
"""Leaves of an output for each sample up to which their values are fitted anew."""

AROUND, OFFSETS = 2, 8
"""Units tried on both sides of the one that theory gives, and places of the least word."""

STEPS, MOST_BITS = 23, 26


@dataclass(frozen=True, eq=False)
class Fit:
    """What leaves are fitted to.

    Attributes:
        reached: (rows, trees), the leaf of each.
        live: the leaves that can be reached, tree after tree, ascending in each.
        first: (trees + 1,) where each tree's begin.
        target: (rows, outputs) of the real model.
        weights: (rows, outputs), cost of a squared error; their sum over rows is what counts.
    """

    reached: Ints
    live: Ints
    first: Ints
    target: Reals
    weights: Reals


def round_leaves(
    fit: Fit, leaves: Reals, base: Reals, price: float, finest: int
) -> tuple[Reals, Reals]:
    """Return leaves and base on grids that pay for their bits.

    Args:
        fit: data.
        leaves: (leaves, outputs).
        base: (outputs,).
        price: of a LUT.
        finest: binary point of the finest grid that words may have.
    """
    leaves, base = leaves.copy(), base.copy()
    where = _places(fit.reached, fit.live, fit.first)
    for k in range(leaves.shape[1]):
        values, weights = leaves[:, k].copy(), fit.weights[:, k].copy()
        trees = _in_order(fit, values, base, k)
        rows, count = len(weights), int(np.diff(fit.first)[trees].sum())
        total = values[fit.live[where]].sum(axis=0) + base[k]
        shift = _fit_and_round(
            trees, where, fit.live, fit.first, values, total, fit.target[:, k].copy(), weights,
            count <= REFIT_SHARE * rows, price * WORD_LUTS, leaf_unit(1.0, price), finest,
        )  # fmt: skip
        leaves[:, k] = values
        base[k] += shift
    return leaves, base


def _in_order(fit: Fit, values: Reals, base: Reals, k: int) -> Ints:
    """Return the trees whose leaves differ, the largest first; the others go into the base.

    What the largest lose, the smaller ones can make up for.
    """
    own, starts = values[fit.live], fit.first[:-1]
    spread = np.maximum.reduceat(own, starts) - np.minimum.reduceat(own, starts)
    still = spread == 0
    base[k] += own[starts[still]].sum()
    values[fit.live[np.repeat(still, np.diff(fit.first))]] = 0.0
    order = np.argsort(-spread, kind="stable")
    return np.asarray(order[: int((~still).sum())])


@njit(cache=True)
def _places(reached: Any, live: Any, first: Any) -> Any:
    """Return where in `live` the leaf stands that each row reaches in each tree, (trees, rows)."""
    found = np.empty((reached.shape[1], reached.shape[0]), np.int64)
    for tree in range(len(found)):
        own = live[first[tree] : first[tree + 1]]
        for row in range(found.shape[1]):
            found[tree, row] = first[tree] + np.searchsorted(own, reached[row, tree])
    return found


@njit(cache=True)
def _fit_and_round(
    trees: Any, where: Any, live: Any, first: Any, values: Any, total: Any, target: Any,
    weights: Any, refit: bool, bit: float, unit: float, finest: int,
) -> float:  # fmt: skip
    """Fit an output's values to the target, round them, and return by how much the base shifts.

    Args:
        trees: whose values differ, in order.
        where: (trees, rows) places in `live`.
        live: as that of `Fit`.
        first: likewise.
        values: (leaves,), changed in place.
        total: (rows,) the sums of the values reached; likewise.
        target: (rows,).
        weights: (rows,).
        refit: values are fitted before they are rounded, else only rounded.
        bit: price of a bit of a tree's words.
        unit: the last bit's worth at which errors cost as much as bits where they weigh 1.
        finest: as in `round_leaves`.
    """
    mean, shift = weights.mean(), 0.0
    for turn in range(3 if refit else 1):
        for tree in trees:
            a, b = first[tree], first[tree + 1]
            own, weight, wanted = live[a:b], np.zeros(b - a), np.zeros(b - a)
            for row in range(len(total)):
                weight[where[tree, row] - a] += weights[row]
                wanted[where[tree, row] - a] += (target[row] - total[row]) * weights[row]
            wanted = values[own] + wanted / (weight + SHRINKAGE * mean)
            if turn == 2 or not refit:
                before = wanted if refit else values[own]
                wanted = _rounded(before, weight + mean, bit, unit, finest)
            shift += _update(where[tree], a, own, wanted, values, total, target, weights)
    return shift


@njit(cache=True)
def _update(
    where: Any, start: int, own: Any, new: Any, values: Any, total: Any, target: Any, weights: Any
) -> float:
    """Set a tree's values; return what goes into the base, as the gap has it in common."""
    change = new - values[own]
    gap = 0.0
    for row in range(len(total)):
        total[row] += change[where[row] - start]
        gap += (target[row] - total[row]) * weights[row]
    shift = gap / max(weights.sum(), 1e-300)
    total += shift
    values[own] = new
    return float(shift)


@njit(cache=True)
def _rounded(values: Any, weight: Any, bit: float, unit: float, finest: int) -> Any:
    """Return values on the grid, and of the number of bits, that cost least; the least one is 0.

    What they have in common goes into the base, which is fitted afterwards.
    """
    low, spread = values.min(), values.max() - values.min()
    mean = (values * weight).sum() / max(weight.sum(), 1e-300)
    best, at, unit_found, top_found = np.inf, 0.0, 1.0, 0
    ideal = -np.log2(unit / np.sqrt(max(weight.sum(), 1e-300)))
    middle = min(max(int(np.rint(ideal)), finest - STEPS), finest)
    for frac in range(middle - AROUND, min(middle + AROUND, finest) + 1):
        unit, inverse = 2.0**-frac, 2.0**frac  # exact both
        need = _bits(int(np.ceil(spread / unit)))
        for bits in range(max(need - 2, 0), min(need, MOST_BITS) + 1):
            top = (1 << bits) - 1
            # Where the least word may stand.
            begin, end = low, low + spread - top * unit
            begin, end = min(begin, end) - 0.5 * unit, max(begin, end) + 0.5 * unit
            for step in range(OFFSETS if bits else 1):
                start = begin + (end - begin) * step / (OFFSETS - 1) if bits else mean
                cost = bit * bits
                for k in range(len(values)):
                    q = min(max(np.rint((values[k] - start) * inverse), 0.0), top)
                    gap = values[k] - (start + q * unit)
                    cost += weight[k] * gap * gap
                if cost < best:
                    best, at, unit_found, top_found = cost, start, unit, top
    words = np.minimum(np.maximum(np.rint((values - at) / unit_found), 0), top_found)
    return (words - words.min()) * unit_found


@njit(cache=True)
def _bits(number: int) -> int:
    """Return the bits of a whole number."""
    bits = 0
    while number >> bits:
        bits += 1
    return bits
