"""Small tables written as the decisions that they are: nested choices in place of all their words.

A table whose index is some single bits, and whose words a few decisions on these tell apart, reads
better so: the leaves of a decision tree, say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.num import Ints

MOST_BITS = 8
LEAVES = 2
"""Words that are written at most, for each bit of the index."""


@dataclass(frozen=True)
class Decision:
    """A choice by one bit of the index, the highest being 0."""

    bit: int
    one: Decision | int
    zero: Decision | int


Decided = Decision | int


def decisions(words: Ints) -> Decided | None:
    """Return the decisions that a table of a power of two of words comes to; None: too many."""
    bits = len(words).bit_length() - 1
    if bits > MOST_BITS or len(words) != 1 << bits:
        return None
    most = LEAVES * bits
    if len(np.unique(words)) > most:
        return None
    values: np.ndarray = np.asarray(words).reshape((2,) * bits)
    best = _decided(values, tuple(range(bits)), _first)
    if leaf_count(best) > bits + 1:  # a bit is asked twice: another order may do better
        other = _decided(values, tuple(range(bits)), _narrowest)
        best = min(best, other, key=leaf_count)
    return best if leaf_count(best) <= most else None


def leaf_count(tree: Decided) -> int:
    """Return how many words are written."""
    if isinstance(tree, int):
        return 1
    return leaf_count(tree.one) + leaf_count(tree.zero)


def _halves(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    return values.take(0, axis), values.take(1, axis)


def _decided(
    values: np.ndarray, bits: tuple[int, ...], choose: Callable[[np.ndarray], int]
) -> Decided:
    """Decide by one bit after the other; at most `MOST_BITS` deep."""
    for axis in reversed(range(len(bits))):
        zero, one = _halves(values, axis)
        if np.array_equal(zero, one):
            values, bits = zero, (*bits[:axis], *bits[axis + 1 :])
    if not bits:
        return int(values)
    axis = choose(values)
    rest = (*bits[:axis], *bits[axis + 1 :])
    zero, one = _halves(values, axis)
    return Decision(bits[axis], _decided(one, rest, choose), _decided(zero, rest, choose))


def _first(values: np.ndarray) -> int:
    """Choose the highest bit: the order in which a tree asks, unless it asks something twice."""
    return 0


def _narrowest(values: np.ndarray) -> int:
    """Choose the bit that leaves the fewest bits to decide by."""
    left = [sum(_support(half) for half in _halves(values, a)) for a in range(values.ndim)]
    return int(np.argmin(left))


def _support(values: np.ndarray) -> int:
    """Return the number of bits that matter."""
    return sum(not np.array_equal(*_halves(values, axis)) for axis in range(values.ndim))


def decision_text(
    tree: Decided, bits: Sequence[str], word: Callable[[int], str], margin: str
) -> str:
    """Return nested choices; what is more than one choice deep is on lines of its own."""
    if isinstance(tree, int):
        return word(tree)
    one, zero = (decision_text(side, bits, word, f"{margin}  ") for side in (tree.one, tree.zero))
    one, zero = (
        text if isinstance(side, int) else f"({text})"
        for text, side in ((one, tree.one), (zero, tree.zero))
    )
    if isinstance(tree.one, int) and isinstance(tree.zero, int):
        return f"{bits[tree.bit]} ? {one} : {zero}"
    return f"{bits[tree.bit]}\n{margin}  ? {one}\n{margin}  : {zero}"
