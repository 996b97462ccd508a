"""A table as a function of single bits, with codes that cannot occur free to be anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatewright.blocks.lookup import MAX_INDEX_BITS
from gatewright.blocks.truth import luts, reduced
from gatewright.hw import Kind, Module, Table
from gatewright.num import Ints

__all__ = ["MAX_INDEX_BITS", "Bit", "Summand", "Word", "place_word", "word_of"]

Bit = tuple[int, int]
"""A signal, and which bit of its code."""


class Summand(NamedTuple):
    """What one table adds to an output.

    Attributes:
        elements: the elements that it reads, each once.
        target: the output.
        answers: the values, with an axis for each element, from its least number to its largest.
    """

    elements: tuple[int, ...]
    target: int
    answers: Ints


@dataclass(frozen=True, eq=False)
class Word:
    """A function of bits whose values are never negative.

    Attributes:
        bits: what it reads, the lowest bit of its index first.
        values: (2**bits,) of any content where `care` is false.
        care: (2**bits,) which indices can occur.
        shift: a value `v` stands for `v << shift` units of the output.
    """

    bits: tuple[Bit, ...]
    values: Ints
    care: NDArray[np.bool_]
    shift: int = 0

    @cached_property
    def most(self) -> int:
        """The largest value."""
        return int(self.values.max(initial=0, where=self.care))

    @property
    def width(self) -> int:
        """Bits of a value."""
        return self.most.bit_length()

    @cached_property
    def columns(self) -> list[tuple[NDArray[np.bool_], list[int]]]:
        """Each bit of the values for all indices, and the index bits that it depends on."""
        return [reduced((self.values >> b) & 1 == 1, self.care) for b in range(self.width)]

    @cached_property
    def luts(self) -> int:
        """Lookup tables of all bits; equal ones, and wires, are counted as they are built."""
        distinct = {column.tobytes(): len(support) for column, support in self.columns}
        return sum(map(luts, distinct.values()))

    def key(self) -> tuple[object, ...]:
        """Return what two equal words have in common, wherever they are added."""
        return self.bits, self.values[self.care].tobytes(), self.care.tobytes()


def word_of(m: Module, row: Sequence[int], summand: Summand) -> tuple[Word, int]:
    """Return a table as a word, and its least value, which the word leaves out.

    Bits that no value depends on are gone.
    """
    signals = [row[i] for i in summand.elements]
    if sum(m.width(s) for s in signals) > MAX_INDEX_BITS:  # narrow ranges far from zero
        starts = [m.constant(m.lo[s], m.frac[s]) for s in signals]
        signals = [
            m.sub(s, start, within=(0, m.hi[s] - m.lo[s]))
            for s, start in zip(signals, starts, strict=True)
        ]
    bits: list[Bit] = []
    live = [s for s in signals if not m.is_constant(s)]
    code = np.arange(1 << sum(m.width(s) for s in live), dtype=np.int64)
    care, at = np.ones(len(code), np.bool_), list[Ints]()
    for s in signals:
        lo, hi, width = m.lo[s], m.hi[s], m.width(s)
        if lo == hi:
            at.append(np.zeros(len(code), np.int64))
            continue
        q = (code >> len(bits)) & ((1 << width) - 1)
        q = np.where(q >> (width - 1), q - (1 << width), q) if lo < 0 else q
        care &= (q >= lo) & (q <= hi)
        at.append(np.clip(q, lo, hi) - lo)
        bits += [(s, b) for b in range(width)]
    values = np.broadcast_to(summand.answers[tuple(at)], code.shape)
    least = int(summand.answers.min())
    return tidy(Word(tuple(bits), np.where(care, values - least, 0), care)), least


def tidy(word: Word) -> Word:
    """Return a word without index bits that no value needs, and without low zeros of all values."""
    bits, values, care = list(word.bits), word.values, word.care
    for bit in range(len(bits) - 1, -1, -1):
        pairs, cares = values.reshape(-1, 2, 1 << bit), care.reshape(-1, 2, 1 << bit)
        both = cares[:, 0] & cares[:, 1]
        if np.any(both & (pairs[:, 0] != pairs[:, 1])):
            continue
        values = np.where(cares[:, 0], pairs[:, 0], pairs[:, 1]).ravel()
        care = (cares[:, 0] | cares[:, 1]).ravel()
        del bits[bit]
    together = int(np.bitwise_or.reduce(values[care], initial=0))
    low = (together & -together).bit_length() - 1 if together else 0
    return Word(tuple(bits), np.where(care, values >> low, 0), care, word.shift + low)


def place_word(m: Module, word: Word, frac: int, name: str, plus: int = 0) -> int:
    """Return the signal of `(word << shift) + plus` in units of `2**-frac`.

    Its range begins at zero whatever its least value is: a sum of it has no constant to be moved.
    """
    if plus:
        values = (word.values << word.shift) + plus
        word = Word(word.bits, np.where(word.care, values, 0), word.care)
    if not word.bits or word.most == 0:
        return m.constant(word.most << word.shift, frac)
    words = np.zeros(len(word.values), np.int64)
    for b, (column, _) in enumerate(word.columns):
        words |= column.astype(np.int64) << b
    if word.width == 1 and len(word.bits) == 1 and not words.all():
        bit = _bits(m, word.bits)
        return m.shift(bit if words[1] else m.not_(bit), word.shift - frac)
    found = m.table(_bits(m, word.bits), Table.of(name, words, frac - word.shift))
    if m.lo[found] == 0 or m.is_constant(found):
        return found
    rng = (0, m.hi[found], m.frac[found])
    return m.row(Kind.TABLE, rng, m.a[found], imm=m.imm[found])


def _bits(m: Module, bits: Sequence[Bit]) -> int:
    """Return bits as one code, the first lowest; runs of one signal's bits are sliced together."""
    runs: list[tuple[int, int, int]] = []
    for s, b in bits:
        if runs and runs[-1][0] == s and sum(runs[-1][1:]) == b:
            runs[-1] = (s, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((s, b, 1))
    code = -1
    for s, low, width in runs:
        whole = low == 0 and width == m.width(s) and m.lo[s] >= 0 and m.frac[s] == 0
        part = s if whole else m.slice(s, low, width)
        code = part if code < 0 else m.concat(part, code)
    return code
