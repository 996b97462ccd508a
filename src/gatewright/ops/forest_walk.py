"""A forest as an engine walks it: plain comparisons of integers, words of leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gatewright.blocks.tree_walk import Asked, Ensemble, WalkShape, plain_tree
from gatewright.blocks.tree_walk.shape import dealt_slots, turns
from gatewright.num import Intervals, Ints

if TYPE_CHECKING:
    from gatewright.ops.forest import Forest


@dataclass(frozen=True, eq=False)
class Walk:
    """A forest for samples of some types.

    Attributes:
        ensemble: its trees and leaves.
        asked: what its nodes ask.
        kind: types of the features.
    """

    ensemble: Ensemble
    asked: Asked
    kind: Intervals

    @property
    def node_bits(self) -> int:
        """Bits of a node without its children."""
        number = (len(self.asked.features) - 1).bit_length()
        cuts = [c for tree in self.ensemble.trees for c in tree.cut] or [0]
        cut = Intervals.of([min(cuts)], [max(cuts)], 0)
        return number + int(cut.width[0]) + self.asked.can_miss

    @property
    def leaf_bits(self) -> int:
        """Bits of a leaf: of all outputs, or where trees add to one each of the widest."""
        words = self.ensemble.words
        width = Intervals.of(words.min(0, initial=0), words.max(0, initial=0), 0).width
        return int(width.sum() if len(self.ensemble.groups) == 1 else width.max())

    def lanes(self, steps: int, delay: int) -> int | None:
        """Return the fewest lanes that walk down all trees in some steps; None: no number does.

        Args:
            steps: that a sample may take.
            delay: cycles from a step of a walk to the one that needs its result.
        """
        levels, count = self.ensemble.levels, len(self.ensemble.trees)
        most = steps // levels
        if most < delay:
            return None
        for lanes in range(-(-count // most), count + 1):
            batches, turn = turns(sum(dealt_slots(self.ensemble, lanes)), delay)
            if batches * turn <= most:
                return lanes
        return None

    def engine(self, lanes: int) -> WalkShape:
        """Return the shape of an engine that walks down so many trees at once."""
        return WalkShape.of(self.ensemble, lanes, self.node_bits, self.leaf_bits)


def walk(op: Forest, kind: Intervals) -> Walk:
    """Return a forest as plain comparisons.

    Args:
        op: the forest.
        kind: types of the features of a sample.
    """
    splits = op.splits(kind)
    ranges = list(zip(kind.lo.tolist(), kind.hi.tolist(), strict=True))
    trees = tuple(plain_tree(tree, splits, ranges) for tree in op.live(kind))
    words, base = op.words()
    drop = _zeros(words[sorted({leaf for tree in trees for leaf in tree.leaves})], base)
    ensemble = Ensemble(trees, words >> drop, base >> drop, op.grid() - drop)
    return Walk(ensemble, Asked.of(ensemble, _absent(op, kind)), kind)


def _zeros(*words: Ints) -> int:
    """Return the bits that are zero at the end of all words."""
    every = int(np.bitwise_or.reduce(np.concatenate([w.ravel() for w in words])))
    return (every & -every).bit_length() - 1 if every else 0


def _absent(op: Forest, kind: Intervals) -> list[int | None]:
    """Return the integer of each feature that stands for a missing value, where it can come."""
    points = np.ldexp(op.missing, kind.frac.astype(np.int32))
    inside = (points >= kind.lo) & (points <= kind.hi)
    there = op.has_missing & (points == np.floor(points)) & inside
    return [int(p) if ok else None for p, ok in zip(points, there, strict=True)]
