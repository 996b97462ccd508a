"""Drop from a tree what no sample of the given ranges reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gatewright.blocks.forest.split import Split

Range = tuple[int, int]


@dataclass(frozen=True)
class Inner:
    """A node both of whose sides can be reached; a leaf is its number alone."""

    node: int
    left: Tree
    right: Tree


Tree = Inner | int


def prune(
    root: int,
    splits: Sequence[Split],
    left: Sequence[int],
    right: Sequence[int],
    ranges: Sequence[Range],
) -> Tree:
    """Return what is left of a tree; ranges are those of the features' integers.

    Args:
        root: a node, or the leaf `-1 - root` where it is negative.
        splits: question of each node.
        left: children, likewise.
        right: the same.
        ranges: least and greatest integer of each feature.
    """

    def live(child: int, known: Mapping[int, Range]) -> Tree:
        if child < 0:
            return -1 - child
        split = splits[child]
        sides = split.sides(known.get(split.feature, ranges[split.feature]))
        kept = [
            live(below, {**known, split.feature: side})
            for side, below in zip(sides, (left[child], right[child]), strict=True)
            if side is not None
        ]
        return kept[0] if len(kept) == 1 else Inner(child, *kept)

    return live(root, {})


def leaves_of(tree: Tree) -> Iterator[int]:
    """Yield the numbers of a tree's leaves."""
    if isinstance(tree, int):
        yield tree
    else:
        yield from leaves_of(tree.left)
        yield from leaves_of(tree.right)
