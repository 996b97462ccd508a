"""Compare a sum with a constant without the bit that the sum has more than its terms.

A saturating sum of two terms that fit a lane lies on the same side of any threshold in the lane as
the sum itself. So the sign of the sum before a ReLU needs no wider integer, and where all other
readers ask for low bits only, the sum is never computed in a wider one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gatewright.hw import NONE, Kind, Module

SATURATING = (8, 16)
"""Lanes for which processors have saturating sums."""


@dataclass(frozen=True)
class Threshold:
    """The question whether `a + b`, or `a - b`, is below or above a threshold.

    Attributes:
        kind: `Kind.ADD` or `Kind.SUB`.
        a, b: the terms, as signals.
        frac: the grid of the sum in terms of the grids of `a` and `b`.
        below: whether it asks for `sum < limit`, else for `sum > limit`.
        value: the limit, or the constant part of it.
        third: a signal that is added to the limit (`sign` 1) or taken from it (-1); `NONE`: none.
        third_frac: the grid of the limit in terms of the grid of `third`.
        lane: bits of a signed integer that holds each term and the limit.
    """

    kind: Kind
    a: int
    b: int
    frac: int
    below: bool
    value: int
    lane: int
    third: int = NONE
    sign: int = 1
    third_frac: int = 0

    @property
    def signals(self) -> list[int]:
        """The signals that it reads."""
        return [s for s in (self.a, self.b, self.third) if s != NONE]


def threshold(module: Module, root: list[int], s: int, least: int) -> Threshold | None:
    """Return a comparison cell as a saturating sum against a limit, where that is narrower."""
    if module.kind[s] != Kind.LESS:
        return None
    a, b = module.a[s], module.b[s]
    if module.is_constant(b) == module.is_constant(a):
        return None
    below = module.is_constant(b)
    constant, other = (b, a) if below else (a, b)
    value = rescale(module.lo[constant], module.frac[other] - module.frac[constant], up=below)
    return _look(module, root, root[other], below, value, least)


def rescale(value: int, shift: int, up: bool) -> int:
    """Return `value * 2**shift`, rounded up or down."""
    if shift >= 0:
        return value << shift
    return -(-value >> -shift) if up else value >> -shift


def _look(
    module: Module, root: list[int], s: int, below: bool, value: int, least: int
) -> Threshold | None:
    """Look through sums with a constant for a sum of two or three terms."""
    while module.kind[s] in (Kind.ADD, Kind.SUB):
        a, b, frac = module.a[s], module.b[s], module.frac[s]
        if module.is_constant(a) and module.is_constant(b):
            return None
        if not module.is_constant(a) and not module.is_constant(b):
            if any(_fits(module, s, 0, lane) for lane in SATURATING if lane >= least):
                return None
            two = _two(module, s, frac, below, value, least)
            return two or _three(module, root, s, below, value, least)
        constant, other = (a, b) if module.is_constant(a) else (b, a)
        known = module.lo[constant] << (frac - module.frac[constant])
        below, value = _moved(module, s, other, below, value, known)
        value = rescale(value, module.frac[other] - frac, up=below)
        # A shift keeps the integers, and the threshold is one of them.
        s = root[other]
    return None


def _moved(
    module: Module, s: int, other: int, below: bool, value: int, known: int
) -> tuple[bool, int]:
    """Bring the known term of a sum to the other side."""
    if module.kind[s] == Kind.ADD:
        return below, value - known
    if other == module.a[s]:
        return below, value + known
    return not below, known - value  # known - other < value is other > known - value


def _fits(module: Module, s: int, shift: int, lane: int) -> bool:
    """Whether `s * 2**shift` is a signed integer of a lane."""
    half = 1 << (lane - 1)
    return shift >= 0 and -half <= module.lo[s] << shift and module.hi[s] << shift < half


def _range(module: Module, s: int) -> tuple[int, int]:
    return module.lo[s], module.hi[s]


def _two(
    module: Module, s: int, frac: int, below: bool, value: int, least: int
) -> Threshold | None:
    """Return the question for a sum of two terms, each and the limit in a lane."""
    for lane in SATURATING:
        half = 1 << (lane - 1)
        terms = all(
            _fits(module, o, frac - module.frac[o], lane) for o in (module.a[s], module.b[s])
        )
        if lane >= least and terms and -half < value < half - 1:
            kind = Kind(module.kind[s])
            return Threshold(kind, module.a[s], module.b[s], frac, below, value, lane)
    return None


def _three(
    module: Module, root: list[int], s: int, below: bool, value: int, least: int
) -> Threshold | None:
    """Return the question for a sum of which one term is a sum: the other goes to the limit."""
    frac = module.frac[s]
    for inner, other in ((module.a[s], module.b[s]), (module.b[s], module.a[s])):
        r, up = root[inner], frac - module.frac[inner]
        if module.kind[r] not in (Kind.ADD, Kind.SUB):
            continue
        flipped = module.kind[s] == Kind.SUB and inner == module.b[s]
        # other - inner < value is inner > other - value
        sign = 1 if module.kind[s] == Kind.SUB else -1
        ask, limit = (not below, -value) if flipped else (below, value)
        ends = [limit + sign * (q << (frac - module.frac[other])) for q in _range(module, other)]
        first, second = (_two(module, r, module.frac[r] + up, ask, end, least) for end in ends)
        if first and second:
            lane = max(first.lane, second.lane)
            return replace(first, lane=lane, value=limit, third=other, sign=sign, third_frac=frac)
    return None
