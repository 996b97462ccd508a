"""What the text of a forest calls its features, questions, trees and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ldexp

from gatewright.base import Namer, identifier
from gatewright.blocks.forest.split import Split

LONGEST = 24
"""Characters of a feature's name in front of the number that it is compared with."""

MOST_NUMBERS = 4
"""Categories that are part of a name; a question for more is called a set."""


@dataclass(frozen=True)
class Question:
    """What the answer to a split is called, and what it says of numbers in the user's units."""

    name: str
    meaning: str


@dataclass
class Names:
    """Give out names; equal questions have equal ones.

    Attributes:
        features: the user's names of features, by number; none where the model has none.
        outputs: likewise, of the sums.
    """

    features: Sequence[str] = ()
    outputs: Sequence[str] = ()
    _namer: Namer = field(default_factory=Namer)
    _features: dict[int, str] = field(default_factory=dict)

    def plain(self, feature: int) -> str:
        """Return what the user calls a feature: as an element of the input where it has no name."""
        given = self.features[feature] if feature < len(self.features) else ""
        return " ".join(given.split()) or f"x[{feature}]"

    def feature(self, feature: int) -> str:
        """Return an identifier for a feature."""
        if feature not in self._features:
            stem = identifier(self.plain(feature), "x")[:LONGEST].rstrip("_")
            self._features[feature] = self._namer.name(stem)
        return self._features[feature]

    def question(self, split: Split, frac: int) -> Question:
        """Return the name of a question on a feature with `frac` bits behind the point."""
        stem, what = self.feature(split.feature), self.plain(split.feature)
        if split.numbers is None:
            name = f"{stem}_lt_{code_text(split.cut)}"
            meaning = f"{what} < {number(split.cut, frac)}"
        else:
            few = len(split.numbers) <= MOST_NUMBERS
            members = [number(n, frac) for n in split.numbers[: 3 * MOST_NUMBERS]]
            more = ", ..." if len(members) < len(split.numbers) else ""
            name = f"{stem}_in_{'_'.join(map(code_text, split.numbers)) if few else 'set'}"
            meaning = f"{what} in {{{', '.join(members)}{more}}}"
        if split.missing is not None:
            name += "_or_missing" if split.missing_left else "_not_missing"
            meaning += " or missing" if split.missing_left else " and not missing"
        return Question(self._namer.name(name), meaning)

    def output(self, output: int, of: int) -> str:
        """Return an identifier for an output, empty where there is only one."""
        given = self.outputs[output] if output < len(self.outputs) else ""
        return identifier(given or f"output_{output}")[:LONGEST] if of > 1 else ""


def number(code: int, frac: int) -> str:
    """Return the number that an integer of a feature stands for."""
    return f"{ldexp(code, -frac):.10g}"


def code_text(code: int) -> str:
    """Return an integer as part of a name."""
    return str(code) if code >= 0 else f"m{-code}"
