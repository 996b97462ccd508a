"""Which bits of a signal can change: the others are constants that take no logic."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.hw import NONE, Kind, Module


@dataclass(frozen=True)
class Operand:
    """The bits of an operand as a sum sees them.

    Attributes:
        bits: mask of the bits that can change, sign extension included.
        top: the bit above the operand's own.
        signed: whether the operand has a sign to extend.
    """

    bits: int
    top: int
    signed: bool


def in_block(m: Module, s: int) -> bool:
    """Whether a sum or a product is meant for a DSP block: such a cell stays what it is."""
    return m.kind[s] in (Kind.ADD, Kind.MUL) and m.imm[s] != 0


def same_bits(m: Module, s: int) -> int:
    """Return the operand whose bits a cell only moves, inverts or puts beside constants, or NONE.

    Such a cell is made again behind a register: then all who read the operand share that.
    """
    kind = m.kind[s]
    if kind == Kind.SHIFT:
        return m.a[s]
    if kind not in (Kind.XOR, Kind.ADD) or m.is_constant(s) or in_block(m, s):
        return NONE
    a, b = m.a[s], m.b[s]
    if m.is_constant(a):
        a, b = b, a
    if not m.is_constant(b) or m.is_constant(a):
        return NONE
    if kind == Kind.XOR:
        return a if m.lo[a] >= 0 else NONE
    q, up = m.lo[b], m.frac[s] - m.frac[a]
    q <<= m.frac[s] - m.frac[b]
    field = ((1 << m.width(a)) - 1) << up
    beside = m.lo[a] >= 0 and q >= 0 and not q & field
    return a if beside or q & ((1 << m.width(s)) - 1) == 1 << (m.width(s) - 1) else NONE


class Bits:
    """Masks of the bits that can change, of each signal of a module, found as they are asked for.

    Only constants that wiring and sums with constants bring in are known.
    """

    def __init__(self, m: Module) -> None:
        self.m = m
        self._mask: dict[int, int] = {}

    def mask(self, s: int) -> int:
        """Return the bits of a signal's code that can change."""
        todo = [s]
        while todo:
            n = todo[-1]
            source = self._source(n)
            if source != NONE and source not in self._mask:
                todo.append(source)
                continue
            todo.pop()
            if n not in self._mask:
                self._mask[n] = self._find(n, source)
        return self._mask[s]

    def _source(self, s: int) -> int:
        """Return the one operand that a signal's bits come from, if there is one."""
        m, kind = self.m, self.m.kind[s]
        if m.is_constant(s):
            return NONE
        if kind in (Kind.SHIFT, Kind.WRAP):
            return m.a[s]
        if kind == Kind.ADD and m.lo[s] >= 0:
            a, b = m.a[s], m.b[s]
            for one, other in ((a, b), (b, a)):
                if m.is_constant(other) and m.lo[one] >= 0 and self.is_apart(s):
                    return one
        return NONE

    def is_apart(self, s: int) -> bool:
        """Whether no two bits of the operands of a sum meet: it is a concatenation."""
        m, a, b = self.m, self.m.a[s], self.m.b[s]
        if m.kind[s] != Kind.ADD or m.lo[a] < 0 or m.lo[b] < 0:
            return False
        return self.bits(s, a) & self.bits(s, b) == 0

    def start(self, s: int) -> int:
        """Return the lowest bit of a sum that is not just that of one operand."""
        m, a, b = self.m, self.m.a[s], self.m.b[s]
        top = m.width(s)
        x, y = self.bits(s, a), self.bits(s, b)
        for o in (b, a) if m.kind[s] == Kind.ADD else (b,):
            if m.is_constant(o):
                q = self.bits(s, o)
                return (q & -q).bit_length() - 1 if q else top
        if m.kind[s] == Kind.SUB:  # what is subtracted is never passed through
            return min((y & -y).bit_length() - 1, top - 1) if y else top - 1
        both = x & y
        return min((both & -both).bit_length() - 1, top - 1) if both else top - 1

    def bits(self, s: int, o: int) -> int:
        """Return the bits of an operand in units of a sum that can be one, its sign extended."""
        m = self.m
        up = m.frac[s] - m.frac[o]
        if m.is_constant(o):
            own = m.lo[o]
        else:
            self.mask(o)
            own = self._extended(o) | self._ones(o)
        return (own << up if up >= 0 else own >> -up) & ((1 << m.width(s)) - 1)

    def _ones(self, s: int) -> int:
        """Return the bits of a signal that are constants of one."""
        return self.m.lo[s] & ~self._mask[s] if self.m.lo[s] >= 0 else 0

    def _find(self, s: int, source: int) -> int:
        m = self.m
        if m.is_constant(s):
            return 0
        full = (1 << m.width(s)) - 1
        if source == NONE:
            return full
        up = 0 if m.kind[s] == Kind.SHIFT else m.frac[s] - m.frac[source]
        mask = self._extended(source)
        return (mask << up if up >= 0 else mask >> -up) & full

    def _extended(self, s: int) -> int:
        """Return the mask of a signal with its sign extended without end."""
        mask, m = self._mask[s], self.m
        return mask | -1 << m.width(s) if m.lo[s] < 0 and not m.is_constant(s) else mask

    def aligned(self, s: int, o: int) -> Operand:
        """Return an operand of a sum in units of the sum."""
        m = self.m
        self.mask(o)
        up = m.frac[s] - m.frac[o]
        mask = self._extended(o)
        mask = mask << up if up >= 0 else mask >> -up
        full = (1 << m.width(s)) - 1
        return Operand(mask & full, m.width(o) + up, m.lo[o] < 0 and not m.is_constant(o))
