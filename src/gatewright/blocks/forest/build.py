"""The circuit of a forest: questions asked once, codes of leaves, tables of words, sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import signed_sum
from gatewright.blocks.forest.ask import Questions
from gatewright.blocks.forest.code import LEVELS, Coded, coded, height
from gatewright.blocks.forest.prune import Inner, Tree, leaves_of
from gatewright.blocks.forest.split import Split
from gatewright.hw import Module, Table
from gatewright.num import Ints


def forest(
    m: Module,
    x: Sequence[int],
    splits: Sequence[Split],
    trees: Sequence[Tree],
    words: Ints,
    base: Ints,
) -> list[int]:
    """Return the signals of each output: the sum of the leaves that the trees reach, and `base`.

    A tree's words are shifted so that the least is 0; what they lose goes to the base.

    Args:
        m: where it is built.
        x: the features.
        splits: question of each node.
        trees: what can be reached of each.
        words: (leaves, outputs) integers.
        base: (outputs,) integers.
    """
    questions = Questions(m, x, splits)
    terms: list[list[int]] = [[] for _ in base]
    rest = base.copy()
    for number, tree in enumerate(trees):
        live = np.unique(list(leaves_of(tree)))
        least = words[live].min(axis=0)
        rest += least
        parts = _Words(m, questions, words, least, number).of(tree)
        for own, part in zip(terms, parts, strict=True):
            if not m.is_constant(part):  # then it is 0
                own.append(part)
    return [
        signed_sum(m, [*own, m.constant(int(b))] if b else own)
        for own, b in zip(terms, rest, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Words:
    """The words of a tree's leaves, (leaves, outputs), less the least of each output."""

    module: Module
    questions: Questions
    words: Ints
    least: Ints
    number: int

    def of(self, tree: Tree) -> list[int]:
        """Return the word of the leaf that a sample reaches, for each output.

        Parts of few levels are tables of codes; above them one word or the other is chosen.
        """
        order: list[Tree] = [tree]
        for node in order:  # grows: each node before its children
            if isinstance(node, Inner) and height(node) > LEVELS:
                order += [node.left, node.right]
        built: dict[int, list[int]] = {}
        for node in reversed(order):
            if isinstance(node, Inner) and height(node) > LEVELS:
                turn = self.questions.goes_left(node.node)
                sides = zip(built[id(node.left)], built[id(node.right)], strict=True)
                built[id(node)] = [self.module.select(turn, a, b) for a, b in sides]
            else:
                code = coded(self.module, node, self.questions.goes_left)
                built[id(node)] = [self._word(code, k) for k in range(self.words.shape[1])]
        return built[id(tree)]

    def _word(self, code: Coded, output: int) -> int:
        """Return the word of one output, without the bits on which it does not depend."""
        m, bits = self.module, list(code.bits)
        values: np.ndarray = self.words[code.leaves, output] - self.least[output]
        values = values.reshape((2,) * len(bits))
        for axis in reversed(range(len(bits))):
            halves = values.take(0, axis), values.take(1, axis)
            if np.array_equal(*halves):
                values = halves[0]
                del bits[axis]
        flat = values.reshape(-1)
        if not bits:
            return m.constant(int(flat[0]))
        every = int(np.bitwise_or.reduce(flat))
        drop = (every & -every).bit_length() - 1  # zeros at the end of all words
        flat = flat >> drop
        if len(bits) == 1:
            word = m.select(bits[0], m.constant(int(flat[1])), m.constant(int(flat[0])))
            return m.shift(word, drop)
        index = bits[0]
        for bit in bits[1:]:
            index = m.concat(index, bit)
        return m.shift(m.table(index, Table.of(f"leaves_{self.number}_{output}", flat)), drop)
