"""Drop from a tree what no sample of the given ranges reaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gatewright.blocks.forest.split import Split

Range = tuple[int, int]


@dataclass(frozen=True, eq=False)
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
    # Trees may be deeper than Python recurses: each visit names its children's visits.
    visits: list[tuple[int, dict[int, Range]]] = [(root, {})]
    below: list[list[int]] = []
    for child, known in visits:  # grows
        below.append([])
        if child < 0:
            continue
        split = splits[child]
        sides = split.sides(known.get(split.feature, ranges[split.feature]))
        for side, next_ in zip(sides, (left[child], right[child]), strict=True):
            if side is not None:
                below[-1].append(len(visits))
                visits.append((next_, {**known, split.feature: side}))
    found: list[Tree] = [0] * len(visits)
    for at in reversed(range(len(visits))):
        child, kept = visits[at][0], [found[k] for k in below[at]]
        if child < 0:
            found[at] = -1 - child
        else:
            found[at] = kept[0] if len(kept) == 1 else Inner(child, *kept)
    return found[0]


def leaves_of(tree: Tree) -> Iterator[int]:
    """Yield the numbers of a tree's leaves, from left to right."""
    stack = [tree]
    while stack:
        top = stack.pop()
        if isinstance(top, int):
            yield top
        else:
            stack += [top.right, top.left]
