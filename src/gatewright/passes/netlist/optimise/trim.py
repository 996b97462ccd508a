"""Trim low bits that cannot reach an output.

Going back from the outputs, every signal gets the grid that its readers need. A floor needs nothing
below its own grid. Of a sum that is floored, an operand needs nothing below the grid of the other:
there nothing is added to it, so no carry comes from there. A comparison with a constant needs
nothing below the constant's grid. What is finer is floored where it comes in; that is wiring.
"""

from __future__ import annotations

from gatewright.hw import NONE, Kind, Module
from gatewright.passes.netlist.optimise.draft import Draft

ADD, SUB, SHIFT, WRAP, SELECT, LESS = (
    int(k) for k in (Kind.ADD, Kind.SUB, Kind.SHIFT, Kind.WRAP, Kind.SELECT, Kind.LESS)
)
TRIMMED = frozenset((ADD, SUB, SHIFT, WRAP, SELECT))
BORDER = frozenset((int(Kind.INPUT), int(Kind.INSTANCE), int(Kind.CONST)))
NOTHING = -(1 << 40)
"""The need of a signal that nobody reads."""


def trim(m: Module) -> Module:
    """Floor what is finer than its readers need, as early as it can be."""
    need = needed_grids(m)
    draft = Draft(m)
    short = [NOTHING < n < f for n, f in zip(need, m.frac, strict=True)]
    if any(short):
        short.append(False)  # NONE
        for s, (kind, a, b, c) in enumerate(zip(m.kind, m.a, m.b, m.c, strict=True)):
            if (short[a] or short[b] or short[c]) and (kind in TRIMMED or kind == LESS):
                _trim(draft, s, need)
    return draft.finish() if draft.changed else m


def needed_grids(m: Module) -> list[int]:
    """Return, for each signal, the binary point of the finest grid that any reader needs."""
    need = [NOTHING] * len(m)
    frac = m.frac
    columns = list(zip(m.kind, m.a, m.b, m.c, m.lo, m.hi, strict=True))
    for s in (*m.output_signals, *(o for i in m.instances for o in i.inputs)):
        need[s] = frac[s]
    for s in range(len(m) - 1, -1, -1):
        kind, a, b, c, lo, hi = columns[s]
        own = need[s]
        if own == NOTHING or kind in BORDER or lo == hi:
            continue
        if (kind not in TRIMMED and kind != LESS) or (kind == ADD and m.imm[s]):
            for o in (a, b, c):
                if o != NONE:
                    need[o] = frac[o]
        elif kind == SELECT:
            need[a] = frac[a]
            need[b], need[c] = max(need[b], min(own, frac[b])), max(need[c], min(own, frac[c]))
        elif kind == SHIFT:
            need[a] = max(need[a], own + m.imm[s])
        elif kind == WRAP:
            need[a] = max(need[a], min(own, frac[a]))
        elif kind == LESS:
            need[a] = max(need[a], _of_comparison(m, a, b))
            need[b] = frac[b]
        else:
            need[a] = max(need[a], min(frac[a], max(own, frac[b])))
            of_b = min(frac[b], max(own, frac[a])) if kind == ADD else frac[b]
            need[b] = max(need[b], of_b)
    return need


def _of_comparison(m: Module, a: int, b: int) -> int:
    """Return what `a < b` needs of a: with a constant b, what is on b's grid, and the sign."""
    if not m.is_constant(b):
        return m.frac[a]
    limit = m.lo[b]
    grid = m.frac[b] - ((limit & -limit).bit_length() - 1) if limit else NOTHING
    sign = m.frac[a] - max(m.width(a) - 1, 0)
    return min(m.frac[a], max(grid, sign))


def _trim(draft: Draft, s: int, need: list[int]) -> None:
    """Let a row read trimmed operands, and be as fine as those are."""
    m = draft.source
    if m.is_constant(s) or need[s] == NOTHING:
        return
    kind = m.kind[s]
    old = [draft.a[s], draft.b[s], draft.c[s]]
    condition = old[0] if kind == SELECT else NONE
    numbers = [o for o in (old[1:] if kind == SELECT else old) if o != NONE]
    fresh = {o: _trimmed(draft, o, _need_of(draft, s, o, numbers, need)) for o in numbers}
    if all(fresh[o] == o and draft.frac[o] == m.frac[o] for o in numbers):
        return
    if kind == LESS:
        draft.a[s] = fresh[old[0]]
        draft.changed = True
        return
    frac = max(draft.frac[o] for o in fresh.values())
    if kind == SHIFT:
        frac -= m.imm[s]
    frac = min(frac, m.frac[s])
    if kind == WRAP:
        cut = m.frac[s] - frac
        if cut >= m.imm[s] >> 1:
            frac, cut = m.frac[s], 0
        draft.imm[s] -= 2 * cut
    # Between the true number and that number floored to what is needed.
    drop, deep = m.frac[s] - frac, m.frac[s] - min(need[s], frac)
    draft.a[s], draft.b[s], draft.c[s] = (
        o if o in (NONE, condition) and o not in numbers else fresh[o] for o in old
    )
    draft.lo[s] = (m.lo[s] >> deep) << (deep - drop)
    draft.hi[s], draft.frac[s] = m.hi[s] >> drop, frac
    draft.changed = True


def _need_of(draft: Draft, s: int, o: int, numbers: list[int], need: list[int]) -> int:
    """Return the grid to floor operand `o` of row `s` to; a constant has each reader's own."""
    m = draft.source
    if m.kind[s] in (LESS, WRAP):
        return m.frac[o]  # cuts by itself
    if not m.is_constant(o) or m.kind[s] == SHIFT:
        return need[o]
    if m.kind[s] == SELECT or m.lo[o] == 0:
        return min(need[s], m.frac[o])
    if m.kind[s] == SUB and o == m.b[s]:
        return m.frac[o]
    others = [m.frac[p] for p in numbers if p != o]
    return min(max([need[s], *others]), m.frac[o])


def _trimmed(draft: Draft, o: int, grid: int) -> int:
    """Return an operand floored to a grid."""
    drop = draft.frac[o] - grid
    if drop <= 0 or grid == NOTHING:
        return o
    m = draft.source
    if draft.frac[o] < m.frac[o]:
        return o  # it has been trimmed itself
    lo, hi = draft.lo[o] >> drop, draft.hi[o] >> drop
    if lo == hi:
        return draft.row(Kind.CONST, (lo, hi, grid), imm=lo)
    width = max(hi, -lo - 1).bit_length() + 1 if lo < 0 else hi.bit_length()
    return draft.row(Kind.WRAP, (lo, hi, grid), o, imm=2 * width + (lo < 0))
