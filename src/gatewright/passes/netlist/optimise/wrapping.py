"""What WRAP does to a range, and a WRAP of a WRAP as one."""

from __future__ import annotations

from gatewright.hw import Kind
from gatewright.hw.ranges import Range
from gatewright.passes.netlist.optimise.draft import CONST, WRAP, Draft


def wrapped(rng: Range, imm: int, frac: int) -> Range:
    """Return the range of a WRAP (`imm` as the cell has it) to the grid `2**-frac`."""
    lo, hi, old = rng
    low, high = moved(lo, old, frac), moved(hi, old, frac)
    width = imm >> 1
    least = -(1 << (width - 1)) if imm & 1 and width else 0
    base = (low - least) >> width
    if base == (high - least) >> width:  # no wrap between the two ends
        return low - (base << width), high - (base << width), frac
    return least, least + (1 << width) - 1, frac


def moved(q: int, old: int, frac: int) -> int:
    """Return an integer floored to another grid."""
    return q >> (old - frac) if old > frac else q << (frac - old)


def wrap(draft: Draft, a: int, imm: int, frac: int) -> int:
    """Return a row that holds the WRAP of another, straight from where its bits come from."""
    a = draft.at(a)
    while draft.kind[a] == WRAP and not draft.is_constant(a):
        inner = draft.imm[a] >> 1
        if inner - draft.frac[a] < (imm >> 1) - frac or draft.frac[a] < frac:
            break  # the inner one cuts bits that are kept here
        a = draft.at(draft.a[a])
    rng = wrapped(draft.range(a), imm, frac)
    if rng[0] == rng[1]:
        return draft.row(Kind.CONST, rng, imm=rng[0])
    if draft.kind[a] != CONST and draft.frac[a] == frac and rng == draft.range(a):
        return a
    return draft.row(Kind.WRAP, rng, a, imm=imm)
