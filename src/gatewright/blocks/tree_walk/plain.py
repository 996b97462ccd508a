"""A tree whose nodes only compare numbers: what an engine that walks it has to know.

A set of categories is a few ranges of integers, so a node that asks for one becomes a balanced tree
of comparisons, whose ends are the node's two children.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gatewright.blocks.forest import Split, Tree
from gatewright.blocks.forest.prune import Inner, Range


@dataclass(frozen=True, eq=False)
class PlainTree:
    """A tree in which a sample goes left at a node where `x[feature] < cut`.

    A child is a node where it is 0 or more, and the leaf `-1 - child` where it is negative. Nodes
    may share a child; children have lower numbers than their parents.

    Attributes:
        feature, cut: of each node.
        missing_left: whether a missing value goes left there.
        left, right: children.
        root: a child.
        depth: most nodes on a way to a leaf.
    """

    feature: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    root: int = -1
    depth: int = 0

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.cut)

    @property
    def leaves(self) -> list[int]:
        """The leaves, each once, in rising order."""
        return sorted({-1 - c for c in (*self.left, *self.right, self.root) if c < 0})


def plain_tree(tree: Tree, splits: Sequence[Split], ranges: Sequence[Range]) -> PlainTree:
    """Return a tree as comparisons.

    Args:
        tree: what samples can reach.
        splits: question of each node.
        ranges: least and greatest integer of each feature.
    """
    building = _Building(splits, ranges)
    order: list[Tree] = [tree]
    for node in order:  # grows: each node before its children
        if isinstance(node, Inner):
            order += [node.left, node.right]
    built: dict[int, int] = {}
    for node in reversed(order):
        if isinstance(node, Inner):
            left, right = (_child(side, built) for side in (node.left, node.right))
            built[id(node)] = building.ask(splits[node.node], left, right)
    return building.done(_child(tree, built))


def _child(tree: Tree, built: dict[int, int]) -> int:
    return built[id(tree)] if isinstance(tree, Inner) else -1 - tree


class _Building:
    """A tree in the making."""

    def __init__(self, splits: Sequence[Split], ranges: Sequence[Range]) -> None:
        self.splits, self.ranges = splits, ranges
        self.tree = PlainTree()
        self.depths: list[int] = []

    def ask(self, split: Split, left: int, right: int) -> int:
        """Add what a node asks; return its first comparison."""
        low, high = self.ranges[split.feature]
        if split.numbers is None:
            return self._node(split.feature, split.cut, split.missing_left, left, right)
        cuts, first_left = _boundaries(split, low, high)
        ends = [left if (i % 2 == 0) == first_left else right for i in range(len(cuts) + 1)]
        if not cuts:  # only what is missing goes another way
            cut = high + 1 if first_left else low
            return self._node(split.feature, cut, split.missing_left, left, right)
        goal = next(i for i, e in enumerate(ends) if e == (left if split.missing_left else right))
        return self._chain(split.feature, cuts, ends, goal)

    def _chain(self, feature: int, cuts: Sequence[int], ends: Sequence[int], goal: int) -> int:
        """Add a balanced tree of comparisons; what is missing comes to the end number `goal`."""
        if not cuts:
            return ends[0]
        middle = len(cuts) // 2
        left = self._chain(feature, cuts[:middle], ends[: middle + 1], goal)
        right = self._chain(feature, cuts[middle + 1 :], ends[middle + 1 :], goal - middle - 1)
        return self._node(feature, cuts[middle], goal <= middle, left, right)

    def _node(self, feature: int, cut: int, missing_left: bool, left: int, right: int) -> int:
        tree = self.tree
        tree.feature.append(feature)
        tree.cut.append(cut)
        tree.missing_left.append(missing_left)
        tree.left.append(left)
        tree.right.append(right)
        self.depths.append(1 + max(self._depth(left), self._depth(right)))
        return len(tree.cut) - 1

    def _depth(self, child: int) -> int:
        return self.depths[child] if child >= 0 else 0

    def done(self, root: int) -> PlainTree:
        """Return the finished tree."""
        t = self.tree
        return PlainTree(
            t.feature, t.cut, t.missing_left, t.left, t.right, root, self._depth(root)
        )  # fmt: skip


def _boundaries(split: Split, low: int, high: int) -> tuple[list[int], bool]:
    """Return where membership changes, and whether it begins with members.

    What stands for a missing value goes its own way: it counts for what its neighbour is.
    """
    assert split.numbers is not None
    members = sorted(n for n in split.numbers if low <= n <= high and n != split.missing)
    inside = set(members)
    points = sorted({p for n in members for p in (n, n + 1)} | {low})
    if split.missing is not None:
        points = sorted({*points, split.missing, split.missing + 1})
    cuts: list[int] = []
    first: bool | None = None
    last: bool | None = None
    for point in points:
        if not low <= point <= high or point == split.missing:
            continue
        now = point in inside
        if first is None:
            first = now
        elif now != last:
            cuts.append(point)
        last = now
    return cuts, bool(first)
