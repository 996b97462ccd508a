"""Split a table into parts that cost less together: a coarse one, and what is left of it.

An adder of a carry chain takes a lookup table for each bit, which computes the exclusive or of its
two operands. Where one operand is itself a function of at most five bits, and nothing else reads
it, that table computes the function as well: adding it costs no more than adding. So a table of
six bits and more is written as `coarse(bits without some) + rest(all bits)`, where the coarse part
has the least values over the bits left out, cut to a coarser grid, and the rest is small where
the table is smooth. (The operands of the carry are the other one's bits, as in UltraScale's
CARRY8: DI takes one operand, S the exclusive or.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from gatewright.blocks.tables.word import Word, tidy
from gatewright.blocks.truth import LUT_INPUTS, luts

FOLDED_BITS = LUT_INPUTS - 1
"""Bits of a table that the lookup tables of an adder take in beside the other operand's."""

SPLIT_BITS = 8
"""Bits of the largest table that is split."""

MOST = 1 << 40


@dataclass(frozen=True, eq=False)
class Split:
    """A table as a sum of words.

    Attributes:
        folded: a word of few bits, which an adder takes in.
        rests: words that are added besides.
    """

    folded: Word
    rests: tuple[Word, ...]

    @cached_property
    def cost(self) -> int:
        """Lookup tables, those of the adders included."""
        return self.folded.width + sum(r.luts + r.width for r in self.rests)


def best_split(word: Word) -> Split | None:
    """Return the cheapest way found to add a word, its largest part folded; None: there is none."""
    if len(word.bits) <= FOLDED_BITS:
        return Split(word, ())
    if len(word.bits) > SPLIT_BITS:
        return None
    found = []
    for number in range(1, len(word.bits) - FOLDED_BITS + 1):
        candidates = [
            pair for dropped in combinations(range(len(word.bits)), number)
            for pair in _parts(word, dropped)
        ]  # fmt: skip
        candidates.sort(key=lambda pair: _rough(*pair))
        for coarse, rest in candidates[:4]:
            inner = best_split(tidy(coarse))
            if inner is not None:
                found.append(Split(inner.folded, (*inner.rests, tidy(rest))))
    return min(found, key=lambda split: split.cost, default=None)


def _rough(coarse: Word, rest: Word) -> int:
    """Return about what two parts cost, to compare splits of one word."""
    more = max(len(coarse.bits) - FOLDED_BITS, 0)
    return coarse.width * (1 + more) + rest.width * (1 + luts(len(rest.bits)))


def _parts(word: Word, dropped: tuple[int, ...]) -> list[tuple[Word, Word]]:
    """Return coarse parts without some index bits, one for each width of the rest."""
    size = len(word.bits)
    axes = tuple(size - 1 - b for b in dropped)  # C order: the highest index bit is the first axis
    cube = (2,) * size
    known = np.where(word.care, word.values, MOST).reshape(cube)
    least = known.min(axis=axes, keepdims=True)
    seen = np.broadcast_to(least, cube) < MOST
    least = np.where(least < MOST, least, 0)
    found: dict[int, tuple[Word, Word]] = {}
    for grid in range(word.width):
        coarse = least >> grid << grid
        rest = np.where(word.care, word.values - np.broadcast_to(coarse, cube).ravel(), 0)
        bits = int(rest.max()).bit_length()
        kept = tuple(bit for b, bit in enumerate(word.bits) if b not in dropped)
        care = seen.reshape(cube)[
            tuple(slice(0, 1) if a in axes else slice(None) for a in range(size))
        ]
        pair = (
            Word(kept, coarse.ravel(), care.ravel().copy(), word.shift),
            Word(word.bits, rest, word.care, word.shift),
        )
        found[bits] = pair  # the coarsest grid of those that leave a rest of so many bits
    return [pair for bits, pair in found.items() if bits < word.width]
