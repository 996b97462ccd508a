"""Affine forms over integer variables, exact, and the variables they stand on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from gatewright.num import Ints

TABLE = 1 << 16
"""Most values of a scalar for which a function of it is kept as a table."""

WORD = 62
"""Bits up to which tables are added modulo a power of two."""


class Gap(Exception):  # noqa: N818 - it is no error: something is not proven
    """Say why something cannot be proven."""


@dataclass(frozen=True, eq=False, slots=True)
class Form:
    """The integer `sum(terms[v] * v) + constant` over variables by number."""

    terms: dict[int, int]
    constant: int = 0

    def plus(self, other: Form, factor: int = 1) -> Form:
        """Return `self + factor * other`."""
        terms = dict(self.terms)
        for v, c in other.terms.items():
            total = terms.get(v, 0) + factor * c
            if total:
                terms[v] = total
            else:
                terms.pop(v, None)
        return Form(terms, self.constant + factor * other.constant)

    def times(self, factor: int) -> Form:
        """Return `factor * self`."""
        if not factor:
            return Form({})
        return Form({v: c * factor for v, c in self.terms.items()}, self.constant * factor)

    def moved(self, by: int) -> Form:
        """Return `self + by`."""
        return Form(self.terms, self.constant + by)

    def centred(self, width: int, up: bool = False) -> Form:
        """Return the form modulo `2**width` with the coefficients nearest to zero."""
        half, span = 1 << (width - 1), 1 << width
        bias = half - up
        terms = {v: (c + bias) % span - bias for v, c in self.terms.items()}
        return Form({v: c for v, c in terms.items() if c}, self.constant)

    @property
    def key(self) -> tuple[frozenset[tuple[int, int]], int]:
        """Return what makes two forms equal."""
        return frozenset(self.terms.items()), self.constant


@dataclass(frozen=True, eq=False)
class Scalar:
    """A form without constant whose coefficients share no factor: what a function is one of."""

    form: Form
    low: int
    high: int

    @property
    def size(self) -> int:
        """Number of integers in its range."""
        return self.high - self.low + 1


@dataclass(eq=False)
class Variable:
    """An integer in a range.

    Attributes:
        name: what a message calls it.
        support: for what is computed from scalars: which; None for an input.
        table: its value for each value of its only scalar, where it is known.
        part: for some bits of a form: the form's exact value, its width, lowest bit, end.
        link: for a rounded quotient: `(f, d, m)` with `d * self == f - r` for an `r` in `0..m`.
        floors: every `(f, d)` found with `self == floor(f / d)`; None where none was looked for.
    """

    name: str
    low: int
    high: int
    support: frozenset[Scalar] | None = None
    table: Ints | None = None
    part: tuple[Form, int, int, int] | None = None
    link: tuple[Form, int, int] | None = None
    floors: list[tuple[Form, int]] | None = None


@dataclass(eq=False)
class Space:
    """All variables of a proof, and the scalars that functions depend on."""

    variables: list[Variable] = field(default_factory=list)
    _scalars: dict[frozenset[tuple[int, int]], Scalar] = field(default_factory=dict)
    _named: dict[object, Form] = field(default_factory=dict)

    def add(self, variable: Variable) -> Form:
        """Return a new variable as a form; one that cannot vary is a constant."""
        if variable.low == variable.high:
            return Form({}, variable.low)
        self.variables.append(variable)
        return Form({len(self.variables) - 1: 1})

    def known(self, key: object) -> Form | None:
        """Return the variable made for a key."""
        return self._named.get(key)

    def keep(self, key: object, form: Form) -> Form:
        """Keep the variable made for a key."""
        self._named[key] = form
        return form

    def range(self, form: Form) -> tuple[int, int]:
        """Return bounds of the value, by interval arithmetic.

        Where high bits of a sum stand beside the numbers of that sum, the two are not independent:
        the bits are then written as the sum less what was cut off, and the better bound is taken.
        """
        low, high = self._interval(form)
        linked = [v for v in form.terms if self.variables[v].link is not None]
        if linked and len(form.terms) > 1:
            factor, resolved, slack = self._resolved(form, linked)
            first, last = self.range(resolved)
            low = max(low, -((slack[1] - first) // factor))
            high = min(high, (last - slack[0]) // factor)
        return low, high

    def _resolved(self, form: Form, linked: list[int]) -> tuple[int, Form, tuple[int, int]]:
        """Return `(k, f, (a, b))` with `k * form == f - s` for an `s` in `a..b`."""
        links = {v: self.variables[v].link for v in linked}
        factor = math.lcm(*(link[1] for link in links.values() if link is not None))
        total = Form({v: c for v, c in form.terms.items() if v not in links}, form.constant)
        total = total.times(factor)
        low = high = 0
        for v, link in links.items():
            assert link is not None
            scale = form.terms[v] * (factor // link[1])
            total = total.plus(link[0], scale)
            cut = scale * link[2]
            low, high = low + min(cut, 0), high + max(cut, 0)
        return factor, total, (low, high)

    def _interval(self, form: Form) -> tuple[int, int]:
        low = high = form.constant
        for v, c in form.terms.items():
            x = self.variables[v]
            if c > 0:
                low += c * x.low
                high += c * x.high
            else:
                low += c * x.high
                high += c * x.low
        return low, high

    def scalar(self, form: Form) -> tuple[Scalar, int, int]:
        """Return `(s, a, b)` with `form == a * s + b`, for a form that varies."""
        factor = math.gcd(*form.terms.values())
        if form.terms[min(form.terms)] < 0:
            factor = -factor
        terms = {v: c // factor for v, c in form.terms.items()}
        key = frozenset(terms.items())
        found = self._scalars.get(key)
        if found is None:
            primitive = Form(terms)
            found = self._scalars[key] = Scalar(primitive, *self.range(primitive))
        return found, factor, form.constant

    def support(self, form: Form) -> frozenset[Scalar]:
        """Return what a form depends on: the one scalar that its variables share, or its own."""
        if not form.terms:
            return frozenset()
        roots: set[Scalar] = set()
        for v in form.terms:
            own = self.variables[v].support
            roots |= own if own is not None else {self.scalar(Form({v: 1}))[0]}
            if len(roots) > 1:
                return frozenset({self.scalar(form)[0]})
        return frozenset(roots)

    def window(self, form: Form, width: int, signed: bool) -> Form | None:
        """Return the exact value of `width` bits that hold a form modulo `2**width`.

        None where the form's range does not fit one window of that width, so that it may wrap.
        """
        span = 1 << width
        bias = span >> 1 if signed else 0
        for candidate in (form, form.centred(width), form.centred(width, up=True)):
            low, high = self.range(candidate)
            turn = (low + bias) // span
            if turn == (high + bias) // span:
                return candidate.moved(-turn * span)
        return None

    # ---- functions of a scalar

    def function(self, scalar: Scalar, table: Ints) -> Form:
        """Return a function of a scalar, given its values from `scalar.low` on, as a form.

        Functions that differ by a factor and an offset share a variable, and one that is affine is
        the scalar itself, so that equal functions are equal forms.
        """
        start = int(table[0])
        step = int(table[1]) - start if len(table) > 1 else 0
        if (np.diff(table) == step).all():
            return scalar.form.times(step).moved(start - step * scalar.low)
        offsets = table - start
        factor = int(np.gcd.reduce(offsets)) * (1 if offsets[offsets != 0][0] > 0 else -1)
        shape = np.asarray(offsets // factor, np.int64)
        key = (scalar, shape.tobytes())
        found = self.known(key)
        if found is None:
            name = f"a function of {self.describe(scalar.form)}"
            low, high = int(shape.min()), int(shape.max())
            link = _staircase(scalar, shape)
            variable = Variable(name, low, high, frozenset({scalar}), shape, link=link)
            found = self.keep(key, self.add(variable))
        return found.times(factor).moved(start)

    def over(self, form: Form, scalar: Scalar, first: int, end: int) -> Ints | None:
        """Return a form over values number `first` to `end - 1` of a scalar that it depends on.

        None where it depends on anything else.
        """
        own = np.arange(scalar.low + first, scalar.low + end, dtype=np.int64)
        if form.terms and (found := self.scalar(form))[0] is scalar:
            return found[1] * own + found[2]
        total = np.full(len(own), form.constant, np.int64)
        for v, c in form.terms.items():
            x = self.variables[v]
            if x.table is not None and x.support == frozenset({scalar}):
                total += c * x.table[first:end]
            elif scalar.form.terms == {v: 1}:
                total += c * own
            else:
                return None
        return total

    def merged(self, form: Form, width: int) -> Form:
        """Put parts and functions of one number together (modulo `2**width`).

        What is put together may bring in the parts of another number, which are looked at again.
        """
        while True:
            found = self._merged_once(form, width)
            if found is form:
                return form
            form = found

    def _merged_once(self, form: Form, width: int) -> Form:
        derived = [v for v in form.terms if self.variables[v].support is not None]
        groups: dict[object, list[int]] = {}
        for v in derived:
            x = self.variables[v]
            if x.part is not None:
                groups.setdefault((x.part[0].key, x.part[1]), []).append(v)
            elif x.table is not None:
                groups.setdefault(x.support, []).append(v)
        for key, members in groups.items():
            if isinstance(key, frozenset):
                found = self._sum_functions(form, next(iter(key)), members, width)
            else:
                found = self._join_parts(form, members, width) if len(members) > 1 else form
            if found is not form:
                return found
        return form

    def _sum_functions(self, form: Form, scalar: Scalar, members: list[int], width: int) -> Form:
        """Replace functions of one scalar by their sum."""
        if len(scalar.form.terms) == 1:
            members = members + [v for v in scalar.form.terms if v in form.terms]
        parts = Form({v: form.terms[v] for v in members})
        table = self.over(parts, scalar, 0, scalar.size)
        if table is None:
            return form
        rest = Form({v: c for v, c in form.terms.items() if v not in members}, form.constant)
        if width <= WORD:
            steps = np.diff(table) & ((1 << width) - 1)
            if (steps == steps[0]).all():  # affine, but for multiples of the modulus
                step = int(steps[0]) - (int(steps[0]) >> (width - 1) << width)
                offset = int(table[0]) - step * scalar.low
                return rest.plus(scalar.form.times(step).moved(offset))
        return form if len(members) < 2 else rest.plus(self.function(scalar, table))

    def _join_parts(self, form: Form, members: list[int], width: int) -> Form:
        """Replace the lowest parts of one form, where all are there, by the form."""
        span, at, factor = 1 << width, 0, 0
        chosen: list[int] = []
        for whole, end, low, v in self._ordered_parts(members):
            if low != at or (chosen and (form.terms[v] - (factor << low)) % span):
                continue
            factor = factor if chosen else form.terms[v]
            chosen.append(v)
            at = end
            first, last = self.range(whole[0])
            wraps = not (factor << at) % span  # what stands above is a multiple of the modulus
            if len(chosen) > 1 and (wraps or at == whole[1] or first >> at == last >> at):
                above = 0 if wraps or at == whole[1] else (first >> at) << at
                rest = {u: c for u, c in form.terms.items() if u not in chosen}
                return Form(rest, form.constant).plus(whole[0].moved(-above), factor)
        return form

    def _ordered_parts(self, members: list[int]) -> list[tuple[tuple[Form, int], int, int, int]]:
        """Return (form and width, end, lowest bit, variable) of parts, lowest first."""
        rows = []
        for v in members:
            part = self.variables[v].part
            assert part is not None
            rows.append(((part[0], part[1]), part[3], part[2], v))
        return sorted(rows, key=lambda row: (row[2], row[1]))

    # ---- words

    def describe(self, form: Form, most: int = 4) -> str:
        """Write a form for a message, shortened."""
        parts = [f"{c}*{self.variables[v].name}" for v, c in list(form.terms.items())[:most]]
        if len(form.terms) > most:
            parts.append(f"... ({len(form.terms)} terms)")
        if form.constant or not parts:
            parts.append(str(form.constant))
        return " + ".join(parts)


def _staircase(scalar: Scalar, table: Ints) -> tuple[Form, int, int] | None:
    """Return the link of a function that rises by 1 every so many values; None for others."""
    rises = np.flatnonzero(np.diff(table)) + 1
    if len(rises) < 2 or not (np.diff(table)[rises - 1] == 1).all():
        return None
    step = int(rises[1] - rises[0])
    ends = max(int(rises[0]), len(table) - int(rises[-1]))
    if ends > step or not (np.diff(rises) == step).all():
        return None
    # table[i] == floor((i - rises[0]) / step) + table[rises[0]], and i == scalar - scalar.low
    offset = step * int(table[rises[0]]) - int(rises[0]) - scalar.low
    return scalar.form.moved(offset), step, step - 1
