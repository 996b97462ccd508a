"""Trees of any library as arrays of nodes, and the one exact forest that they make.

What a library compares is kept to the bit. Most cast a sample to float32 first. A sample goes left
then where its nearest float32 is at most some float32 number f, and that is where the sample
itself lies below the middle of f and its successor, or on it and f is the even one of the two: a
comparison of float64 numbers with the same answer for each float64 number (`Comparison.exactly`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gatewright.base import ModelError, Place, UnsupportedError
from gatewright.ir import Reals
from gatewright.num import Ints
from gatewright.ops import Forest

Bools = NDArray[np.bool_]

MOST_FEATURES, MOST_CLASSES, MOST_CATEGORIES, MOST_NUMBERS = 1 << 16, 1 << 16, 1 << 16, 1 << 27
"""Limits against files that claim sizes which would fill the memory."""

BEYOND = 2.0**128
"""Stands for infinity where float32 numbers are rounded: the successor of the largest of them."""


@dataclass(frozen=True)
class Comparison:
    """How a library compares a number with a threshold.

    Attributes:
        inclusive: what equals the threshold goes left.
        single: the number is rounded to float32 before.
    """

    inclusive: bool
    single: bool

    def exactly(self, thresholds: Reals) -> tuple[Reals, Bools]:
        """Return float64 thresholds, and whether equality goes left, for numbers as they come."""
        given = np.asarray(thresholds, np.float64)
        if not self.single or not np.isfinite(given).all():
            return given, np.full(given.shape, self.inclusive)
        with np.errstate(over="ignore"):
            last = _float32_below(given, self.inclusive)
            after = np.nextafter(last, np.float32(np.inf))
        ends = [np.clip(v.astype(np.float64), -BEYOND, BEYOND) for v in (last, after)]
        even = (last.view(np.int32) & 1) == 0
        return (ends[0] + ends[1]) / 2, np.asarray(even)


def _float32_below(thresholds: Reals, inclusive: bool) -> NDArray[np.float32]:
    """Return the greatest float32 number that goes left of each threshold."""
    near = thresholds.astype(np.float32)
    wide = near.astype(np.float64)
    above = wide > thresholds if inclusive else wide >= thresholds
    return np.where(above, np.nextafter(near, np.float32(-np.inf)), near)


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree; inner nodes and leaves share one numbering, the root is number 0.

    Attributes:
        feature, threshold: of inner nodes; anything at leaves.
        left, right: numbers of the children; negative at leaves, both.
        missing_left: where a missing number goes.
        value: (nodes, outputs); anything at inner nodes.
        sets: categories that go left, by the number of a node that asks for them.
    """

    feature: Ints
    threshold: Reals
    left: Ints
    right: Ints
    missing_left: Bools
    value: Reals
    sets: Mapping[int, Ints] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.feature)


@dataclass(frozen=True, eq=False)
class Built:
    """A forest, and which node of its tree each leaf was in the library."""

    forest: Forest
    origin: Ints


def build(
    trees: Sequence[Tree],
    inputs: int,
    base: Reals,
    compare: Comparison,
    place: Place,
    codes: Reals | None = None,
) -> Built:
    """Return the forest of some trees; nodes that no sample can reach are left out.

    Args:
        trees: in the library's order.
        inputs: number of features.
        base: (outputs,), what is added to the leaves.
        compare: how thresholds are meant.
        place: for messages.
        codes: (inputs,), the number that stands for a missing one, NaN where there is none.

    Raises:
        ModelError: nodes form no trees, or numbers are not finite.
        UnsupportedError: too large.
    """
    if not 0 < inputs <= MOST_FEATURES:
        raise UnsupportedError(
            "a forest reads too many features, or none",
            place=place,
            found=inputs,
            supported=f"1 to {MOST_FEATURES}",
        )
    if not trees:
        raise ModelError("a forest has no trees", place=place)
    sizes = np.array([len(tree) for tree in trees])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    if sizes.sum() * len(base) > MOST_NUMBERS:
        raise UnsupportedError("a forest is too large", place=place, found=f"{sizes.sum()} nodes")
    left, right = (_global(trees, starts, sizes, side, place) for side in ("left", "right"))
    reached = _reach(left, right, starts, place)
    inner, is_leaf = reached & (left >= 0), reached & (left < 0)
    number = np.where(is_leaf, -np.cumsum(is_leaf, dtype=np.int64), np.cumsum(inner) - 1)
    feature = np.concatenate([tree.feature for tree in trees])[inner]
    if len(feature) and not 0 <= feature.min() <= feature.max() < inputs:
        raise ModelError(
            "a node of a tree compares a feature that the model does not have",
            place=place,
            found=f"features {feature.min()} to {feature.max()}",
            supported=f"0 to {inputs - 1}",
        )
    members, sets = _sets(trees, starts, len(left), place)
    members = members[inner]
    given = np.concatenate([tree.threshold for tree in trees])[inner]
    thresholds, inclusive = compare.exactly(np.where(members >= 0, 0.0, given))
    missing = np.full(inputs, np.nan) if codes is None else np.asarray(codes, np.float64)
    known = ~np.isnan(missing)
    values = np.concatenate([tree.value for tree in trees])[is_leaf]
    _finite({"threshold": thresholds, "leaf": values, "base score": base}, place)
    forest = Forest(
        features=feature.astype(np.int64),
        thresholds=np.where(members >= 0, 0.0, thresholds),
        inclusive=inclusive,
        missing_left=np.concatenate([tree.missing_left for tree in trees])[inner].astype(np.bool_),
        members=members,
        left=number[left[inner]],
        right=number[right[inner]],
        roots=number[starts],
        leaves=values.astype(np.float64),
        base=np.asarray(base, np.float64),
        missing=np.where(known, missing, 0.0),
        has_missing=known,
        sets=sets,
    )
    own = np.arange(len(left)) - np.repeat(starts, sizes)
    return Built(forest, own[is_leaf])


