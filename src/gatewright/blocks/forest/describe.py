"""A tree as text, for the header of its module."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.blocks.forest.code import height
from gatewright.blocks.forest.names import number
from gatewright.blocks.forest.prune import Inner, Tree
from gatewright.blocks.forest.tree import Grown

MOST_LINES = 128
"""Of a tree; what is deeper is counted."""

MOST_LEVELS = 12
MOST_WORDS = 5
"""Numbers of a leaf that gives several."""


def tree_text(grown: Grown, frac: int, meanings: list[str]) -> str:
    """Return the splits of a tree and the words of its leaves, a few lines.

    Args:
        grown: the tree.
        frac: binary point of the words.
        meanings: of the questions that it asks.
    """

    def leaf(node: int) -> str:
        words = [number(int(grown.words[node, k]), frac) for k in grown.outputs[:MOST_WORDS]]
        more = ", ..." if len(grown.outputs) > MOST_WORDS else ""
        return words[0] if len(grown.outputs) == 1 else f"({', '.join(words)}{more})"

    def question(node: Inner) -> str:
        return meanings[grown.place[node.node]]

    levels = height(grown.tree, MOST_LEVELS)
    while True:
        lines = _lines(grown.tree, min(levels, MOST_LEVELS), question, leaf)
        if len(lines) <= MOST_LINES or levels == 1:
            return "\n".join(lines)
        levels -= 1


def _lines(
    tree: Tree, levels: int, question: Callable[[Inner], str], leaf: Callable[[int], str]
) -> list[str]:
    """Return the lines of the upper levels of a tree."""
    lines: list[str] = []
    stack: list[tuple[str, str, Tree, int]] = [("  ", "", tree, levels)]
    while stack:
        margin, lead, node, left = stack.pop()
        if isinstance(node, int):
            lines.append(f"{margin}{lead}{leaf(node)}")
            continue
        if not left:
            lines.append(f"{margin}{lead}... ({_splits(node)} splits)")
            continue
        if lead:
            lines.append(f"{margin}{lead.rstrip()}")
            margin += "  "
        if isinstance(node.left, int) and isinstance(node.right, int):
            sides = f"{leaf(node.left)}, else {leaf(node.right)}"
            lines.append(f"{margin}if {question(node)}: {sides}")
            continue
        first = f" {leaf(node.left)}" if isinstance(node.left, int) else ""
        lines.append(f"{margin}if {question(node)}:{first}")
        stack.append((margin, "else: ", node.right, left - 1))  # written after what is above it
        if not first:
            stack.append((f"{margin}  ", "", node.left, left - 1))
    return lines


def _splits(tree: Tree) -> int:
    """Return the number of nodes that ask."""
    count, stack = 0, [tree]
    while stack:
        top = stack.pop()
        if isinstance(top, Inner):
            count += 1
            stack += [top.left, top.right]
    return count


def tree_size(grown: Grown) -> str:
    """Return levels, splits and leaves of a tree."""
    splits = _splits(grown.tree)
    levels = _levels(grown.tree)
    if splits == 1:
        return "1 split, 2 leaves"
    return f"{levels} levels, {splits} splits, {splits + 1} leaves"


def _levels(tree: Tree) -> int:
    """Return the number of levels of nodes."""
    level, found = [tree], -1
    while level:
        level = [t for n in level if isinstance(n, Inner) for t in (n.left, n.right)]
        found += 1
    return found
