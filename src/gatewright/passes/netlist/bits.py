"""Which bits of a signal can change: the others are constants that take no logic."""

from __future__ import annotations

from gatewright.hw import NONE, Kind, Module

ADD, SUB, SHIFT, XOR = int(Kind.ADD), int(Kind.SUB), int(Kind.SHIFT), int(Kind.XOR)
MOVED = frozenset((SHIFT, int(Kind.WRAP)))
"""Cells whose bits are those of their operand, some cut off."""
NARROWED = MOVED | {ADD}
"""Cells of which some bits may be known."""


def in_block(m: Module, s: int) -> bool:
    """Whether a sum or a product is meant for a DSP block: such a cell stays what it is."""
    return m.kind[s] in (Kind.ADD, Kind.MUL) and m.imm[s] != 0


def same_bits(m: Module, s: int) -> int:
    """Return the operand whose bits a cell only moves, inverts or puts beside constants, or NONE.

    Such a cell is made again behind a register: then all who read the operand share that.
    """
    kind = m.kind[s]
    if kind == SHIFT:
        return m.a[s]
    if (kind != XOR and kind != ADD) or m.lo[s] == m.hi[s] or (kind == ADD and m.imm[s]):
        return NONE
    a, b = m.a[s], m.b[s]
    if m.lo[a] == m.hi[a]:
        a, b = b, a
    if m.lo[b] != m.hi[b] or m.lo[a] == m.hi[a]:
        return NONE
    if kind == XOR:
        return a if m.lo[a] >= 0 else NONE
    q, up = m.lo[b], m.frac[s] - m.frac[a]
    q <<= m.frac[s] - m.frac[b]
    field = ((1 << m.width(a)) - 1) << up
    beside = m.lo[a] >= 0 and q >= 0 and not q & field
    return a if beside or q & ((1 << m.width(s)) - 1) == 1 << (m.width(s) - 1) else NONE


class Bits:
    """Masks of the bits that can change, of each signal of a module, found row by row.

    Only constants that wiring and sums with constants bring in are known. Rows are read once, up
    to the latest one that was asked for: make one of these for a module, not one for each signal.
    """

    def __init__(self, m: Module) -> None:
        self.m = m
        self._mask: list[int] = []
        self._width: list[int] = []
        # With the sign extended without end: the bits that can change, and those that can be one.
        self._extended: list[int] = []
        self._ones: list[int] = []

    def mask(self, s: int) -> int:
        """Return the bits of a signal's code that can change."""
        self._reach(s)
        return self._mask[s]

    def _reach(self, s: int) -> None:
        """Read the rows up to a signal."""
        first = len(self._mask)
        if s < first:
            return
        m, masks, widths = self.m, self._mask, self._width
        all_extended, all_ones = self._extended, self._ones
        rows = zip(
            m.kind[first : s + 1], m.a[first : s + 1], m.b[first : s + 1], m.lo[first : s + 1],
            m.hi[first : s + 1], strict=True,
        )  # fmt: skip
        for row, (kind, a, b, lo, hi) in enumerate(rows, first):
            width = (hi if hi > ~lo else ~lo).bit_length() + 1 if lo < 0 else hi.bit_length()
            widths.append(width)
            if lo == hi:
                mask, extended, ones = 0, 0, lo
            else:
                mask = (1 << width) - 1
                source = self._source(row, kind, a, b, lo) if kind in NARROWED else NONE
                if source != NONE:
                    up = 0 if kind == SHIFT else m.frac[row] - m.frac[source]
                    moved = all_extended[source]
                    mask &= moved << up if up >= 0 else moved >> -up
                extended = mask | -1 << width if lo < 0 else mask
                ones = extended if lo < 0 else mask | (lo & ~mask)
            masks.append(mask)
            all_extended.append(extended)
            all_ones.append(ones)

    def _source(self, s: int, kind: int, a: int, b: int, lo: int) -> int:
        """Return the one operand that a signal's bits come from, if there is one."""
        if kind in MOVED:
            return a
        if kind == ADD and lo >= 0:
            m = self.m
            for one, other in ((a, b), (b, a)):
                if m.lo[other] == m.hi[other] and m.lo[one] >= 0 and self.is_apart(s):
                    return one
        return NONE

    def is_apart(self, s: int) -> bool:
        """Whether no two bits of the operands of a sum meet: it is a concatenation."""
        m, a, b = self.m, self.m.a[s], self.m.b[s]
        if m.kind[s] != ADD or m.lo[a] < 0 or m.lo[b] < 0:
            return False
        return self.bits(s, a) & self.bits(s, b) == 0

    def start(self, s: int) -> int:
        """Return the lowest bit of a sum that is not just that of one operand."""
        m, a, b = self.m, self.m.a[s], self.m.b[s]
        top = m.width(s)
        x, y = self.bits(s, a), self.bits(s, b)
        for o, q in ((b, y), (a, x)) if m.kind[s] == ADD else ((b, y),):
            if m.lo[o] == m.hi[o]:
                return (q & -q).bit_length() - 1 if q else top
        if m.kind[s] == SUB:  # what is subtracted is never passed through
            return min((y & -y).bit_length() - 1, top - 1) if y else top - 1
        both = x & y
        return min((both & -both).bit_length() - 1, top - 1) if both else top - 1

    def bits(self, s: int, o: int) -> int:
        """Return the bits of an operand in units of a sum that can be one, its sign extended."""
        m = self.m
        if o >= len(self._mask):
            self._reach(o)
        up, own = m.frac[s] - m.frac[o], self._ones[o]
        width = self._width[s] if s < len(self._width) else m.width(s)
        return (own << up if up >= 0 else own >> -up) & ((1 << width) - 1)

    def adder_bits(self, s: int) -> int:
        """Return how many bits of a sum need a lookup table: those where both operands have one.

        Where only one operand has a bit, or the other a constant, the carry chain takes it as it
        is; equal pairs of bits, as above both signs, share a table. A difference needs one more
        where both operands have its lowest bit: the carry that enters there makes that bit of the
        result differ from what the chain is fed with.
        """
        m, a, b = self.m, self.m.a[s], self.m.b[s]
        self._reach(s)
        x, y = self._extended[a], self._extended[b]
        up_a, up_b = m.frac[s] - m.frac[a], m.frac[s] - m.frac[b]
        both_signed = x < 0 and y < 0
        x = x << up_a if up_a >= 0 else x >> -up_a
        y = y << up_b if up_b >= 0 else y >> -up_b
        both = x & y & ((1 << self._width[s]) - 1)
        entered = m.kind[s] == SUB and both != 0 and both & -both == y & -y
        if both_signed:
            both &= (1 << max(self._width[a] + up_a, self._width[b] + up_b)) - 1
        return both.bit_count() + entered