def _finite(numbers: Mapping[str, Reals], place: Place) -> None:
    for what, values in numbers.items():
        bad = ~np.isfinite(values)
        if bad.any():
            raise ModelError(
                f"a {what} of a forest is not a finite number",
                place=place,
                found=values[bad].flat[0],
            )


def _global(
    trees: Sequence[Tree], starts: Ints, sizes: Ints, side: str, place: Place
) -> Ints:  # fmt: skip
    """Return children of all trees in one numbering, -1 at leaves."""
    own = np.concatenate([np.asarray(getattr(tree, side), np.int64) for tree in trees])
    size = np.repeat(sizes, sizes)
    if len(own) != len(size):
        raise ModelError("the arrays of a tree's nodes differ in length", place=place)
    beyond = own >= size
    if beyond.any():
        node = int(np.argmax(beyond))
        tree = int(np.searchsorted(starts, node, side="right")) - 1
        raise ModelError(
            "a node of a tree has a child that is not there",
            place=Place(place.source, f"tree {tree}"),
            found=f"node {node - starts[tree]} has child {own[node]}",
            supported=f"nodes 0 to {size[node] - 1}",
        )
    return np.where(own < 0, -1, own + np.repeat(starts, sizes))


def _reach(left: Ints, right: Ints, roots: Ints, place: Place) -> Bools:
    """Return which nodes can be reached.

    Raises:
        ModelError: one can be reached in two ways, or has one child.
    """
    if ((left < 0) != (right < 0)).any():
        raise ModelError("a node of a tree has only one child", place=place)
    seen = np.zeros(len(left), np.bool_)
    level = roots
    while len(level):
        twice = seen[level]
        if twice.any() or len(np.unique(level)) != len(level):
            node = int(level[np.argmax(twice)])
            tree = int(np.searchsorted(roots, node, side="right")) - 1
            raise ModelError(
                "the nodes of a tree form a loop, or meet again",
                place=Place(place.source, f"tree {tree}"),
                found=f"a second way to node {node - roots[tree]}",
            )
        seen[level] = True
        inner = level[left[level] >= 0]
        level = np.concatenate([left[inner], right[inner]])
    return seen


def _sets(
    trees: Sequence[Tree], starts: Ints, nodes: int, place: Place
) -> tuple[Ints, Bools]:  # fmt: skip
    """Return the row of each node's set, or -1, and the sets; equal ones once."""
    members = np.full(nodes, -1)
    rows: dict[bytes, int] = {}
    chosen: list[Ints] = []
    for start, tree in zip(starts.tolist(), trees, strict=True):
        for node, given in tree.sets.items():
            numbers = np.unique(np.asarray(given, np.int64))
            if len(numbers) and not 0 <= numbers[0] <= numbers[-1] < MOST_CATEGORIES:
                raise UnsupportedError(
                    "a split is by a category whose number is too large",
                    place=place,
                    found=f"{numbers[0]} to {numbers[-1]}",
                    supported=f"0 to {MOST_CATEGORIES - 1}",
                )
            key = numbers.tobytes()
            if key not in rows:
                rows[key] = len(chosen)
                chosen.append(numbers)
            members[start + node] = rows[key]
    width = max((int(c[-1]) + 1 for c in chosen if len(c)), default=0)
    if len(chosen) * width > MOST_NUMBERS:
        raise UnsupportedError("the categories of a forest are too many", place=place)
    sets = np.zeros((len(chosen), width), np.bool_)
    for row, numbers in enumerate(chosen):
        sets[row, numbers] = True
    return members, sets
