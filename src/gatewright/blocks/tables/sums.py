"""Add tables up: small ones merged, large ones split, constants in a table, one chain or a few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gatewright.blocks.tables.split import Split, best_split
from gatewright.blocks.tables.word import Bit, Summand, Word, place_word, tidy, word_of
from gatewright.blocks.truth import LUT_INPUTS
from gatewright.hw import Kind, Module, Table
from gatewright.num import Fixed, Ints

CHAIN = 4
"""Words that are added one after the other to one; longer chains are cheaper, and slower."""


@dataclass(frozen=True, eq=False)
class _Term:
    """A word that an output adds up.

    Attributes:
        word: what is added.
        users: outputs that have the same word.
    """

    word: Word
    users: int

    @cached_property
    def split(self) -> Split | None:
        return best_split(self.word)

    @property
    def table(self) -> float:
        """Lookup tables of the word on its own, for each output that has it."""
        return self.word.luts / self.users

    @property
    def added(self) -> float:
        """Lookup tables of the word and its adder, built in the cheaper way."""
        return (
            self.table + self.word.width
            if self.split is None
            else min(self.table + self.word.width, self.split.cost)
        )

    @property
    def saving(self) -> float:
        """What adding it to others in the cheaper way takes more than its own table."""
        return self.added - self.table

    @property
    def folds(self) -> bool:
        """Whether it is cheaper when its adder takes most of it in."""
        return self.split is not None and self.split.cost < self.table + self.word.width


def table_sums(
    m: Module, row: Sequence[int], summands: Sequence[Summand], bias: Ints, point: Ints
) -> list[int]:
    """Return the signals of all outputs: their tables' sums.

    Args:
        m: the module to build in.
        row: the elements' signals.
        summands: the tables, on the numbers that the signals can hold.
        bias: (outputs,) in units of `2**-point`.
        point: (outputs,) binary point of each output's values.
    """
    words: list[list[Word]] = [[] for _ in bias]
    low = bias.tolist()
    high = bias.tolist()
    for summand in summands:
        word, least = word_of(m, row, summand)
        low[summand.target] += least
        high[summand.target] += int(summand.answers.max())
        if word.most:
            words[summand.target].append(word)
    merged = [_merged(list_) for list_ in words]
    users = Counter(word.key() for list_ in merged for word in list_)
    sums = []
    for target, list_ in enumerate(merged):
        terms = [_Term(word, users[word.key()]) for word in list_]
        limits = Fixed.holding(low[target], high[target], int(point[target]))
        number = _Sum(m, terms, limits, f"table_{target}").build(low[target])
        sums.append(_bounded(m, number, (low[target], high[target], int(point[target])), limits))
    return sums


def _bounded(m: Module, a: int, rng: tuple[int, int, int], limits: Fixed) -> int:
    """Return a sum modulo the width of its format, which it is known to fit."""
    if m.range(a) == rng:
        return a
    if rng[0] == rng[1]:
        return m.constant(rng[0], rng[2])
    if m.frac[a] > rng[2]:
        raise AssertionError("a sum of tables is finer than its values")
    if m.frac[a] < rng[2] or (rng[0] <= m.lo[a] and m.hi[a] <= rng[1]):
        inside = [v << (rng[2] - m.frac[a]) for v in (m.lo[a], m.hi[a])]
        if rng[0] <= inside[0] and inside[1] <= rng[1]:
            return a
    return m.row(Kind.WRAP, rng, a, imm=2 * limits.width + limits.signed)


def _merged(words: list[Word]) -> list[Word]:
    """Make one table of several whose bits fit one lookup table, where that is cheaper."""
    done: list[Word] = []
    for word in sorted(words, key=lambda w: (len(w.bits), w.bits)):
        for k in range(len(done) - 1, max(len(done) - 9, -1), -1):
            both = dict.fromkeys((*done[k].bits, *word.bits))
            if len(both) > LUT_INPUTS:
                continue
            joint = _added(done[k], word, tuple(both))
            if _Term(joint, 1).added <= _Term(done[k], 1).added + _Term(word, 1).added:
                done[k] = joint
                break
        else:
            done.append(word)
    return done


def _added(a: Word, b: Word, bits: tuple[Bit, ...]) -> Word:
    """Return the sum of two words as one of the bits of both."""
    index = np.arange(1 << len(bits))
    total, care = np.zeros(len(index), np.int64), np.ones(len(index), np.bool_)
    for word in (a, b):
        own = np.zeros(len(index), np.int64)
        for place, bit in enumerate(word.bits):
            own |= ((index >> bits.index(bit)) & 1) << place
        total += word.values[own] << word.shift
        care &= word.care[own]
    return tidy(Word(bits, np.where(care, total, 0), care))


def _carry(rests: list[Word], shift: int) -> tuple[list[Word], Word | None]:
    """Take one bit of a weight out of some words; return what is left, and the bit."""
    for k, r in enumerate(rests):
        b = shift - r.shift
        if not 0 <= b < r.width or not ((r.values >> b) & 1).any():
            continue
        bit = tidy(Word(r.bits, (r.values >> b) & 1, r.care, shift))
        rest = Word(r.bits, np.where(r.care, r.values & ~(1 << b), 0), r.care, r.shift)
        left = [tidy(rest)] if rest.most else []
        return [*rests[:k], *left, *rests[k + 1 :]], bit
    return rests, None


@dataclass
class _Sum:
    """The circuit of one output.

    Attributes:
        limits: its format, modulo whose width it is computed.
        name: of its tables.
    """

    m: Module
    terms: list[_Term]
    limits: Fixed
    name: str

    def build(self, constant: int) -> int:
        """Return the signal of all terms and a constant, modulo the width of the format."""
        m, frac = self.m, self.limits.frac
        if not self.terms:
            return m.constant(constant, frac)
        order = sorted(self.terms, key=lambda t: -t.saving)
        folded = [t for t in order if t.folds]
        plain = [t for t in order if not t.folds]
        while len(folded) > CHAIN * len(plain):
            plain.append(folded.pop(0))
        offset = constant % (1 << self.limits.width)
        first = max(range(len(plain)), key=lambda k: plain[k].word.width)
        wide = [
            place_word(m, t.word, frac, self.name, offset if k == first else 0)
            for k, t in enumerate(plain)
        ]
        rests = [r for t in folded if t.split for r in t.split.rests if r.most]
        for k, term in enumerate(folded):
            assert term.split is not None
            word, at = term.split.folded, k % len(plain)
            rests, carry = _carry(rests, word.shift)
            if carry is None:
                wide[at] = m.add(wide[at], place_word(m, word, frac, self.name))
            else:
                wide[at] = self._add_with(carry, wide[at], word)
        small = [place_word(m, r, frac, self.name) for r in rests]
        return self._tree([*wide, *self._counted(small)])

    def _add_with(self, carry: Word, total: int, word: Word) -> int:
        """Add a word, and one bit of its weight as what the adder carries in.

        Both operands get that bit below: what they carry is what we want. The table comes last.
        """
        m, frac = self.m, self.limits.frac
        unit = frac - word.shift
        bit = m.shift(place_word(m, carry, frac, self.name), unit)
        upper = m.floor(total, unit)
        below = m.frac[total] - unit
        low = (
            m.wrap(total, Fixed(signed=False, width=below, frac=m.frac[total])) if below > 0 else -1
        )
        if m.frac[upper] < unit:  # a coarser total: its code continues with zeros
            return m.add(m.add(total, place_word(m, word, frac, self.name)), m.shift(bit, -unit))
        first = m.concat(m.shift(upper, unit), bit)
        table = m.shift(place_word(m, word, frac, self.name), unit)
        most = (m.hi[upper] + m.hi[table] + 1) << 1
        both = m.add(first, m.concat(table, bit), within=(0, most))
        found = m.shift(m.floor(m.shift(both, -1), 0), -unit)
        return found if low < 0 else m.add(found, low)

    def _counted(self, signals: list[int]) -> list[int]:
        """Replace six one-bit words of one weight by their number, as often as there are six."""
        m = self.m
        found, by_weight = list[int](), dict[int, list[int]]()
        for s in signals:
            if (m.lo[s], m.hi[s]) == (0, 1):
                by_weight.setdefault(m.frac[s], []).append(s)
            else:
                found.append(s)
        for frac, ones in by_weight.items():
            while len(ones) >= 3:
                group, ones = ones[:LUT_INPUTS], ones[LUT_INPUTS:]
                index = m.shift(group[0], frac)
                for s in group[1:]:
                    index = m.concat(m.shift(s, frac), index)
                counts = [k.bit_count() for k in range(1 << len(group))]
                found.append(m.table(index, Table.of("ones", np.asarray(counts), frac)))
            found += ones
        return found

    def _tree(self, signals: list[int]) -> int:
        """Add signals up, the narrowest first."""
        m = self.m
        while len(signals) > 1:
            signals.sort(key=lambda s: (m.width(s) - m.frac[s], s))
            a, b, *rest = signals
            signals = [m.add(a, b), *rest]
        return signals[0]
