"""Expressions as terms that are shared: what is written twice is one term.

A term is a number in a table of rows; equal rows are one. Sums are kept as linear combinations, so
that constants are folded into them and like terms meet; nothing else is rewritten, since the
meaning on real numbers must stay what the user wrote.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gatewright.base import ModelError
from gatewright.ops.functions import apply_function

HIGHEST_POWER = 64
"""Largest whole exponent that is built of products."""


OPPOSITE = {
    "equal": "not_equal", "greater": "less_equal", "greater_equal": "less",
    "less": "greater_equal", "less_equal": "greater", "not_equal": "equal",
}  # fmt: skip
"""The relation that holds where another does not."""


@dataclass(frozen=True)
class Row:
    """One term.

    Attributes:
        head: "number", "variable", "linear", "product", "quotient", "where", "compare", or what is
            applied: "function", "maximum", "minimum", "absolute", "sign", "square".
        parts: the terms that it is made of.
        numbers: the number; of a linear combination a coefficient for each part, and the constant;
            of a function its parameters.
        name: of the variable, function or relation.
    """

    head: str
    parts: tuple[int, ...] = ()
    numbers: tuple[float, ...] = ()
    name: str = ""


@dataclass(eq=False)
class Terms:
    """The table of terms."""

    rows: list[Row] = field(default_factory=list)
    _known: dict[Row, int] = field(default_factory=dict)

    def _add(self, row: Row) -> int:
        if row not in self._known:
            self._known[row] = len(self.rows)
            self.rows.append(row)
        return self._known[row]

    def number(self, value: float) -> int:
        """Return a constant.

        Raises:
            ModelError: it is no finite number.
        """
        if not math.isfinite(value):
            raise ModelError(
                "a constant of an expression is not a finite number",
                found=value,
                supported="finite real numbers: no division by zero, no overflow, no root or "
                "logarithm of a negative number",
            )
        return self._add(Row("number", numbers=(float(value) + 0.0,)))

    def variable(self, name: str) -> int:
        """Return a variable."""
        return self._add(Row("variable", name=name))

    def value(self, term: int) -> float | None:
        """Return the number that a term is, None where it depends on variables."""
        row = self.rows[term]
        return row.numbers[0] if row.head == "number" else None

    # ---- sums

    def _combination(self, term: int) -> tuple[dict[int, float], float]:
        row = self.rows[term]
        if row.head == "number":
            return {}, row.numbers[0]
        if row.head == "linear":
            return dict(zip(row.parts, row.numbers[:-1], strict=True)), row.numbers[-1]
        return {term: 1.0}, 0.0

    def add(self, *terms: int) -> int:
        """Return a sum."""
        return self.combine((term, 1.0) for term in terms)

    def combine(self, scaled: Iterable[tuple[int, float]]) -> int:
        """Return the sum of terms times numbers."""
        total: dict[int, float] = {}
        constants = []
        for term, factor in scaled:
            parts, constant = self._combination(term)
            constants.append(factor * constant)
            for part, coefficient in parts.items():
                total[part] = total.get(part, 0.0) + factor * coefficient
        return self._linear(total, math.fsum(constants))

    def _linear(self, parts: Mapping[int, float], constant: float) -> int:
        kept = {part: c for part, c in sorted(parts.items()) if c != 0}
        for value in (*kept.values(), constant):
            self.number(value)  # raises
        if not kept:
            return self.number(constant)
        if constant == 0 and list(kept.values()) == [1.0]:
            return next(iter(kept))
        return self._add(Row("linear", tuple(kept), (*kept.values(), float(constant) + 0.0)))

    # ---- products

    def multiply(self, *terms: int) -> int:
        """Return a product; numbers, and factors of single terms, are taken out of it."""
        factor, others = 1.0, []
        for term in terms:
            parts, constant = self._combination(term)
            if not parts:
                factor *= constant
            elif len(parts) == 1 and constant == 0:
                ((part, coefficient),) = parts.items()
                factor *= coefficient
                others.append(part)
            else:
                others.append(term)
        if not others:
            return self.number(factor)
        return self.combine([(self._product(sorted(others)), factor)])

    def _product(self, parts: list[int]) -> int:
        """Return a product as a level tree of pairs, equal factors as squares."""
        while len(parts) > 1:
            counted = Counter(parts)
            if max(counted.values()) > 1:
                parts = [p for p, count in counted.items() if count % 2]
                for part, count in counted.items():
                    if count > 1:
                        parts += [self._add(Row("square", (part,)))] * (count // 2)
            else:
                pairs = zip(parts[::2], parts[1::2], strict=False)
                odd = parts[len(parts) - len(parts) % 2 :]
                parts = [self._add(Row("product", pair)) for pair in pairs] + odd
            parts.sort()
        return parts[0]

    def divide(self, a: int, b: int) -> int:
        """Return a quotient.

        Raises:
            ModelError: the divisor is the constant 0.
        """
        divisor = self.value(b)
        if divisor is not None:
            if divisor == 0:
                raise ModelError("an expression divides by zero", supported="divisors other than 0")
            return self.combine([(a, 1.0 / divisor)])
        parts, constant = self._combination(b)
        factor = 1.0
        if len(parts) == 1 and constant == 0:
            ((b, coefficient),) = parts.items()
            factor = 1.0 / coefficient
        dividend = self.value(a)
        if dividend is not None:
            return self.combine([(self.apply("reciprocal", b), dividend * factor)])
        return self.combine([(self._add(Row("quotient", (a, b))), factor)])

    def power(self, base: int, exponent: int) -> int:
        """Return a power: products for whole exponents, else a function, or exp(y * log(x))."""
        n, x = self.value(exponent), self.value(base)
        if n is not None and x is not None:
            return self.number(_power(x, n))
        if n is None:
            if x is not None:
                scale = math.log(x) if x > 0 else math.nan
                return self.apply("exp", self.combine([(exponent, self._finite(scale))]))
            return self.apply("exp", self.multiply(exponent, self.apply("log", base)))
        whole, half = int(abs(n)), abs(n) - int(abs(n)) == 0.5
        if whole > HIGHEST_POWER or (abs(n) != whole and not half):
            return self.apply("power", base, n)
        found = self.multiply(*[base] * whole) if whole else self.number(1.0)
        if half:
            found = self.multiply(found, self.apply("sqrt", base))
        return self.divide(self.number(1.0), found) if n < 0 else found

    def _finite(self, value: float) -> float:
        self.number(value)
        return value

    # ---- functions

    def apply(self, name: str, term: int, *parameters: float) -> int:
        """Return a function of `ops.functions` of a term."""
        value = self.value(term)
        if value is not None:
            return self.number(float(apply_function(name, np.asarray(value), parameters)))
        return self._add(Row("function", (term,), parameters, name))

    def choose(self, head: str, parts: Sequence[int]) -> int:
        """Return the maximum or minimum of some terms."""
        join = max if head == "maximum" else min
        values = [v for v in map(self.value, parts) if v is not None]
        others = sorted({p for p in parts if self.value(p) is None})
        if values:
            others.insert(0, self.number(join(values)))
        found = others[0]
        for other in others[1:]:
            found = self._add(Row(head, (found, other)))
        return found

    def unary(self, head: str, term: int) -> int:
        """Return the absolute value or the sign."""
        value = self.value(term)
        if value is not None:
            return self.number(abs(value) if head == "absolute" else float(np.sign(value)))
        return self._add(Row(head, (term,)))

    def compare(self, relation: str, a: int, b: int) -> int:
        """Return 1 where a relation of `ops.compare` holds, else 0."""
        from gatewright.ops.compare import RELATIONS

        x, y = self.value(a), self.value(b)
        if x is not None and y is not None:
            return self.number(float(RELATIONS[relation](np.asarray(x), np.asarray(y))))
        return self._add(Row("compare", (a, b), name=relation))

    def where(self, condition: int, a: int, b: int) -> int:
        """Return the third term where the first is 0, the second elsewhere."""
        value = self.value(condition)
        if value is not None:
            return a if value else b
        return a if a == b else self._add(Row("where", (self.truth(condition), a, b)))

    def truth(self, term: int) -> int:
        """Return 0 where a term is 0, 1 elsewhere."""
        row, value = self.rows[term], self.value(term)
        if value is not None:
            return self.number(float(value != 0))
        logic = row.head in ("maximum", "minimum") and all(self._is_truth(p) for p in row.parts)
        if logic or self._is_truth(term):
            return term
        return self.compare("not_equal", term, self.number(0.0))

    def _is_truth(self, term: int) -> bool:
        return self.rows[term].head == "compare" or self.value(term) in (0.0, 1.0)

    def negation(self, term: int) -> int:
        """Return 1 where a term is 0, else 0."""
        row = self.rows[term]
        if row.head == "compare":
            return self.compare(OPPOSITE[row.name], *row.parts)
        return self.compare("equal", term, self.number(0.0))

    def all_of(self, terms: Iterable[int]) -> int:
        """Return 1 where no term is 0, else 0."""
        return self.choose("minimum", [self.truth(t) for t in terms])

    def any_of(self, terms: Iterable[int]) -> int:
        """Return 0 where every term is 0, else 1."""
        return self.choose("maximum", [self.truth(t) for t in terms])


def _power(x: float, n: float) -> float:
    try:
        found = x**n
    except OverflowError:
        return math.inf
    except ZeroDivisionError:
        return math.nan
    return found if isinstance(found, float) else math.nan
