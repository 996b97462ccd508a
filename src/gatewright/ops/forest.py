"""Add up the leaves that a sample reaches in an ensemble of decision trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gatewright.base import ModelError
from gatewright.blocks.forest import Split, Tree, forest, leaves_of, prune
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Reals
from gatewright.num import FixedArray, Intervals, Ints, dyadic, require_exact

Bools = NDArray[np.bool_]
Decide = Callable[[Ints], Bools]
"""Says for each node of an array (samples, trees) whether its sample goes left."""


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
    growth = "grows"
    constants: ClassVar[tuple[str, ...]] = ("leaves", "base")

    def __post_init__(self) -> None:
        nodes, leaves = len(self.features), len(self.leaves)
        lengths = {len(a) for a in (
            self.thresholds, self.inclusive, self.missing_left, self.members, self.left, self.right,
        )}  # fmt: skip
        if lengths != {nodes} or np.ndim(self.leaves) != 2 or not len(self.roots):
            raise ModelError(
                "a forest is malformed", found="arrays of its nodes differ in length, or no trees"
            )
        if np.shape(self.has_missing) != np.shape(self.missing):
            raise ModelError("a forest does not say of each feature whether it can be missing")
        if self.leaves.shape[1] != len(self.base):
            raise ModelError(
                "the leaves of a forest do not fit its outputs",
                found=f"{self.leaves.shape[1]} numbers a leaf",
                supported=f"{len(self.base)}",
            )
        numbers = {
            "threshold": self.thresholds,
            "leaf": self.leaves,
            "base score": self.base,
            "code of missing values": self.missing,
        }
        for what, values in numbers.items():
            if not np.isfinite(values).all():
                raise ModelError(
                    f"a {what} of a forest is not a finite number",
                    found=str(values[~np.isfinite(values)].flat[0]),
                )
        if nodes and not 0 <= self.features.min() <= self.features.max() < len(self.missing):
            raise ModelError(
                "a node of a forest compares a feature that is not there",
                found=f"features {self.features.min()} to {self.features.max()}",
                supported=f"0 to {len(self.missing) - 1}",
            )
        if nodes and not -1 <= self.members.min() <= self.members.max() < len(self.sets):
            raise ModelError("a node of a forest asks for a set of categories that is not there")
        self._check_children(nodes, leaves)

    def _check_children(self, nodes: int, leaves: int) -> None:
        """Refuse what is no forest: a child that is not there, a node of two parents, a loop."""
        children = np.concatenate([self.left, self.right, self.roots])
        if not -leaves <= children.min() <= children.max() < nodes:
            raise ModelError(
                "a node of a forest has a child that is not there",
                found=f"{children.min()} to {children.max()}",
                supported=f"leaves -1 to {-leaves}, nodes 0 to {nodes - 1}",
            )
        inner = children[children >= 0]
        if len(np.unique(inner)) != len(inner) or len(inner) != nodes:
            raise ModelError(
                "the nodes of a forest do not form trees", found="a node of 0 or 2 parents"
            )
        level = self.roots[self.roots >= 0]
        reached = len(level)
        while len(level):
            below = np.concatenate([self.left[level], self.right[level]])
            level = below[below >= 0]
            reached += len(level)
        if reached != nodes:
            raise ModelError("the nodes of a forest do not form trees", found="a loop")

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

    def _reach(self, samples: int, decide: Decide) -> Ints:
        """Return the leaf of each sample and tree: (samples, trees)."""
        at = np.broadcast_to(self.roots, (samples, self.trees)).copy()
        while (inner := at >= 0).any():
            node = np.maximum(at, 0)
            if not len(self.features):
                break
            at = np.where(inner, np.where(decide(node), self.left[node], self.right[node]), at)
        return -1 - at

    def reached(self, x: Reals) -> Ints:
        """Return the number of the leaf that each sample reaches in each tree.

        Args:
            x: (samples, features), as the library gets them; not a number where missing.

        Returns:
            (samples, trees)
        """
        rows = np.arange(len(x))[:, None]
        absent = np.isnan(x) | ((x == self.missing) & self.has_missing)

        def decide(node: Ints) -> Bools:
            feature = self.features[node]
            value, threshold = x[rows, feature], self.thresholds[node]
            left = np.where(self.inclusive[node], value <= threshold, value < threshold)
            with np.errstate(invalid="ignore"):
                left = np.where(self.members[node] >= 0, self._in_set(node, value), left)
            return np.where(absent[rows, feature], self.missing_left[node], left)

        return self._reach(len(x), decide)

    def _in_set(self, node: Ints, value: Reals) -> Bools:
        """Return whether numbers are in the sets of their nodes."""
        categories = self.sets.shape[1]
        if not self.sets.size:
            return np.zeros(np.shape(node), np.bool_)
        whole = (value == np.floor(value)) & (value >= 0) & (value < categories)
        number = np.where(whole, value, 0).astype(np.int64)
        return np.asarray(whole & self.sets[self.members[node], number])

    def real(self, *x: Reals) -> Reals:
        """Add up leaves of real numbers."""
        self._check(x[0].shape[1:])
        rows = x[0].reshape(-1, x[0].shape[-1])
        total = self.leaves[self.reached(rows)].sum(axis=1) + self.base
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
        cuts = self.cuts(kind).tolist()
        points = np.ldexp(self.missing, kind.frac.astype(np.int32))
        there = self.has_missing & (points == np.floor(points)) & (np.abs(points) < 2.0**62)
        codes = [int(p) if ok else None for p, ok in zip(points, there, strict=True)]
        found = []
        for n, feature in enumerate(self.features.tolist()):
            row = int(self.members[n])
            numbers = None
            if row >= 0:
                point = int(kind.frac[feature])
                chosen = np.flatnonzero(self.sets[row]).tolist()
                numbers = tuple(
                    c << point if point >= 0 else c >> -point
                    for c in chosen
                    if point >= 0 or c % (1 << -point) == 0
                )
            found.append(
                Split(feature, cuts[n], numbers, codes[feature], bool(self.missing_left[n]))
            )
        return found

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
        low, high = base.copy(), base.copy()
        for tree in self._live(kind):
            live = list(leaves_of(tree))
            low += words[live].min(axis=0)
            high += words[live].max(axis=0)
        return low, high

    def _live(self, kind: Intervals) -> list[Tree]:
        """Return what of each tree the numbers of a sample, (inputs,), can reach."""
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
        rows = np.arange(len(q))[:, None]
        cuts = self.cuts(Intervals(q.min(axis=0, initial=0), q.max(axis=0, initial=0), frac))
        codes = np.ldexp(self.missing, frac.astype(np.int32))
        absent = (q == codes) & self.has_missing
        numbers = np.ldexp(q.astype(np.float64), -frac.astype(np.int32))

        def decide(node: Ints) -> Bools:
            feature = self.features[node]
            left = q[rows, feature] < cuts[node]
            left = np.where(
                self.members[node] >= 0, self._in_set(node, numbers[rows, feature]), left
            )
            return np.where(absent[rows, feature], self.missing_left[node], left)

        return np.asarray(words[self._reach(len(q), decide)].sum(axis=1) + base)

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build comparators, the logic of each tree, and sums."""
        (bus,) = x
        words, base = self.words()
        found: list[int] = []
        for row in bus.signals.reshape(-1, bus.shape[-1]).tolist():
            kind = module.intervals(row)
            sums = forest(module, row, self.splits(kind), self._live(kind), words, base)
            found += [module.shift(s, -self.grid()) for s in sums]
        return bus.with_signals(found, (*bus.shape[:-1], len(base)))

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation itself: each row has its own samples, and the same trees."""
        return self

    def at_slab(self, axes: int) -> Op | None:
        """Return the operation itself."""
        return self

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a third of a LUT for each bit compared, and one for each leaf and bit of a sum."""
        (kind,) = x
        width = np.asarray(kind.width).reshape(-1, kind.shape[-1]).max(axis=0)
        compared = {(int(f), float(t)) for f, t in zip(self.features, self.thresholds, strict=True)}
        comparators = sum(width[f] for f, _ in compared) / 3
        rows = kind.size // kind.shape[-1]
        spread = np.ptp(self.words()[0], axis=0) if self.leaves.size else np.zeros(1)
        bits = np.ceil(np.log2(spread + 1))
        return float(rows * (comparators + (len(self.leaves) + self.trees) * bits.sum() / 2))

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the rounding of sums; the spread of all leaves where an operand is in doubt."""
        size = np.abs(self.leaves).max(axis=0) * self.trees + np.abs(self.base)
        rounding = (self.trees + 2) * u * size
        doubt = (es[0] > 0).any(axis=-1, keepdims=True)
        return np.asarray(np.where(doubt, 2 * size, rounding) * np.ones_like(y))
