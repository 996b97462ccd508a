"""The leaf that a sample reaches in a tree, as a short code: a bit a level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gatewright.blocks.forest.prune import Inner, Tree
from gatewright.hw import Module
from gatewright.num import Ints

LEVELS = 6
"""Levels of nodes that one code tells apart: a table of as many inputs is one LUT a bit."""


@dataclass(frozen=True, eq=False)
class Coded:
    """A code and what it means.

    Attributes:
        bits: signals of the code, the highest first.
        leaves: (2**bits,) leaf of each code; a leaf above the last level has several.
    """

    bits: tuple[int, ...]
    leaves: Ints


def height(tree: Tree, most: int = LEVELS) -> int:
    """Return the number of levels of nodes, or one more than `most` where there are more."""
    level: list[Tree] = [tree]
    found = 0
    while found <= most:
        level = [t for n in level if isinstance(n, Inner) for t in (n.left, n.right)]
        if not level:
            break
        found += 1
    return found


def coded(m: Module, tree: Tree, goes_left: Callable[[int], int], name: str = "left") -> Coded:
    """Return the code of a tree of few levels; its bits are labelled with a name and the level.

    The first bit says whether the sample goes left at the root, the next what the node says that
    it comes to, and so on: a choice among as many answers as the level has nodes.
    """
    levels = height(tree)
    bits: list[int] = []
    for level in range(levels):
        found = _answer(m, tree, goes_left, tuple(bits), level)
        assert found is not None
        bits.append(found)
        if level:  # the first is the answer to a question, which has a name
            m.label(found, f"{name}_{level}")
    leaves = np.empty(1 << levels, np.int64)
    _fill(tree, leaves)
    return Coded(tuple(bits), leaves)


def _answer(
    m: Module, tree: Tree, goes_left: Callable[[int], int], bits: tuple[int, ...], level: int
) -> int | None:
    """Return what the nodes of a level answer, None where a subtree does not reach that far."""
    if isinstance(tree, int):
        return None
    if not level:
        return goes_left(tree.node)
    left = _answer(m, tree.left, goes_left, bits[1:], level - 1)
    right = _answer(m, tree.right, goes_left, bits[1:], level - 1)
    if left is None or right is None:
        return right if left is None else left
    return m.select(bits[0], left, right)


def _fill(tree: Tree, leaves: Ints) -> None:
    """Write the leaf of each code; a bit of 1 means left."""
    if isinstance(tree, int):
        leaves[:] = tree
        return
    half = len(leaves) // 2
    _fill(tree.right, leaves[:half])
    _fill(tree.left, leaves[half:])
