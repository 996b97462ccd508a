"""Where the nodes and leaves of a forest stand: in tables, or in memories that a bus writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gatewright.blocks.mac_store import style_of
from gatewright.blocks.tree_walk.shape import (
    Ensemble,
    LaneWords,
    WalkShape,
    dealt,
    groups_for,
    lane_words,
)
from gatewright.blocks.tree_walk.sums import Bounds, bounds
from gatewright.hw import Module, Table
from gatewright.num import Intervals, Ints

GONE = 2
"""The column of a node that says where a missing value goes."""


@dataclass(frozen=True)
class Asked:
    """What nodes can ask of a sample.

    Attributes:
        features: elements that they can compare; nodes name them by their number here.
        absent: of each, the integer that stands for a missing value; None: none.
    """

    features: tuple[int, ...]
    absent: tuple[int | None, ...]

    @classmethod
    def of(cls, ensemble: Ensemble, absent: Sequence[int | None]) -> Asked:
        """Return what some trees ask.

        Args:
            ensemble: the trees.
            absent: of each element of a sample, the integer that stands for a missing value.
        """
        used = sorted({f for tree in ensemble.trees for f in tree.feature}) or [0]
        return cls(tuple(used), tuple(absent[f] for f in used))

    @property
    def can_miss(self) -> bool:
        """Whether a feature can be missing."""
        return any(code is not None for code in self.absent)


class Store(Protocol):
    """What an engine asks of it.

    Attributes:
        nodes: types of the fields of a node, (fields,).
        bounds: of the sums.
        frac: binary point of the sums.
    """

    nodes: Intervals
    bounds: Bounds
    frac: int

    def place(self, m: Module, memory: str) -> tuple[bool, bool]:
        """Choose what holds nodes and leaves; return whether each is slow to read."""

    def node(self, lane: int, address: int) -> list[int]:
        """Return the fields of a node."""

    def leaf(self, lane: int, address: int) -> list[int]:
        """Return the numbers of a leaf."""

    def start(self, group: int) -> list[int]:
        """Return what the sums of a group begin with; `group` is a signal."""


def columns(absent: bool, linked: bool) -> list[int]:
    """Return the columns of `LaneWords.nodes` that an engine keeps."""
    return [0, 1, *([GONE] if absent else []), *([3, 4] if linked else [])]


def starts_of(ensemble: Ensemble, shape: WalkShape) -> Ints:
    """Return what the sums of each group begin with, (groups, width)."""
    return ensemble.base.reshape(len(shape.slots), shape.width)


class TableStore:
    """Nodes and leaves in tables."""

    def __init__(self, ensemble: Ensemble, shape: WalkShape, asked: Asked) -> None:
        kept = columns(asked.can_miss, shape.linked)
        cut = min((c for tree in ensemble.trees for c in tree.cut), default=0)
        self.words = [
            LaneWords(words.nodes[:, kept], words.leaves)
            for words in lane_words(ensemble, shape, asked.features, cut)
        ]
        every = np.concatenate([words.nodes for words in self.words])
        # What stands behind the last word reads as zero.
        self.nodes = Intervals.of(every.min(0, initial=0), every.max(0, initial=0), 0)
        self.ensemble, self.starts = ensemble, starts_of(ensemble, shape)
        self.frac = max(ensemble.frac, ensemble.base_frac)
        low, high = (v << (self.frac - ensemble.frac) for v in self._slots(ensemble, shape))
        starts = self.starts << (self.frac - ensemble.base_frac)
        self.bounds = bounds(low, high, shape.slots, (starts, starts))

    def _slots(self, ensemble: Ensemble, shape: WalkShape) -> tuple[Ints, Ints]:
        """Return the least and the largest that each slot adds, (slots, width)."""
        lanes = dealt(groups_for(ensemble, shape), shape.slots, shape.lanes)
        low, high = (np.zeros((shape.trees, shape.width), np.int64) for _ in range(2))
        groups = np.repeat(np.arange(len(shape.slots)), shape.slots)
        for lane in lanes:
            for slot in np.flatnonzero(lane >= 0):
                words = ensemble.words[ensemble.trees[lane[slot]].leaves]
                if shape.width < words.shape[1]:
                    words = words[:, groups[slot], None]
                low[slot] += words.min(0)
                high[slot] += words.max(0)
        return low, high

    def place(self, m: Module, memory: str) -> tuple[bool, bool]:
        """Make the tables of all lanes."""
        self.m = m
        nodes = [_table(f"nodes_{i}", w.nodes, 0, memory) for i, w in enumerate(self.words)]
        leaves = [
            _table(f"leaves_{i}", w.leaves, self.ensemble.frac, memory)
            for i, w in enumerate(self.words)
        ]
        self.tables = nodes, leaves
        self.base = Table.of("base", self.starts, self.ensemble.base_frac)
        slow = [any(t.style == "block" for t in tables) for tables in self.tables]
        return slow[0], slow[1]

    def node(self, lane: int, address: int) -> list[int]:
        """Return the fields of a node."""
        return self._read(self.tables[0][lane], address)

    def leaf(self, lane: int, address: int) -> list[int]:
        """Return the numbers of a leaf."""
        return self._read(self.tables[1][lane], address)

    def start(self, group: int) -> list[int]:
        """Return what the sums of a group begin with."""
        return self._read(self.base, group)

    def _read(self, table: Table, address: int) -> list[int]:
        return [self.m.table(address, table, f) for f in range(table.words.shape[1])]


def _table(name: str, words: Ints, frac: int, memory: str) -> Table:
    bits = int(Table.of(name, words, frac).fields.width.sum())
    return Table.of(name, words, frac, style_of(memory, len(words), bits))
