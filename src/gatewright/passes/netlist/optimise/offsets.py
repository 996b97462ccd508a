"""Join constants that are added along a sum into one, and add it where there is time for it.

`(u + 3) - v + 5` is one constant: where the sums in between are read by nobody else, the outer one
goes into the inner one. Where a sum has no constant yet, it is added to the operand that is ready
first, so that no adder is left behind the sum.
"""

from __future__ import annotations

from typing import NamedTuple

from gatewright.hw import Kind, Module
from gatewright.hw.ranges import Range
from gatewright.passes.netlist.optimise.draft import Draft

ADD, SUB, SHIFT = int(Kind.ADD), int(Kind.SUB), int(Kind.SHIFT)
LOGIC = frozenset(
    int(k) for k in (Kind.ADD, Kind.SUB, Kind.MUL, Kind.LESS, Kind.EQUAL, Kind.SELECT, Kind.TABLE)
)
SUMS = frozenset((ADD, SUB, SHIFT))
MOST = 256
"""Cells of one sum that are looked at."""


class Step(NamedTuple):
    """A cell of a sum, and the constant `q * 2**-frac` that it has to become larger by."""

    cell: int
    q: int
    frac: int
    above: int


class Place(NamedTuple):
    """Operand `side` of the cell of a step."""

    step: int
    side: str


def offsets(m: Module) -> Module:
    """Join the constants of each sum."""
    draft = Draft(m)
    count = draft.readers()
    depth: list[int] = []
    constant = [lo == hi for lo, hi in zip(m.lo, m.hi, strict=True)]
    for s in range(len(m) - 1, -1, -1):
        if m.kind[s] != ADD or m.imm[s] or not (constant[m.a[s]] or constant[m.b[s]]):
            continue
        # What the row reads now: a constant from further out may have come in.
        for k, x in ((draft.a[s], draft.b[s]), (draft.b[s], draft.a[s])):
            x = draft.at(x)
            if draft.is_constant(k) and x < len(m) and _is_sum(draft, x) and count[x] == 1:
                depth = depth or _depths(m)
                _move(draft, s, x, k, count, depth)
                break
    return draft.finish() if draft.changed else m


def _is_sum(draft: Draft, s: int) -> bool:
    """Whether a constant can move into a row, or through it."""
    return draft.kind[s] in SUMS and not draft.in_block(s)


def _depths(m: Module) -> list[int]:
    """Return the cells with logic in front of each row, its own included."""
    depth = [0] * (len(m) + 1)
    for s, (kind, a, b, c) in enumerate(zip(m.kind, m.a, m.b, m.c, strict=True)):
        depth[s] = max(depth[a], depth[b], depth[c]) + (kind in LOGIC)
    return depth


def _move(draft: Draft, s: int, x: int, k: int, count: list[int], depth: list[int]) -> None:
    """Move the constant `k` of `s = x + k` into the sum `x`."""
    steps = [Step(x, draft.lo[k], draft.frac[k], -1)]
    place = _search(draft, steps, count, depth)
    if place is None:
        return
    cell, q, frac, _ = steps[place.step]
    operand = draft.a[cell] if place.side == "a" else draft.b[cell]
    if place.side == "b" and draft.kind[cell] == SUB:
        q = -q
    fresh = _plus(draft, draft.at(operand), q, frac)
    (draft.a if place.side == "a" else draft.b)[cell] = fresh
    at = place.step
    while at >= 0:
        step = steps[at]
        lo, hi, grid = _raised(draft.range(step.cell), step.q, step.frac)
        draft.lo[step.cell], draft.hi[step.cell], draft.frac[step.cell] = lo, hi, grid
        at = step.above
    draft.lo[x], draft.hi[x], draft.frac[x] = draft.range(s)  # may have been stated narrower
    draft.redirect(s, x)
    count[x] = count[s]


def _search(draft: Draft, steps: list[Step], count: list[int], depth: list[int]) -> Place | None:
    """Look through the cells of a sum that nobody else reads.

    Returns the operand that is a constant, else the operand that is ready first.
    """
    best, best_key = None, (1 << 30, 0)
    at = 0
    while at < len(steps) < MOST:
        cell, q, frac, _ = steps[at]
        kind = draft.kind[cell]
        sides = "a" if kind == SHIFT else "ab"
        for side in sides:
            o = draft.at(draft.a[cell] if side == "a" else draft.b[cell])
            inside = o < len(count) and count[o] == 1 and _is_sum(draft, o)
            if draft.is_constant(o):
                if kind != SHIFT:
                    return Place(at, side)
            elif inside:
                sign = -1 if kind == SUB and side == "b" else 1
                up = draft.imm[cell] if kind == SHIFT else 0
                steps.append(Step(o, sign * q, frac + up, at))
            elif kind != SHIFT and o < len(count):
                key = (depth[o], draft.hi[o] - draft.lo[o])
                if key < best_key:
                    best, best_key = Place(at, side), key
        at += 1
    return best


def _plus(draft: Draft, o: int, q: int, frac: int) -> int:
    """Return a row that is `o` more by a constant."""
    lo, hi, grid = _raised(draft.range(o), q, frac)
    if lo == hi:
        return draft.row(Kind.CONST, (lo, hi, grid), imm=lo)
    # A sum is on the finer grid of its operands: where that is the constant's, it must stay on it.
    exact = frac > draft.frac[o]
    k = draft.row(Kind.CONST, (q, q, frac), imm=q) if exact else draft.constant(q, frac)
    return draft.row(Kind.ADD, (lo, hi, grid), o, k)


def _raised(rng: Range, q: int, frac: int) -> Range:
    """Return a range moved up by a constant."""
    lo, hi, old = rng
    grid = max(frac, old)
    return (
        (lo << (grid - old)) + (q << (grid - frac)),
        (hi << (grid - old)) + (q << (grid - frac)),
        grid,
    )
