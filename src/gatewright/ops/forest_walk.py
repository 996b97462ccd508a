"""A forest as an engine walks it: plain comparisons of integers, words of leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.tree_walk import (
    Asked,
    Ensemble,
    ForestFormats,
    ForestRegisters,
    MemoryStore,
    TableStore,
    WalkShape,
    forest_walk,
    plain_tree,
)
from gatewright.blocks.tree_walk.shape import dealt_slots, turns
from gatewright.ir import Plan
from gatewright.num import Intervals, Ints
from gatewright.streams import Stream, Streams

if TYPE_CHECKING:
    from gatewright.ops.forest import Forest


MOST_NAMES = 8


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
            if self.steps(lanes, delay) <= steps:
                return lanes
        return None

    def steps(self, lanes: int, delay: int) -> int:
        """Return the steps of a sample, `delay` as for `lanes`."""
        batches, turn = turns(sum(dealt_slots(self.ensemble, lanes)), delay)
        return batches * turn * self.ensemble.levels

    def engine(self, lanes: int) -> WalkShape:
        """Return the shape of an engine that walks down so many trees at once."""
        return WalkShape.of(self.ensemble, lanes, self.node_bits, self.leaf_bits)


def walked(to: Streams, op: Forest, x: Stream, plan: Plan) -> Stream:
    """Return the stream of a forest's sums, walked as a plan says.

    Args:
        to: the network under construction.
        op: the forest.
        x: samples, a beat each.
        plan: how many trees are walked down at once, what holds them, and whether a bus writes
            them.
    """
    found = walk(op, x.types, plan.writable)
    shape = found.engine(plan.lanes or op.trees)
    if not plan.writable:
        tables = TableStore(found.ensemble, shape, found.asked)
        return forest_walk(to, x, found.asked, shape, tables, plan.memory)
    formats = ForestFormats.of(found.ensemble, x.types, plan.weight_bits, plan.bias_bits)
    store = MemoryStore(
        found.ensemble, shape, found.asked, x.types, formats, to.layer, to.registers
    )
    sums = forest_walk(to, x, found.asked, store.shape, store, plan.memory)
    to.registers.append(store.registers)
    return sums


def forest_words(op: Forest, own: ForestRegisters) -> Ints:
    """Return the writes, (writes, 2) addresses and data, that bring a forest into an engine.

    Raises:
        ModelError: it does not fit.
    """
    features = len(own.kind.lo)
    if len(op.missing) != features:
        raise ModelError(
            "a forest looks at another number of features than the engine that was built",
            place=own.layer, found=len(op.missing), supported=features,
        )  # fmt: skip
    found = walk(op, own.kind, True)
    if found.asked != own.asked:
        raise ModelError(
            "a forest has other numbers for missing values than the engine that was built",
            place=own.layer,
            found=_codes(found.asked),
            supported=_codes(own.asked),
            remedy="compile it with the same `missing`, or build the design again",
        )
    return own.load(found.ensemble)


def _codes(asked: Asked) -> str:
    """Tell which integers stand for missing values."""
    codes = [f"{code} of feature {i}" for i, code in enumerate(asked.absent) if code is not None]
    return ", ".join(codes[:MOST_NAMES]) + (" ..." if len(codes) > MOST_NAMES else "") or "none"


def walk(op: Forest, kind: Intervals, open_: bool = False) -> Walk:
    """Return a forest as plain comparisons.

    Args:
        op: the forest.
        kind: types of the features of a sample.
        open_: another forest may come, which looks at other features.
    """
    splits = op.splits(kind)
    ranges = list(zip(kind.lo.tolist(), kind.hi.tolist(), strict=True))
    trees = tuple(plain_tree(tree, splits, ranges) for tree in op.live(kind))
    words, base = op.words()
    used = words[sorted({leaf for tree in trees for leaf in tree.leaves})]
    drops, grid = (_zeros(used), _zeros(base)), op.grid()
    ensemble = Ensemble(
        trees, words >> drops[0], base >> drops[1], grid - drops[0], grid - drops[1]
    )
    absent = _absent(op, kind)
    if open_:
        return Walk(ensemble, Asked(tuple(range(len(absent))), tuple(absent)), kind)
    return Walk(ensemble, Asked.of(ensemble, absent), kind)


def _zeros(words: Ints) -> int:
    """Return the bits that are zero at the end of all words."""
    every = int(np.bitwise_or.reduce(words.ravel()))
    return (every & -every).bit_length() - 1 if every else 0


def _absent(op: Forest, kind: Intervals) -> list[int | None]:
    """Return the integer of each feature that stands for a missing value, where it can come."""
    points = np.ldexp(op.missing, kind.frac.astype(np.int32))
    inside = (points >= kind.lo) & (points <= kind.hi)
    there = op.has_missing & (points == np.floor(points)) & inside
    return [int(p) if ok else None for p, ok in zip(points, there, strict=True)]
