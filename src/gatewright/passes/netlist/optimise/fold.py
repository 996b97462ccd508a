"""Tighten ranges from the inputs on, and drop cells whose result they decide.

A range that a builder stated is kept where it is the narrower one. Choices with one outcome,
comparisons that ranges decide, sums with zero, and wraps that cut nothing go.
"""

from __future__ import annotations

from collections.abc import Callable

from gatewright.hw import Kind, Module
from gatewright.hw.ranges import Range
from gatewright.passes.netlist.optimise.draft import Draft
from gatewright.passes.netlist.optimise.wrapping import wrapped

MUL = int(Kind.MUL)

Rule = Callable[[Draft, int, int, int, int], None]
"""Rewrite row s with operands a, b, c as they are now."""


def fold(m: Module) -> Module:
    """Tighten ranges and drop what they decide."""
    draft = Draft(m)
    lo, hi = draft.lo, draft.hi
    for s, kind in enumerate(m.kind):
        rule = RULES.get(kind)
        if rule is None or lo[s] == hi[s]:
            continue
        a, b, c = m.a[s], m.b[s], m.c[s]
        if draft.forward:
            a, b, c = (draft.forward.get(o, o) for o in (a, b, c))
        rule(draft, s, a, b, c)
    return draft.finish() if draft.changed else m


def _narrow(draft: Draft, s: int, lo: int, hi: int) -> None:
    """Note a range that a row must also be in."""
    if lo > draft.lo[s]:
        draft.lo[s], draft.changed = lo, True
    if hi < draft.hi[s]:
        draft.hi[s], draft.changed = hi, True


def _on_grid(draft: Draft, o: int, frac: int) -> tuple[int, int]:
    """Return the ends of a range on a grid that is as fine or finer; zero is on every grid."""
    up = frac - draft.frac[o]
    return (draft.lo[o] << up, draft.hi[o] << up) if up >= 0 else (0, 0)


def _is_zero(draft: Draft, o: int) -> bool:
    return draft.lo[o] == draft.hi[o] == 0


def _add(draft: Draft, s: int, a: int, b: int, c: int) -> None:
    products = (o for o in (a, b) if draft.kind[o] == MUL and draft.imm[o])
    if draft.imm[s] and all(draft.is_constant(o) for o in products):
        draft.imm[s], draft.changed = 0, True  # the product of its DSP block is gone
    frac = draft.frac[s]
    for zero, other in ((a, b), (b, a)):
        if _is_zero(draft, zero) and draft.frac[other] == frac and not draft.imm[s]:
            draft.redirect(s, other)
            return
    (alo, ahi), (blo, bhi) = _on_grid(draft, a, frac), _on_grid(draft, b, frac)
    _narrow(draft, s, alo + blo, ahi + bhi)


def _mul(draft: Draft, s: int, a: int, b: int, c: int) -> None:
    if draft.frac[s] == draft.frac[a] + draft.frac[b]:
        x, y = (draft.lo[a], draft.hi[a]), (draft.lo[b], draft.hi[b])
        corners = [p * q for p in x for q in y]
        _narrow(draft, s, min(corners), max(corners))


def _sub(draft: Draft, s: int, a: int, b: int, c: int) -> None:
    frac = draft.frac[s]
    if _is_zero(draft, b) and draft.frac[a] == frac:
        draft.redirect(s, a)
        return
    (alo, ahi), (blo, bhi) = _on_grid(draft, a, frac), _on_grid(draft, b, frac)
    _narrow(draft, s, alo - bhi, ahi - blo)


def _shift(draft: Draft, s: int, a: int, b: int, c: int) -> None:
    if draft.kind[a] == Kind.SHIFT and not draft.is_constant(a):
        draft.imm[s] += draft.imm[a]
        draft.a[s] = a = draft.at(draft.a[a])
        draft.changed = True
    if draft.imm[s] == 0:
        draft.redirect(s, a)
        return
    _narrow(draft, s, draft.lo[a], draft.hi[a])


def _wrap(draft: Draft, s: int, a: int, b: int, c: int) -> None:
    lo, hi, frac = wrapped(draft.range(a), draft.imm[s], draft.frac[s])
    if draft.frac[a] == frac and (lo, hi) == (draft.lo[a], draft.hi[a]):
        draft.redirect(s, a)
        return
    _narrow(draft, s, lo, hi)


def _select(draft: Draft, s: int, a: int, b: int, c: int) -> None:
    frac = draft.frac[s]
    arms = (b, c)
    if draft.is_constant(a):
        arms = (b, b) if draft.lo[a] else (c, c)
    x, y = arms
    if x == y and draft.frac[x] == frac:
        draft.redirect(s, x)
        return
    (blo, bhi), (clo, chi) = _on_grid(draft, x, frac), _on_grid(draft, y, frac)
    _narrow(draft, s, min(blo, clo), max(bhi, chi))


def _pair(draft: Draft, a: int, b: int) -> tuple[int, int, int, int]:
    """Return the ranges of two operands on the finer of their grids."""
    frac = max(draft.frac[o] for o in (a, b))
    return (*_on_grid(draft, a, frac), *_on_grid(draft, b, frac))


def _less(draft: Draft, s: int, a: int, b: int, c: int) -> None:
    alo, ahi, blo, bhi = _pair(draft, a, b)
    if ahi < blo or alo >= bhi or a == b:
        _decide(draft, s, int(ahi < blo))


def _equal(draft: Draft, s: int, a: int, b: int, c: int) -> None:
    alo, ahi, blo, bhi = _pair(draft, a, b)
    if ahi < blo or bhi < alo:
        _decide(draft, s, 0)
    elif a == b or alo == ahi == blo == bhi:
        _decide(draft, s, 1)


def _decide(draft: Draft, s: int, value: int) -> None:
    """Make a row a constant."""
    rng: Range = (value, value, draft.frac[s])
    draft.become(s, Kind.CONST, rng, imm=value)


def _bitwise(draft: Draft, s: int, a: int, b: int, c: int) -> None:
    kind = draft.kind[s]
    zeros = [o for o in (a, b) if _is_zero(draft, o)]
    if zeros:
        other = b if zeros[0] == a else a
        draft.redirect(s, zeros[0] if kind == Kind.AND else other)
    elif a == b:
        if kind == Kind.XOR:
            _decide(draft, s, 0)
        else:
            draft.redirect(s, a)


RULES: dict[int, Rule] = {
    int(Kind.ADD): _add,
    int(Kind.SUB): _sub,
    int(Kind.MUL): _mul,
    int(Kind.SHIFT): _shift,
    int(Kind.WRAP): _wrap,
    int(Kind.SELECT): _select,
    int(Kind.LESS): _less,
    int(Kind.EQUAL): _equal,
    int(Kind.AND): _bitwise,
    int(Kind.OR): _bitwise,
    int(Kind.XOR): _bitwise,
}
"""Kinds with a rule; the others keep the range that they have."""
