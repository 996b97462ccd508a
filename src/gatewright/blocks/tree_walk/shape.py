"""How the trees of a forest are dealt to lanes, and the words that lanes keep of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gatewright.blocks.tree_walk.plain import PlainTree
from gatewright.num import Ints

HEAP_LEVELS = 14
"""Levels up to which trees may be kept as if they were full."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trees with their leaves.

    Attributes:
        trees: their leaves are rows of `words`.
        words: (leaves, outputs) integers, on the grid `2**-frac`.
        base: (outputs,), what is added to the sums, on the grid `2**-base_frac`.
    """

    trees: tuple[PlainTree, ...]
    words: Ints
    base: Ints
    frac: int
    base_frac: int

    @property
    def levels(self) -> int:
        """Nodes on the longest way to a leaf, 1 at least."""
        return max([1, *(tree.depth for tree in self.trees)])

    @cached_property
    def groups(self) -> list[list[int]]:
        """The numbers of the trees that add to each output; all where one adds to several."""
        outputs = [self._output_of(tree) for tree in self.trees]
        if None in outputs:
            return [list(range(len(outputs)))]
        return [[t for t, o in enumerate(outputs) if o == k] for k in range(len(self.base))]

    def _output_of(self, tree: PlainTree) -> int | None:
        """Return the one output that a tree adds to, the first where none; None: several."""
        moved = np.flatnonzero(self.words[tree.leaves].any(axis=0))
        return None if len(moved) > 1 else int(moved[0]) if len(moved) else 0


@dataclass(frozen=True)
class WalkShape:
    """What an engine that walks trees is built for.

    Attributes:
        lanes: trees that are looked at in a step, a node of each.
        levels: nodes on the longest way to a leaf.
        slots: of each group of outputs, trees that a lane walks for it. Where each tree adds to one
            output, an output is a group of its own; else all of them are one.
        width: outputs of a group.
        linked: a node names its children; else a tree is kept as if it were full, and a node's
            place says where its children stand.
        nodes, leaves: words that a lane keeps.
    """

    lanes: int
    levels: int
    slots: tuple[int, ...]
    width: int
    linked: bool
    nodes: int
    leaves: int

    @property
    def trees(self) -> int:
        """Trees that a lane walks."""
        return sum(self.slots)

    @property
    def index_bits(self) -> int:
        """Bits that tell where a walk stands: a word of a lane, or of a full tree."""
        if not self.linked:
            return self.levels
        return max(max(self.nodes, self.leaves, self.trees) - 1, 1).bit_length()

    def turns(self, delay: int) -> tuple[int, int]:
        """Return how many times a lane walks some trees at once, and how many those are.

        A step of a walk needs what the one before it found, `delay` cycles later: as many walks
        at least are under way in a lane.
        """
        return turns(self.trees, delay)

    @property
    def node_pointers(self) -> int:
        """Bits of a node that name its children."""
        return 2 * (self.index_bits + 1) if self.linked else 0

    @classmethod
    def of(cls, ensemble: Ensemble, lanes: int, node_bits: int, leaf_bits: int) -> WalkShape:
        """Return the shape of an engine for a forest.

        Args:
            ensemble: the forest.
            lanes: trees looked at in a step.
            node_bits: of a node, without its children.
            leaf_bits: of a leaf.
        """
        lanes, groups = min(lanes, len(ensemble.trees)), ensemble.groups
        slots, levels = dealt_slots(ensemble, lanes), ensemble.levels
        count, width = sum(slots), len(ensemble.base) // len(groups)
        nodes, leaves = linked_words(ensemble, groups, slots, lanes)
        linked = cls(lanes, levels, slots, width, True, nodes, leaves)
        full = cls(lanes, levels, slots, width, False, count << levels, count << levels)
        if levels > HEAP_LEVELS:
            return linked
        own = nodes * (node_bits + linked.node_pointers) + leaves * leaf_bits
        return linked if own < full.nodes * (node_bits + leaf_bits) else full


def turns(trees: int, delay: int) -> tuple[int, int]:
    """Return how many times a lane walks some of its trees at once; see `WalkShape.turns`."""
    most = max(trees // delay, 1)
    counts = [(b * max(-(-trees // b), delay), -b) for b in range(1, most + 1)]
    batches = -min(counts)[1]
    return batches, max(-(-trees // batches), delay)


def dealt_slots(ensemble: Ensemble, lanes: int) -> tuple[int, ...]:
    """Return how many trees of each group a lane walks."""
    return tuple(max(-(-len(group) // lanes), 1) for group in ensemble.groups)


def groups_for(ensemble: Ensemble, shape: WalkShape) -> list[list[int]]:
    """Return the numbers of the trees of each group that an engine has."""
    one = len(shape.slots) == 1
    return [list(range(len(ensemble.trees)))] if one else ensemble.groups


def dealt(groups: Sequence[Sequence[int]], slots: Sequence[int], lanes: int) -> Ints:
    """Return which tree each lane walks in each slot, (lanes, slots); -1: none."""
    parts = []
    for group, count in zip(groups, slots, strict=True):
        part = np.full(count * lanes, -1, np.int64)
        part[: len(group)] = group
        parts.append(part.reshape(count, lanes).T)
    return np.concatenate(parts, axis=1)


def linked_words(
    ensemble: Ensemble, groups: Sequence[Sequence[int]], slots: Sequence[int], lanes: int
) -> tuple[int, int]:
    """Return the most words of nodes and of leaves that a lane keeps where nodes name children."""
    nodes, leaves = 1, 1
    for lane in dealt(groups, slots, lanes):
        own = [ensemble.trees[t] for t in lane if t >= 0]
        absent = int((lane < 0).any())  # slots without a tree share a leaf
        nodes = max(nodes, sum(max(t.nodes, 1) for t in own) + len(lane) - len(own))
        leaves = max(leaves, sum(len(t.leaves) for t in own) + absent)
    return nodes, leaves


@dataclass(frozen=True, eq=False)
class LaneWords:
    """What a lane keeps.

    Attributes:
        nodes: (words, fields): feature, cut, whether a missing value goes left, and where nodes
            name their children the left and the right one, those that are leaves above all others.
        leaves: (words, outputs of a group).
    """

    nodes: Ints
    leaves: Ints


def lane_words(
    ensemble: Ensemble, shape: WalkShape, features: Sequence[int], cut: int
) -> list[LaneWords]:
    """Return the words of each lane.

    Args:
        ensemble: the forest; it fits the shape.
        shape: of the engine.
        features: that nodes can name, by their number here.
        cut: that stands where no node is.
    """
    lanes = dealt(groups_for(ensemble, shape), shape.slots, shape.lanes)
    numbers = np.zeros(max(features) + 1, np.int64)
    numbers[list(features)] = np.arange(len(features))
    found = []
    for lane in lanes.tolist():
        empty = np.asarray([[features[0], cut, 0, *([0, 0] if shape.linked else [])]], np.int64)
        leaves = np.zeros((shape.leaves, shape.width), np.int64)
        words = LaneWords(np.tile(empty, (shape.nodes, 1)), leaves)
        fill = _fill_linked if shape.linked else _fill_full
        fill(ensemble, shape, lane, words)
        words.nodes[:, 0] = numbers[words.nodes[:, 0]]
        found.append(words)
    return found


def _word_of(ensemble: Ensemble, shape: WalkShape, leaf: int, slot: int) -> Ints:
    """Return the word of a leaf: of all outputs, or of that of the slot's group."""
    if shape.width == len(ensemble.base):
        return np.asarray(ensemble.words[leaf])
    group = int(np.searchsorted(np.cumsum(shape.slots), slot, side="right"))
    return np.asarray(ensemble.words[leaf, group : group + 1])


