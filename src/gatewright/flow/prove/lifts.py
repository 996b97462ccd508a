"""Low bits of a form as bits of one scalar: congruent forms, and sums of rounded quotients.

The text adds a constant, or another number, to the upper bits of a sum: `floor(s / 4) + x` is
`floor((s + 4 * x) / 4)`, and the two bits of `s` that were left out are those of `s + 4 * x`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gatewright.flow.prove.forms import Form, Scalar, Space, Variable
from gatewright.flow.prove.vectors import WIDEST, Words
from gatewright.num import Ints

MOST = 512
"""Ways to write a form as a quotient that are tried."""

FINEST = 10
"""Bits of the finest slope that a table is tried to have."""

SLOPES = 64
"""Most slopes that are tried for a table with one denominator."""


def quotients(space: Space, form: Form) -> Iterator[tuple[Form, int]]:
    """Yield `(f, d)` with `form == floor(f / d)`, the form itself first."""
    todo, seen = [(form, 1)], 0
    while todo and seen < MOST:
        whole, divisor = todo.pop(0)
        shared = min(_zeros(whole), divisor & -divisor)
        whole, divisor = _divided(whole, shared), divisor // shared
        yield whole, divisor
        seen += 1
        for v, c in whole.terms.items():
            if c not in (1, -1):
                continue
            rest = Form({u: k for u, k in whole.terms.items() if u != v}, whole.constant)
            for floored, by in _floors(space.variables[v]):
                inner = rest.times(by).plus(floored, c)
                # -floor(f / d) is floor((d - 1 - f) / d)
                todo.append((inner if c == 1 else inner.moved(by - 1), divisor * by))


def _floors(x: Variable) -> list[tuple[Form, int]]:
    """Return every `(f, d)` found with `x == floor(f / d)`, once for each variable."""
    if x.floors is None:
        link = x.link
        x.floors = [] if link is None or link[2] != link[1] - 1 else [(link[0], link[1])]
        if x.table is not None and x.support is not None:
            x.floors += _fits(next(iter(x.support)), x.table)
    return x.floors


def _fits(scalar: Scalar, table: Ints) -> list[tuple[Form, int]]:
    """Return ways to write a table as `floor((p * s + q) / 2**k)` with an odd p."""
    found = []
    places = np.arange(len(table), dtype=np.int64)
    rise = int(table[-1]) - int(table[0])
    last = len(table) - 1
    for k in range(1, FINEST + 1):
        d = 1 << k
        first, end = ((rise - 1) * d) // last, -((-(rise + 1) * d) // last)
        if end - first > SLOPES:
            break
        for p in range(first | 1, end + 1, 2):
            least = d * table - p * places  # q lies in least..least + d - 1 at each place
            q = int(least.max())
            if q <= int(least.min()) + d - 1:
                found.append((scalar.form.times(p).moved(q - p * scalar.low), d))
    return found


def _zeros(form: Form) -> int:
    """Return the largest power of two that divides all that varies (a large one for a constant)."""
    common = math.gcd(*form.terms.values())
    return common & -common if common else 1 << WIDEST


def _divided(form: Form, by: int) -> Form:
    """Return `floor(form / by)`, where all that varies is a multiple of `by`."""
    return Form({v: c // by for v, c in form.terms.items()}, form.constant // by)


def low_bits(
    space: Space, form: Form, end: int, scalar: Scalar, own: Ints, first: int
) -> Words | None:
    """Return a form modulo `2**end` over values of a scalar; None where it is no function of it.

    Args:
        space: of the form.
        form: the number.
        end: bits that are wanted.
        scalar: what it is to be a function of.
        own: values of the scalar.
        first: place of the first of them in the scalar's range.
    """
    fixed = min(_zeros(form), 1 << end)
    if fixed > 1:  # the lowest bits are those of the constant
        cut = fixed.bit_length() - 1
        upper = low_bits(space, _divided(form, fixed), end - cut, scalar, own, first)
        low = np.uint64(form.constant % fixed)
        return None if upper is None else (upper << np.uint64(cut)) | low
    for whole, divisor in quotients(space, form):
        shift = divisor.bit_length() - 1
        exact = divisor != 1 << shift
        width = WIDEST if exact else end + shift
        if width > WIDEST:
            continue
        words = _modulo(space, whole, width, scalar, own, first, exact)
        if words is None:
            continue
        if exact:
            words = (words.astype(np.int64) // divisor).astype(np.uint64)
        else:
            words = words >> np.uint64(shift)
        return np.asarray(words & np.uint64((1 << end) - 1), np.uint64)
    return None


def _modulo(
    space: Space, form: Form, width: int, scalar: Scalar, own: Ints, first: int, exact: bool
) -> Words | None:
    """Return a form over values of a scalar, modulo `2**width` (or itself, where it has to be)."""
    if exact and max(map(abs, space.range(form))) >= 1 << WIDEST:
        return None
    alone = frozenset({scalar})
    variables = space.variables
    tables = {
        v: x.table
        for v in form.terms
        if (x := variables[v]).table is not None and x.support == alone
    }
    left = {v: c for v, c in form.terms.items() if v not in tables}
    factor = _factor(left, scalar.form.terms, None if exact else 1 << width)
    if factor is None:
        return None
    total = np.full(len(own), form.constant % (1 << 64), np.uint64)
    for v, table in tables.items():
        assert table is not None
        words = table[first : first + len(own)].astype(np.uint64)
        total += words * np.uint64(form.terms[v] % (1 << 64))
    total += own.astype(np.uint64) * np.uint64(factor % (1 << 64))
    return total if exact else total & np.uint64((1 << width) - 1)


def _factor(terms: dict[int, int], unit: dict[int, int], span: int | None) -> int | None:
    """Return the factor between two sums of variables, modulo `span` where there is one."""
    if span is None:
        v = next(iter(unit))
        factor = terms.get(v, 0) // unit[v]
        return factor if terms == {u: k * factor for u, k in unit.items() if factor} else None
    v = next(u for u, k in unit.items() if k & 1)  # they share no factor, so that one is odd
    factor = terms.get(v, 0) * pow(unit[v], -1, span) % span
    same = all(not (terms.get(u, 0) - factor * unit.get(u, 0)) % span for u in {*terms, *unit})
    return factor if same else None
