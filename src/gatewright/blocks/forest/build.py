"""The circuit of a forest: questions asked once, a chain of choices a tree, sums."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.blocks.arith import signed_sum
from gatewright.blocks.forest.prune import Tree
from gatewright.blocks.forest.split import Split
from gatewright.hw import Module
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

    Args:
        m: where it is built.
        x: the features.
        splits: question of each node.
        trees: what can be reached of each.
        words: (leaves, outputs) integers.
        base: (outputs,) integers.
    """
    answers: dict[Split, int] = {}

    def goes_left(node: int) -> int:
        split = splits[node]
        if split not in answers:
            answers[split] = ask(m, x[split.feature], split)
        return answers[split]

    def value(tree: Tree, output: int) -> int:
        if isinstance(tree, int):
            return m.constant(int(words[tree, output]))
        left, right = value(tree.left, output), value(tree.right, output)
        return m.select(goes_left(tree.node), left, right)

    return [
        signed_sum(m, [value(tree, output) for tree in trees] + [m.constant(int(base[output]))])
        for output in range(words.shape[1])
    ]


def ask(m: Module, a: int, split: Split) -> int:
    """Return 1 where a number goes left."""
    frac = m.frac[a]

    def whole(number: int) -> int:
        return m.constant(number, frac)

    if split.numbers is None:
        found = m.less(a, whole(split.cut))
    else:
        found = m.constant(0)
        for number in split.numbers:
            found = m.or_(found, m.equal(a, whole(number)))
    if split.missing is None:
        return found
    absent = m.equal(a, whole(split.missing))
    return m.or_(found, absent) if split.missing_left else m.and_(found, m.not_(absent))