def _fill_full(ensemble: Ensemble, shape: WalkShape, lane: Sequence[int], words: LaneWords) -> None:
    """Place nodes by their numbers in a full tree: 1, below it 2 and 3, ..."""
    levels = shape.levels
    for slot, number in enumerate(lane):
        if number < 0:
            continue
        tree, start = ensemble.trees[number], slot << levels
        walk = [(tree.root, 1, 0)]
        for child, place, level in walk:  # grows
            if child >= 0:
                words.nodes[start + place, :3] = (
                    tree.feature[child], tree.cut[child], tree.missing_left[child],
                )  # fmt: skip
                walk.append((tree.left[child], 2 * place, level + 1))
                walk.append((tree.right[child], 2 * place + 1, level + 1))
            else:
                below = levels - level
                first = start + (place << below) - (1 << levels)
                word = _word_of(ensemble, shape, -1 - child, slot)
                words.leaves[first : first + (1 << below)] = word


def _fill_linked(
    ensemble: Ensemble, shape: WalkShape, lane: Sequence[int], words: LaneWords
) -> None:
    """Place the first node of each tree by its slot, the others behind them."""
    end = 1 << shape.index_bits  # marks a leaf
    free, leaf = len(lane), 0
    nothing = -1
    for slot, number in enumerate(lane):
        if number < 0:
            if nothing < 0:
                nothing, leaf = leaf, leaf + 1
            words.nodes[slot, 3:] = end + nothing
            continue
        tree = ensemble.trees[number]
        places, ends = dict[int, int](), dict[int, int]()
        for own in tree.leaves:
            ends[-1 - own] = end + leaf
            words.leaves[leaf] = _word_of(ensemble, shape, own, slot)
            leaf += 1
        if tree.root < 0:
            words.nodes[slot, 3:] = ends[tree.root]
            continue
        for node in range(tree.nodes):
            places[node] = slot if node == tree.root else free
            free += node != tree.root
        for node, place in places.items():
            sides = tree.left[node], tree.right[node]
            words.nodes[place] = (
                tree.feature[node], tree.cut[node], tree.missing_left[node],
                *(places[s] if s >= 0 else ends[s] for s in sides),
            )  # fmt: skip
