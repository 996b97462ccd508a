"""The questions of a forest as a module: each is asked once, comparisons share their low bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gatewright.blocks.forest.names import Names, Question, code_text, number
from gatewright.blocks.forest.split import Split
from gatewright.hw import Module
from gatewright.num import Fixed

INPUTS = 6
"""Inputs of a LUT: a comparison of so many bits with a constant is one LUT."""

BEYOND = 0.17
"""LUTs that each further bit of a comparison takes, as low bits are shared."""


def comparator_luts(cut: int, width: int) -> float:
    """Return the LUTs of a comparison of a number of some bits with a constant."""
    looked_at = width - ((cut & -cut).bit_length() - 1) if cut else 1
    return 1.0 + BEYOND * max(looked_at - INPUTS, 0)


@dataclass(frozen=True)
class Answers:
    """The answer to each question.

    Attributes:
        signal: 1 where the sample goes left.
        question: what it is called.
    """

    signal: Mapping[Split, int]
    question: Mapping[Split, Question]


def ask(m: Module, x: Sequence[int], splits: Iterable[Split], names: Names) -> Answers:
    """Instance a module that answers questions, by feature and threshold.

    Args:
        m: where it is instanced.
        x: the features.
        splits: the questions, each of which has two answers.
        names: what they are called.
    """
    wanted = sorted(splits, key=_order)
    questions = {s: names.question(s, m.frac[x[s.feature]]) for s in wanted}
    if not wanted:
        return Answers({}, {})
    features = list(dict.fromkeys(s.feature for s in wanted))
    note = f"the questions of all trees: {len(wanted)}, about {len(features)} features"
    inner = Module(f"{m.name}_comparators", m.origin, note, as_built=True)
    types = m.intervals([x[f] for f in features])
    signals = dict(zip(features, inner.input("x", types), strict=True))
    maker = _Comparators(inner, names)
    for f, s in signals.items():
        inner.label(s, names.feature(f))
    found: dict[Split, int] = {}
    for split in wanted:
        maker.turn_to(split.feature, signals[split.feature])
        found[split] = maker.answer(split, signals[split.feature])
        maker.name(found[split], questions[split])
    moving = list(dict.fromkeys(s for s in found.values() if not inner.is_constant(s)))
    inner.output("y", moving)
    feeds = {"x": [x[f] for f in features]}
    outer = dict(zip(moving, m.instance(inner, feeds, "u_comparators")["y"], strict=True))
    answers = {
        split: m.constant(inner.lo[s]) if inner.is_constant(s) else outer[s]
        for split, s in found.items()
    }
    for split, s in answers.items():
        m.label(s, questions[split].name)
    return Answers(answers, questions)


def _order(split: Split) -> tuple[int, bool, int, tuple[int, ...], bool]:
    return (
        split.feature,
        split.numbers is not None,
        split.cut,
        split.numbers or (),
        split.missing_left,
    )


@dataclass
class _Comparators:
    """Build answers in the module of the comparators."""

    module: Module
    names: Names
    feature: int = 0
    heading: str = ""
    _below: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def turn_to(self, feature: int, s: int) -> None:
        """Go on with a feature."""
        self.feature = feature
        self.heading = f"feature {self.names.plain(feature)}, {self.module.fixed(s)}"

    def name(self, s: int, question: Question) -> None:
        """Label a signal, under the heading of the feature that is being asked for."""
        m = self.module
        if m.is_constant(s):
            return
        m.label(s, question.name)
        if question.meaning:
            m.meanings[question.name] = question.meaning
        m.sections[question.name] = self.heading

    def _part(self, s: int, name: str, meaning: str = "") -> None:
        """Label a part of an answer."""
        stem, plain = self.names.feature(self.feature), self.names.plain(self.feature)
        self.name(s, Question(f"{stem}_{name}", f"{plain} {meaning}" if meaning else ""))

    def answer(self, split: Split, a: int) -> int:
        """Return 1 where the sample goes left."""
        m = self.module
        frac = m.frac[a]
        if split.numbers is None:
            found = self._less(a, split.cut)
        else:
            found = m.constant(0)
            for n in split.numbers:
                same = m.equal(a, m.constant(n, frac))
                self._part(same, f"is_{code_text(n)}", f"is {number(n, frac)}")
                found = m.or_(found, same)
        if split.missing is None:
            return found
        absent = m.equal(a, m.constant(split.missing, frac))
        self._part(absent, "missing", "is missing")
        if split.numbers is None:
            text = f"< {number(split.cut, frac)}"
            self._part(found, f"lt_{code_text(split.cut)}", text)
        return m.or_(found, absent) if split.missing_left else m.and_(found, m.not_(absent))

    def _less(self, a: int, cut: int) -> int:
        """Return 1 where the integer of `a` is less than a constant."""
        m = self.module
        width = m.width(a)
        simple = m.less(a, m.constant(cut, m.frac[a]))
        if m.is_constant(simple) or width <= INPUTS or not cut:
            return simple
        keep = width - ((cut & -cut).bit_length() - 1)
        if keep <= INPUTS:
            drop = width - keep
            return m.less(m.floor(a, m.frac[a] - drop), m.constant(cut >> drop, m.frac[a] - drop))
        low = width - INPUTS + 1
        reached = m.not_(self._code_less(a, low, cut & ((1 << low) - 1)))
        # a < cut where (high, reached) < (high of cut, 1): one comparison of six bits.
        joined = m.concat(m.slice(a, low, INPUTS - 1), reached)
        if m.lo[a] < 0:
            joined = m.wrap(joined, Fixed(True, INPUTS, 0))  # the same bits, with a sign
        return m.less(joined, m.constant(2 * (cut >> low) + 1))

    def _code_less(self, a: int, width: int, cut: int) -> int:
        """Return 1 where the lowest bits of a code, unsigned, are less than a constant above 0."""
        m = self.module
        key = a, width, cut
        if key in self._below:
            return self._below[key]
        trailing = (cut & -cut).bit_length() - 1
        keep = width - trailing
        if keep <= INPUTS:
            found = m.less(m.slice(a, trailing, keep), m.constant(cut >> trailing))
        else:
            low = width - INPUTS + 1
            rest = cut & ((1 << low) - 1)
            reached = m.not_(self._code_less(a, low, rest))
            high = m.slice(a, low, INPUTS - 1)
            joined = m.concat(high, reached)
            found = m.less(joined, m.constant(2 * (cut >> low) + 1))
        self._part(found, f"low_{width}_lt_{cut}")
        self._below[key] = found
        return found
