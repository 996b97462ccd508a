"""Round the leaves of a forest, tree after tree, so that later trees make up for earlier ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        live: of each tree, the leaves that can be reached, ascending.
        target: (rows, outputs) of the real model.
        weights: (rows, outputs), cost of a squared error; their sum over rows is what counts.
    """

    reached: Ints
    live: list[Ints]
    target: Reals
    weights: Reals


def round_leaves(
    fit: Fit, leaves: Reals, base: Reals, price: float, finest: int, user: int | None = None
) -> tuple[Reals, Reals]:
    """Return leaves and base on grids that pay for their bits.

    Args:
        fit: data.
        leaves: (leaves, outputs).
        base: (outputs,).
        price: of a LUT.
        finest: binary point of the finest grid that words may have.
        user: binary point of all words, where it is given.
    """
    leaves, base = leaves.copy(), base.copy()
    for k in range(leaves.shape[1]):
        _Output(fit, leaves[:, k], base, k).run(price, finest, user)
    return leaves, base


class _Output:
    """One output: its leaves are changed in place."""

    def __init__(self, fit: Fit, values: Reals, base: Reals, k: int) -> None:
        self.fit, self.values, self.base, self.k = fit, values, base, k
        self.weights = fit.weights[:, k]
        kept = [t for t in range(fit.reached.shape[1]) if self._moves(t)]
        for own in (own for t, own in enumerate(fit.live) if t not in kept):
            base[k] += values[own[0]]
            values[own] = 0.0
        # The largest first: what they lose, the smaller ones can make up for.
        self.trees = sorted(kept, key=lambda t: -float(np.ptp(values[self.fit.live[t]])))
        self.total = values[fit.reached].sum(axis=1) + base[k]

    def _moves(self, tree: int) -> bool:
        return bool(np.ptp(self.values[self.fit.live[tree]]))

    def run(self, price: float, finest: int, user: int | None) -> None:
        """Fit, round, and set the base."""
        rows = len(self.weights)
        leaves = sum(len(self.fit.live[t]) for t in self.trees)
        if leaves <= REFIT_SHARE * rows:
            for _ in range(2):
                for tree in self.trees:
                    own, wanted, _ = self._wanted(tree)
                    self._update(tree, own, wanted)
        for tree in self.trees:
            own, wanted, weight = self._wanted(tree)
            if leaves > REFIT_SHARE * rows:
                wanted = self.values[own]
            words = _rounded(wanted, weight, price, finest, user)
            self._update(tree, own, words)

    def _wanted(self, tree: int) -> tuple[Ints, Reals, np.ndarray]:
        """Return leaves of a tree, the values that would fit best, and their weights."""
        own = self.fit.live[tree]
        where = np.searchsorted(own, self.fit.reached[:, tree])
        gap = (self.fit.target[:, self.k] - self.total) * self.weights
        weight = np.bincount(where, self.weights, len(own))
        mean = float(self.weights.mean())
        prior = SHRINKAGE * mean
        return (
            own,
            self.values[own] + np.bincount(where, gap, len(own)) / (weight + prior),
            weight + mean,
        )

    def _update(self, tree: int, own: Ints, values: Reals) -> None:
        change = np.zeros(len(self.values))
        change[own] = values - self.values[own]
        self.total += change[self.fit.reached[:, tree]]
        self.values[own] = values
        # What all leaves of a tree have in common goes into the base.
        gap = self.fit.target[:, self.k] - self.total
        shift = float((gap * self.weights).sum() / max(self.weights.sum(), 1e-300))
        self.base[self.k] += shift
        self.total += shift


def _rounded(values: Reals, weight: Reals, price: float, finest: int, user: int | None) -> Reals:
    """Return values on the grid, and of the number of bits, that cost least; the least one is 0.

    What they have in common goes into the base, which is fitted afterwards.
    """
    steps = [user] if user is not None else _steps(weight, price, finest)
    spread = float(np.ptp(values))
    best, found = np.inf, np.zeros_like(values)
    mean = float((values * weight).sum() / max(weight.sum(), 1e-300))
    for frac in steps:
        unit = 2.0**-frac
        need = int(np.ceil(spread / unit)).bit_length()
        for bits in range(max(need - 2, 0), min(need, MOST_BITS) + 1):
            top = (1 << bits) - 1
            starts = _starts(values, unit, top) if bits else np.asarray([mean])
            q = np.clip(np.rint((values - starts[:, None]) / unit), 0, top)
            gap = values - (starts[:, None] + q * unit)
            cost = (weight * gap * gap).sum(axis=1) + price * WORD_LUTS * bits
            k = int(cost.argmin())
            if cost[k] < best:
                best, found = float(cost[k]), (q[k] - q[k].min()) * unit
    return found


def _steps(weight: Reals, price: float, finest: int) -> list[int]:
    """Return binary points about the one at which rounding and bits cost the same."""
    unit = leaf_unit(max(float(weight.sum()), 1e-300), price)
    best = int(np.clip(round(-np.log2(unit)), finest - STEPS, finest))
    return [f for f in range(best - AROUND, best + AROUND + 1) if f <= finest]


def _starts(values: Reals, unit: float, top: int) -> Reals:
    """Return where the least word may stand."""
    low, high = float(values.min()), float(values.max())
    first, last = min(low, high - top * unit), max(low, high - top * unit)
    return np.linspace(first - 0.5 * unit, last + 0.5 * unit, OFFSETS)
