"""Round and cut before the rectifier, so that its gates stand on the few bits that are left.

A ReLU is `x < 0 ? 0 : x`. What follows it in a quantized network, an added half, a floor and a cut
of high bits, gives 0 for 0, and so it may come first: `max(0, x) + half` floored to a grid
coarser than `half` is `max(0, floor(x + half))`, since for x < 0 both are floor(half) = 0 or the
sum is still negative. Then `half` meets the bias in front, and only bits that are read are gated.
"""

from __future__ import annotations

from gatewright.hw import Kind, Module
from gatewright.passes.netlist.optimise.draft import Draft
from gatewright.passes.netlist.optimise.wrapping import wrap

ADD, WRAP, LESS, SELECT = (int(k) for k in (Kind.ADD, Kind.WRAP, Kind.LESS, Kind.SELECT))


def rectify(m: Module) -> Module:
    """Move rounding constants, floors and cuts through rectifiers."""
    if SELECT not in m.kind:
        return m
    draft, count = Draft(m), None
    readers: dict[int, list[int]] = {}
    for s, kind in enumerate(m.kind):
        if kind == WRAP:
            readers.setdefault(m.a[s], []).append(s)
    count = draft.readers()
    for s, kind in enumerate(m.kind):
        if kind == ADD and not m.imm[s] and s in readers and len(readers[s]) == count[s]:
            _round_first(draft, s, readers[s])
        elif kind == WRAP:
            _cut_first(draft, s, count)
        elif kind == LESS:
            _compare_first(draft, s)
    return draft.finish() if draft.changed else m


def rectified(draft: Draft, s: int) -> int:
    """Return what a row rectifies, or -1: x where the row is `x < 0 ? 0 : x`."""
    if draft.kind[s] != SELECT:
        return -1
    condition, zero, x = draft.at(draft.a[s]), draft.at(draft.b[s]), draft.at(draft.c[s])
    if not draft.lo[zero] == draft.hi[zero] == 0 or draft.kind[condition] != LESS:
        return -1
    if draft.at(draft.a[condition]) != x:
        return -1
    limit = draft.at(draft.b[condition])
    return x if draft.lo[limit] == draft.hi[limit] == 0 else -1


def _round_first(draft: Draft, s: int, cuts: list[int]) -> None:
    """Turn floor(max(0, x) + k) into max(0, floor(x + k)) for 0 <= k < one unit of each floor."""
    for r, k in ((draft.a[s], draft.b[s]), (draft.b[s], draft.a[s])):
        r, k = draft.at(r), draft.at(k)
        x = rectified(draft, r)
        if x < 0 or not draft.is_constant(k) or draft.is_constant(r):
            continue
        q, point = draft.lo[k], draft.frac[k]
        finest = max(draft.frac[w] for w in cuts)
        unit = 1 << (point - finest) if point > finest else 0
        if not 0 <= q < unit:
            return
        total = _sum(draft, x, k)
        zero = draft.row(Kind.CONST, (0, 0, 0))
        negative = draft.row(Kind.LESS, (0, 1, 0), total, zero)
        for w in cuts:
            _gate(draft, w, negative, draft.row(Kind.CONST, (0, 0, draft.frac[w])), total)
        return


def _sum(draft: Draft, x: int, k: int) -> int:
    """Return the row x + k for a constant k."""
    frac = max(draft.frac[x], draft.frac[k])
    up, offset = frac - draft.frac[x], draft.lo[k] << (frac - draft.frac[k])
    rng = ((draft.lo[x] << up) + offset, (draft.hi[x] << up) + offset, frac)
    return draft.row(Kind.ADD, rng, x, k)


def _gate(draft: Draft, w: int, condition: int, constant: int, other: int) -> None:
    """Make the WRAP row `w` a choice between a constant and the WRAP of another row."""
    imm, rng = draft.imm[w], draft.range(w)
    fresh = wrap(draft, other, imm, rng[2])
    draft.become(w, Kind.SELECT, rng, condition, constant, fresh)


def _cut_first(draft: Draft, w: int, count: list[int]) -> None:
    """Turn the WRAP of a choice with a constant 0, read only here, into a choice of the WRAP."""
    s = draft.at(draft.a[w])
    if draft.kind[w] != WRAP or draft.kind[s] != SELECT or s >= len(count) or count[s] != 1:
        return
    if draft.is_constant(s) or draft.is_constant(w):
        return
    zero = draft.at(draft.b[s])
    if draft.lo[zero] == draft.hi[zero] == 0:
        fresh = draft.row(Kind.CONST, (0, 0, draft.frac[w]))
        _gate(draft, w, draft.a[s], fresh, draft.c[s])


def _compare_first(draft: Draft, s: int) -> None:
    """Turn `k < max(0, x)` into `k < x` for k >= 0: the two answers are one."""
    limit, r = draft.at(draft.a[s]), draft.at(draft.b[s])
    if not draft.is_constant(limit) or draft.lo[limit] < 0 or draft.is_constant(s):
        return
    x = rectified(draft, r)
    if x >= 0:
        draft.b[s] = x
        draft.changed = True
