"""The module of a tree: the answers to its questions go in, the word of the leaf comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.blocks.forest.code import LEVELS, Coded, coded, height
from gatewright.blocks.forest.prune import Inner, Tree
from gatewright.hw import Module, Table
from gatewright.num import Intervals, Ints

DIRECT = 7
"""Questions of a tree whose words are tables of the answers themselves: two LUTs a bit."""

Key = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Grown:
    """A tree as it is built: what it asks and what it says, without where the answers come from.

    Attributes:
        tree: what can be reached.
        place: which of its questions each node asks.
        asked: the questions' numbers in the forest, each once.
        words: (leaves of the forest, outputs) less the least of each output.
        outputs: those that the tree changes.
        key: equal for trees that are one module.
    """

    tree: Tree
    place: dict[int, int]
    asked: tuple[int, ...]
    words: Ints
    outputs: tuple[int, ...]
    key: Key

    @classmethod
    def of(cls, tree: Tree, question: Sequence[int], words: Ints, live: Ints) -> Grown:
        """Look at a tree.

        Args:
            tree: what can be reached.
            question: number of each node's question.
            words: (leaves of the forest, outputs).
            live: leaves that can be reached.
        """
        words = words - words[live].min(axis=0)
        outputs = tuple(np.flatnonzero(words[live].any(axis=0)).tolist())
        place: dict[int, int] = {}
        asked: dict[int, int] = {}
        leaves: dict[bytes, int] = {}
        form: list[int] = []
        stack = [tree]
        while stack:
            top = stack.pop()
            if isinstance(top, int):
                form.append(-1 - leaves.setdefault(words[top].tobytes(), len(leaves)))
                continue
            at = asked.setdefault(question[top.node], len(asked))
            place[top.node] = at
            form.append(at)
            stack += [top.right, top.left]
        return cls(tree, place, tuple(asked), words, outputs, (*form, *leaves))


def build_tree(m: Module, grown: Grown, frac: int, answers: Sequence[str], table: str) -> None:
    """Build a tree as a module: a port `x` of answers, a port `y` of words.

    Args:
        m: the module, empty.
        grown: the tree; `y` has a word for each of its outputs.
        frac: binary point of the words.
        answers: names of the answers, one for each of `grown.asked`.
        table: name of the words.
    """
    count = len(answers)
    x = m.input("x", Intervals.of(np.zeros(count), np.ones(count), 0))
    for s, label in zip(x, answers, strict=True):
        m.label(s, label)
    m.output("y", tree_words(m, grown, frac, x, table))


def tree_words(
    m: Module, grown: Grown, frac: int, x: Sequence[int], table: str, name: str = ""
) -> list[int]:
    """Build a tree in a module; return its words.

    Args:
        m: the module.
        grown: the tree.
        frac: binary point of the words.
        x: the answers, one for each of `grown.asked`.
        table: name of the words.
        name: what its signals' names begin with, where other trees are there as well.
    """
    words = _Words(m, grown, frac, x, table, name).build()
    stem = name or "word"
    for k, s in zip(grown.outputs, words, strict=True):
        m.label(s, stem if len(words) == 1 else f"{stem}_{k}")
    return words


@dataclass(frozen=True, eq=False)
class _Words:
    """Build the words of a tree's leaves."""

    module: Module
    grown: Grown
    frac: int
    x: Sequence[int]
    table: str
    name: str

    def goes_left(self, node: int) -> int:
        """Return the answer at a node."""
        return self.x[self.grown.place[node]]

    def build(self) -> list[int]:
        """Return the word of the leaf that a sample reaches, for each output that moves.

        Parts of few levels are tables of codes; above them one word or the other is chosen.
        """
        tree = self.grown.tree
        if len(self.grown.asked) <= DIRECT:
            code = self._direct()
            return [self._word(code, k) for k in self.grown.outputs]
        order: list[Tree] = [tree]
        for node in order:  # grows: each node before its children
            if isinstance(node, Inner) and height(node) > LEVELS:
                order += [node.left, node.right]
        built: dict[int, list[int]] = {}
        parts = 0
        for node in reversed(order):
            if isinstance(node, Inner) and height(node) > LEVELS:
                turn = self.goes_left(node.node)
                sides = zip(built[id(node.left)], built[id(node.right)], strict=True)
                built[id(node)] = [self.module.select(turn, a, b) for a, b in sides]
                continue
            stem = "left" if node is tree else f"part_{parts}_left"
            stem = f"{self.name}_{stem}" if self.name else stem
            parts += 1
            code = coded(self.module, node, self.goes_left, stem)
            built[id(node)] = [self._word(code, k) for k in self.grown.outputs]
        return built[id(tree)]

    def _direct(self) -> Coded:
        """Return the leaf for all answers."""
        count = len(self.grown.asked)
        answers: np.ndarray = np.indices((2,) * count, np.int8).reshape(count, -1)
        leaves = np.empty(1 << count, np.int64)
        stack: list[tuple[Tree, np.ndarray]] = [(self.grown.tree, np.arange(1 << count))]
        while stack:
            node, rows = stack.pop()
            if isinstance(node, int):
                leaves[rows] = node
                continue
            left = answers[self.grown.place[node.node], rows] == 1
            stack += [(node.left, rows[left]), (node.right, rows[~left])]
        return Coded(tuple(self.x), leaves)

    def _word(self, code: Coded, output: int) -> int:
        """Return the word of one output, without the bits on which it does not depend."""
        m, bits = self.module, list(code.bits)
        values: np.ndarray = self.grown.words[code.leaves, output]
        values = values.reshape((2,) * len(bits))
        for axis in reversed(range(len(bits))):
            halves = values.take(0, axis), values.take(1, axis)
            if np.array_equal(*halves):
                values = halves[0]
                del bits[axis]
        flat = values.reshape(-1)
        if not bits:
            return m.constant(int(flat[0]), self.frac)
        every = int(np.bitwise_or.reduce(flat))
        drop = (every & -every).bit_length() - 1  # zeros at the end of all words
        flat, frac = flat >> drop, self.frac - drop
        if len(bits) == 1:
            one, other = (m.constant(int(v), frac) for v in (flat[1], flat[0]))
            return m.select(bits[0], one, other)
        index = bits[0]
        for bit in bits[1:]:
            index = m.concat(index, bit)
        return m.table(index, Table.of(self.table, flat, frac))
