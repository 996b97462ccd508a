"""Add up the leaves that a sample reaches in an ensemble of decision trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gatewright.base import ModelError
from gatewright.blocks.forest import (
    Names,
    Split,
    Tree,
    comparator_luts,
    forest,
    leaves_of,
    prune,
)
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints, dyadic, require_exact
from gatewright.ops.forest_checks import check_forest
from gatewright.ops.forest_live import as_trees, leaves_by_tree, splits_of, visits
from gatewright.ops.forest_reach import add_up, reach, reach_plain, sum_plain
from gatewright.ops.forest_slopes import along_chords
from gatewright.ops.forest_walk import walked
from gatewright.streams import Stream, Streams

Bools = NDArray[np.bool_]

Plain = tuple[Ints, NDArray[Any], Ints, Ints, Ints]
"""Features, cuts, left and right children, roots."""

WORD_LUTS = 2.3
"""LUTs of a bit of a tree's words: in the tree itself and in the sums."""

CODED = 8
"""Leaves that a bit of a word tells apart by itself; more have a code."""


_LIVE: WeakKeyDictionary[Forest, dict[bytes, list[Tree]]] = WeakKeyDictionary()
"""What samples can reach, as long as a forest lives: type, cost and circuit all ask."""


@dataclass(frozen=True, eq=False)
class Forest(Op):
    """Return for each output the sum of one leaf a tree, and `base`.

    A child, or a root, is the number of a node where it is 0 or more, and the leaf `-1 - child`
    where it is negative. A sample goes left at a node that is

    - numeric (`members` is -1) where `x < threshold` or, where `inclusive`, `x <= threshold`;
    - categorical where `sets[members, x]` holds; other numbers are in no set.

    What is missing (not a number, or `missing` of a feature that has one) goes left where
    `missing_left`. The operand has shape (..., features), the result (..., outputs).

    Attributes:
        features: (nodes,) which feature each node compares.
        thresholds: (nodes,) float64; 0 at categorical nodes.
        inclusive: (nodes,) whether what equals the threshold goes left.
        missing_left: (nodes,).
        members: (nodes,) row of `sets`, or -1.
        left, right: (nodes,) children.
        roots: (trees,).
        leaves: (leaves, outputs) float64.
        base: (outputs,) float64.
        missing: (inputs,) float64, the number that stands for a missing value of each feature. Its
            length says how many features a sample has.
        has_missing: (inputs,) whether one does.
        sets: (sets, categories).
        feature_names, output_names: what the user calls them; empty where the model has no names.
    """

    features: Ints
    thresholds: Reals
    inclusive: Bools
    missing_left: Bools
    members: Ints
    left: Ints
    right: Ints
    roots: Ints
    leaves: Reals
    base: Reals
    missing: Reals
    has_missing: Bools
    sets: Bools
    feature_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    growth = "grows"
    constants: ClassVar[tuple[str, ...]] = ("leaves", "base")
    writable = True

    def __post_init__(self) -> None:
        check_forest(self)

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.roots)

    def _check(self, shape: tuple[int, ...]) -> None:
        if not shape or shape[-1] != len(self.missing):
            raise ModelError(
                "a sample does not have the forest's features",
                found=f"shape {shape}",
                supported=f"{len(self.missing)} features along the last axis",
            )

    def reached(self, x: Reals) -> Ints:
        """Return the number of the leaf that each sample reaches in each tree.

        Args:
            x: (samples, features), as the library gets them; not a number where missing.

        Returns:
            (samples, trees)
        """
        x = np.ascontiguousarray(x, np.float64)
        absent = self.absent(x)
        if self.is_plain and not absent.any():
            return np.asarray(reach_plain(x, *self.plain(), len(self.leaves)))
        return np.asarray(reach(x, x, absent, *self.walk), np.int64)

    @property
    def is_plain(self) -> bool:
        """Whether no node asks for a set of categories."""
        return not (self.members >= 0).any()

    def plain(self, cuts: Ints | Reals | None = None) -> Plain:
        """Return features, cuts, children and roots of trees that only compare numbers.

        Args:
            cuts: (nodes,), what is less goes left; by default those of the real samples.
        """
        if cuts is None:
            above = np.nextafter(self.thresholds, np.inf)
            cuts = np.where(self.inclusive, above, self.thresholds)
        indices = (self.left, self.right, self.roots)
        features, left, right, roots = (
            np.ascontiguousarray(a, np.int64) for a in (self.features, *indices)
        )
        return features, np.ascontiguousarray(cuts), left, right, roots

    def absent(self, x: Reals) -> Bools:
        """Return which numbers, (samples, features), are missing."""
        return np.asarray(np.isnan(x) | ((x == self.missing) & self.has_missing))

    @property
    def walk(self) -> tuple[np.ndarray, ...]:
        """Return what `forest_reach.reach` walks along."""
        return self._walk(self.thresholds, self.inclusive)

    def _walk(self, thresholds: Reals, inclusive: Bools) -> tuple[np.ndarray, ...]:
        indices = (self.members, self.left, self.right, self.roots)
        members, left, right, roots = (np.ascontiguousarray(a, np.int64) for a in indices)
        return (
            np.ascontiguousarray(self.features, np.int64),
            np.ascontiguousarray(thresholds, np.float64),
            np.ascontiguousarray(inclusive, np.bool_),
            np.ascontiguousarray(self.missing_left, np.bool_),
            members,
            np.ascontiguousarray(self.sets, np.bool_),
            left,
            right,
            roots,
        )

    def real(self, *x: Reals) -> Reals:
        """Add up leaves of real numbers."""
        self._check(x[0].shape[1:])
        rows = np.ascontiguousarray(x[0].reshape(-1, x[0].shape[-1]), np.float64)
        total = np.broadcast_to(self.base, (len(rows), len(self.base))).astype(np.float64)
        leaves = np.ascontiguousarray(self.leaves, np.float64)
        if self.is_plain and not self.absent(rows).any():
            sum_plain(rows, *self.plain(), leaves, total)
        else:
            add_up(self.reached(rows), leaves, total)
        return np.asarray(total.reshape(*x[0].shape[:-1], -1))

    # ---- integers

    def grid(self) -> int:
        """Return the binary point of the result."""
        points = [dyadic(v)[1][dyadic(v)[0] != 0] for v in (self.leaves, self.base)]
        return int(np.concatenate(points).max(initial=-(2**40))) if any(map(len, points)) else 0

    def words(self) -> tuple[Ints, Ints]:
        """Return leaves and base as integers on the result's grid."""
        finest = self.grid()
        for values in (self.leaves, self.base):
            FixedArray.exact(values)  # an error where the numbers have too many bits
        require_exact(np.ldexp(np.abs(self.leaves).max(axis=1).sum(), finest))
        words, base = (np.ldexp(v, finest).astype(np.int64) for v in (self.leaves, self.base))
        return words, base

    def cuts(self, kind: Intervals) -> Ints:
        """Return of each numeric node the least integer of its feature that goes right.

        Where none, or all, of the range do, it is the first integer after, or of, the range.

        Args:
            kind: of one sample's features, (inputs,).
        """
        frac = kind.frac[self.features]
        scaled = np.ldexp(self.thresholds, frac.astype(np.int32))
        cut = np.where(self.inclusive, np.floor(scaled) + 1, np.ceil(scaled))
        low, high = (np.asarray(v[self.features], np.float64) for v in (kind.lo, kind.hi))
        return np.clip(cut, low, high + 1).astype(np.int64)

    def splits(self, kind: Intervals) -> list[Split]:
        """Return the nodes as questions on integers.

        Args:
            kind: of one sample's features, (inputs,).
        """
        return splits_of(self, self.cuts(kind), kind)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the sums of the least and greatest leaves that each tree can reach."""
        (kind,) = x
        self._check(kind.shape)
        words, base = self.words()
        shape = (*kind.shape[:-1], len(base))
        low, high = np.empty(shape, np.int64), np.empty(shape, np.int64)
        memo: dict[bytes, tuple[Ints, Ints]] = {}
        for index in np.ndindex(kind.shape[:-1]):
            row = Intervals(kind.lo[index], kind.hi[index], kind.frac[index])
            key = b"".join(a.tobytes() for a in (row.lo, row.hi, row.frac))
            if key not in memo:
                memo[key] = self._bounds(row, words, base)
            low[index], high[index] = memo[key]
        return Intervals.of(low, high, np.full(shape, self.grid()))

    def _bounds(self, kind: Intervals, words: Ints, base: Ints) -> tuple[Ints, Ints]:
        live, first = self.live_leaves(kind)
        least, most = (f.reduceat(words[live], first[:-1]) for f in (np.minimum, np.maximum))
        return base + least.sum(axis=0), base + most.sum(axis=0)

    def live_leaves(self, kind: Intervals) -> tuple[Ints, Ints]:
        """Return the leaves that can be reached, tree after tree, ascending in each.

        Args:
            kind: of one sample's features, (inputs,).

        Returns:
            (leaves, (trees + 1,) where each tree's begin)
        """
        if self._only_compares:
            return leaves_by_tree(*self._visits(kind))
        own = [np.unique(list(leaves_of(tree))) for tree in self.live(kind)]
        return np.concatenate(own), np.cumsum([0, *map(len, own)])

    @property
    def _only_compares(self) -> bool:
        """Whether no integer of the samples stands for a category or for what is missing."""
        return self.is_plain and not self.has_missing.any()

    def _visits(self, kind: Intervals) -> tuple[np.ndarray, np.ndarray]:
        bounds = (np.ascontiguousarray(v, np.int64) for v in (kind.lo, kind.hi))
        found, first = visits(*self.plain(self.cuts(kind)), *bounds)
        return found, first

    def live(self, kind: Intervals) -> list[Tree]:
        """Return what of each tree the numbers of a sample, (inputs,), can reach."""
        known = _LIVE.setdefault(self, {})
        key = b"".join(a.tobytes() for a in (kind.lo, kind.hi, kind.frac))
        if key not in known:
            known[key] = self._reachable(kind)
        return known[key]

    @property
    def visits(self) -> int:
        """Nodes that a sample comes to, about."""
        return int(self.trees * (1 + np.log2(1 + len(self.features) / self.trees)))

    def _reachable(self, kind: Intervals) -> list[Tree]:
        if self._only_compares:
            return as_trees(*self._visits(kind))
        splits = self.splits(kind)
        left, right = self.left.tolist(), self.right.tolist()
        ranges = list(zip(kind.lo.tolist(), kind.hi.tolist(), strict=True))
        return [prune(root, splits, left, right, ranges) for root in self.roots.tolist()]

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Add up leaves of integers."""
        (value,) = x
        shape = value.q.shape[1:]
        self._check(shape)
        words, base = self.words()
        frac = np.broadcast_to(value.frac, shape).reshape(-1, shape[-1])
        q = value.q.reshape(len(value.q), -1, shape[-1])
        totals = [self._evaluate_row(q[:, row], frac[row], words, base) for row in range(len(frac))]
        total = np.stack(totals, axis=1).reshape(*value.q.shape[:-1], -1)
        return FixedArray(total, np.asarray(self.grid()))

    def _evaluate_row(self, q: Ints, frac: Ints, words: Ints, base: Ints) -> Ints:
        """Do so for one row of each sample."""
        cuts = self.cuts(Intervals(q.min(axis=0, initial=0), q.max(axis=0, initial=0), frac))
        codes = np.ldexp(self.missing, frac.astype(np.int32))
        absent = (q == codes) & self.has_missing
        whole = np.ascontiguousarray(q, np.float64)  # exact: integers have 53 bits at most
        total = np.broadcast_to(base, (len(q), len(base))).astype(np.int64)
        words = np.ascontiguousarray(words)
        if self.is_plain and not absent.any():
            sum_plain(whole, *self.plain(cuts.astype(np.float64)), words, total)
            return total
        numbers = np.ldexp(whole, -frac.astype(np.int32))
        never = np.zeros(len(cuts), np.bool_)
        leaves = reach(whole, numbers, absent, *self._walk(cuts.astype(np.float64), never))
        add_up(leaves, words, total)
        return total

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build comparators, the logic of each tree, and sums."""
        (bus,) = x
        words, base = self.words()
        found: list[int] = []
        for row in bus.signals.reshape(-1, bus.shape[-1]).tolist():
            kind = module.intervals(row)
            names = Names(self.feature_names, self.output_names)
            splits, live = self.splits(kind), self.live(kind)
            found += forest(module, row, splits, live, words, base, self.grid(), names)
        return bus.with_signals(found, (*bus.shape[:-1], len(base)))

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Walk down `plan.lanes` trees at once, a level in a step, nodes and leaves in memories."""
        self._check(x[0].shape)
        if not (plan.lanes or plan.writable):
            return None
        rows = to.rebeat(x[0], x[0].shape[-1])
        return to.rebeat(walked(to, self, rows, plan), plan.beat or len(self.base))

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation itself: each row has its own samples, and the same trees."""
        return self

    def at_slab(self, axes: int) -> Op | None:
        """Return the operation itself."""
        return self

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count comparators, and for each tree the bits of its words and of the code of a leaf."""
        (kind,) = x
        rows = kind.size // kind.shape[-1]
        first = tuple(0 for _ in kind.shape[:-1])
        row = Intervals(kind.lo[first], kind.hi[first], kind.frac[first])
        widths = row.width.tolist()
        found = sum(comparator_luts(cut, widths[f]) for f, cut in self.asked(row))
        live, starts = self.live_leaves(row)
        words, counts = self.words()[0][live], np.diff(starts)
        least = np.repeat(np.minimum.reduceat(words, starts[:-1]), counts, axis=0)
        moving = np.bitwise_or.reduceat(words - least, starts[:-1])
        moving = moving[moving > 0]
        bits = sum(int(v).bit_length() for v in moving // (moving & -moving))
        found += WORD_LUTS * bits + float(np.maximum(counts - CODED, 0).sum()) / 3
        return float(rows * found)

    def asked(self, kind: Intervals) -> set[tuple[int, int]]:
        """Return the different comparisons, (feature, cut), that ranges of features leave open."""
        cuts, low, high = self.cuts(kind), kind.lo[self.features], kind.hi[self.features]
        open_ = (self.members < 0) & (cuts > low) & (cuts <= high)
        return set(zip(self.features[open_].tolist(), cuts[open_].tolist(), strict=True))

    def comparators(self, kind: Intervals) -> int:
        """Return how many different comparisons a sample of these ranges, (inputs,), needs."""
        return len(self.asked(kind))

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give each feature the slope of a chord a part of its standard deviation long.

        The sum of leaves itself has jumps and no slope. An error of that size passes as many
        thresholds as the chord does; a smaller one, squared, costs more than the slope says.
        """
        return along_chords(self, xs[0])

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the rounding of sums; the spread of all leaves where an operand is in doubt."""
        size = np.abs(self.leaves).max(axis=0) * self.trees + np.abs(self.base)
        rounding = (self.trees + 2) * u * size
        doubt = (es[0] > 0).any(axis=-1, keepdims=True)
        return np.asarray(np.where(doubt, 2 * size, rounding) * np.ones_like(y))
