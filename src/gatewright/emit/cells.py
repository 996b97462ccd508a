"""How each cell is written: a Verilog expression of exactly the row's width, and a comment.

The rules follow `hw.interpret` cell by cell; arithmetic is modulo the width of the row, which is
exact because the row's range holds every value.
"""

from __future__ import annotations

from collections.abc import Callable

from gatewright.emit.nets import Nets, literal
from gatewright.hw import Kind, Module

Text = tuple[str, str]
"""An expression, and what it means as a number (empty where the expression says it)."""
Rule = Callable[[Module, Nets, int, int], Text]


def _add(m: Module, n: Nets, s: int, width: int) -> Text:
    a, b = m.a[s], m.b[s]
    if n.is_constant(a):
        a, b = b, a
    af, bf = m.frac[a], m.frac[b]
    ashift, bshift = max(bf - af, 0), max(af - bf, 0)
    if n.is_constant(b):
        return _add_constant(n, (a, ashift), n.value[n.root[b]] << bshift, width)
    if ashift:  # the finer operand first
        (a, ashift), (b, bshift) = (b, bshift), (a, ashift)
    meaning = f"{n.term(a, ashift)} + {n.term(b, bshift)}"
    top = n.width[a]
    if top <= bshift < width and not n.signed[a]:
        return f"{{{n.part(b, 0, width - bshift)}, {n.part(a, 0, bshift)}}}", meaning
    text = _above(n, "+", (a, ashift), (b, bshift), width)
    return text, meaning if "{" in text else ""


def _add_constant(n: Nets, term: tuple[int, int], value: int, width: int) -> Text:
    """Write the sum of a net and a constant: where their bits do not meet, side by side."""
    a, shift = term
    meaning = f"{n.term(a, shift)} {'+' if value >= 0 else '-'} {abs(value)}"
    top, bits = shift + n.width[a], value & ((1 << width) - 1)
    field = ((1 << n.width[a]) - 1) << shift
    if not n.signed[a] and value >= 0 and not value & field and top <= width:
        pieces = [n.part(a, 0, n.width[a])] if n.width[a] else []
        if top < width:
            pieces.insert(0, literal(value >> top, width - top))
        if shift:
            pieces.append(literal(value, shift))
        return (f"{{{', '.join(pieces)}}}" if len(pieces) > 1 else pieces[0]), meaning
    if bits == 1 << (width - 1):
        return f"{n.part(a, -shift, width)} ^ {literal(bits, width)}", meaning
    low = (value & -value).bit_length() - 1
    sign, q = ("+", value) if value >= 0 else ("-", -value)
    if not 0 < low < width:
        text = f"{n.part(a, -shift, width)} {sign} {literal(q, width)}"
        return text, meaning if "{" in text else ""
    # Bits below the constant's lowest one pass through.
    upper = f"{n.part(a, low - shift, width - low)} {sign} {literal(q >> low, width - low)}"
    return f"{{{upper}, {n.part(a, -shift, low)}}}", meaning


def _above(n: Nets, sign: str, left: tuple[int, int], right: tuple[int, int], width: int) -> str:
    """Write a sum or difference; the left operand's bits below the right one's pass through."""
    (a, ashift), (b, bshift) = left, right
    low = bshift - ashift if bshift > ashift == 0 else 0
    if not 0 < low < width:
        return f"{n.part(a, -ashift, width)} {sign} {n.part(b, -bshift, width)}"
    upper = f"{n.part(a, low, width - low)} {sign} {n.part(b, 0, width - low)}"
    return f"{{{upper}, {n.part(a, 0, low)}}}"


def _sub(m: Module, n: Nets, s: int, width: int) -> Text:
    a, b = m.a[s], m.b[s]
    af, bf = m.frac[a], m.frac[b]
    ashift, bshift = max(bf - af, 0), max(af - bf, 0)
    if n.width[a] == 0:
        right = n.part(b, -bshift, width)
        return f"-{right}", f"-{n.term(b, bshift)}" if "{" in right else ""
    text = _above(n, "-", (a, ashift), (b, bshift), width)
    return text, f"{n.term(a, ashift)} - {n.term(b, bshift)}" if "{" in text else ""


def _mul(m: Module, n: Nets, s: int, width: int) -> Text:
    a, b = m.a[s], m.b[s]
    # Signed operands let synthesis see that the upper bits repeat the sign, and use a DSP.
    part = n.signed_part if n.signed[a] or n.signed[b] else n.part
    text = f"{part(a, 0, width)} * {part(b, 0, width)}"
    return text, f"{n.term(a, 0)} * {n.term(b, 0)}" if "{" in text else ""


def place_of(m: Module, s: int) -> str:
    """Return the attribute that says whether a product or sum is meant for a DSP block."""
    return f'(* use_dsp = "{"yes" if m.imm[s] else "no"}" *) '


def _shift(m: Module, n: Nets, s: int, width: int) -> Text:
    return n.part(m.a[s], 0, width), f"{n.term(m.a[s], 0)} * 2**{m.imm[s]}"


def _wrap(m: Module, n: Nets, s: int, width: int) -> Text:
    a, kept = m.a[s], m.imm[s] >> 1
    drop = m.frac[a] - m.frac[s]
    meaning = n.term(a, max(-drop, 0))
    if drop > 0:
        meaning = f"floor({meaning} / {1 << drop if drop < 20 else f'2**{drop}'})"
    if n.width[a] - drop > width:
        meaning = f"{meaning} modulo 2**{width}"
    return n.field(a, drop, kept, bool(m.imm[s] & 1), width), meaning


def _ordered(m: Module, s: int) -> tuple[int, int, int, int]:
    """Return the ranges of both operands on the finer of their grids: alo, ahi, blo, bhi."""
    a, b = m.a[s], m.b[s]
    p, q = max(m.frac[b] - m.frac[a], 0), max(m.frac[a] - m.frac[b], 0)
    return m.lo[a] << p, m.hi[a] << p, m.lo[b] << q, m.hi[b] << q


def _compare(m: Module, n: Nets, s: int, sign: str) -> Text:
    """Write a comparison at a width and a sign that hold both operands."""
    a, b = m.a[s], m.b[s]
    p, q = max(m.frac[b] - m.frac[a], 0), max(m.frac[a] - m.frac[b], 0)
    signed = n.signed[a] or n.signed[b]
    width = max(
        n.width[a] + p + (signed and not n.signed[a]), n.width[b] + q + (signed and not n.signed[b])
    )
    part = n.signed_part if signed else n.part
    text = f"{part(a, -p, width)} {sign} {part(b, -q, width)}"
    return text, f"{n.term(a, p)} {sign} {n.term(b, q)}" if "{" in text else ""


def _less(m: Module, n: Nets, s: int, width: int) -> Text:
    alo, ahi, blo, bhi = _ordered(m, s)
    if ahi < blo or alo >= bhi:
        return literal(int(ahi < blo), width), "decided by the ranges"
    if (blo, bhi) == (0, 0):
        a = m.a[s]
        return _one_bit(n.part(a, n.width[a] - 1, 1), width), f"{n.term(a, 0)} < 0"
    text, meaning = _compare(m, n, s, "<")
    return _one_bit(text, width), meaning


def _equal(m: Module, n: Nets, s: int, width: int) -> Text:
    alo, ahi, blo, bhi = _ordered(m, s)
    if ahi < blo or bhi < alo or alo == ahi == blo == bhi:
        return literal(int(alo == ahi == blo == bhi), width), "decided by the ranges"
    text, meaning = _compare(m, n, s, "==")
    return _one_bit(text, width), meaning


def _one_bit(text: str, width: int) -> str:
    """Return a one-bit expression at the row's width."""
    return text if width == 1 else f"{{{width - 1}'d0, {text}}}"


def _select(m: Module, n: Nets, s: int, width: int) -> Text:
    c, a, b, f = m.a[s], m.b[s], m.c[s], m.frac[s]
    p, q = f - m.frac[a], f - m.frac[b]
    text = f"{truth(n, c)} ? {n.part(a, -p, width)} : {n.part(b, -q, width)}"
    meaning = ""
    if "{" in text and p >= 0 and q >= 0:
        meaning = f"{n.term(c, 0)} ? {n.term(a, p)} : {n.term(b, q)}"
    return text, meaning


def truth(n: Nets, s: int) -> str:
    """Return one bit that says whether a net is not zero."""
    if n.width[s] <= 1:
        return n.part(s, 0, 1)
    return f"(|{n.part(s, 0, n.width[s])})"


def _xor(m: Module, n: Nets, s: int, width: int) -> Text:
    for one, other in ((m.a[s], m.b[s]), (m.b[s], m.a[s])):
        whole = n.is_constant(other) and n.value[n.root[other]] == (1 << width) - 1
        if whole and n.width[one] == width and not n.signed[one]:
            return f"~{n.part(one, 0, width)}", ""
    return _bitwise("^")(m, n, s, width)


def _bitwise(sign: str) -> Rule:
    def rule(m: Module, n: Nets, s: int, width: int) -> Text:
        return f"{n.part(m.a[s], 0, width)} {sign} {n.part(m.b[s], 0, width)}", ""

    return rule


def _slice(m: Module, n: Nets, s: int, width: int) -> Text:
    low, taken = divmod(m.imm[s], 256)
    text = n.part(m.a[s], low, min(taken, width))
    return (text if width <= taken else f"{{{width - taken}'d0, {text}}}"), ""


def _concat(m: Module, n: Nets, s: int, width: int) -> Text:
    high, low = m.a[s], m.b[s]
    pieces = []
    over = width - n.width[high] - n.width[low]
    if over > 0:
        pieces.append(f"{over}'d0")
    above = min(width - n.width[low], n.width[high])
    if above > 0:
        pieces.append(n.part(high, 0, above))
    if n.width[low]:
        pieces.append(n.part(low, 0, min(n.width[low], width)))
    return (pieces[0] if len(pieces) == 1 else f"{{{', '.join(pieces)}}}"), ""


RULES: dict[int, Rule] = {
    int(Kind.ADD): _add,
    int(Kind.SUB): _sub,
    int(Kind.MUL): _mul,
    int(Kind.SHIFT): _shift,
    int(Kind.WRAP): _wrap,
    int(Kind.LESS): _less,
    int(Kind.EQUAL): _equal,
    int(Kind.SELECT): _select,
    int(Kind.AND): _bitwise("&"),
    int(Kind.OR): _bitwise("|"),
    int(Kind.XOR): _xor,
    int(Kind.SLICE): _slice,
    int(Kind.CONCAT): _concat,
}
"""Cells without state. CONST is a literal, INPUT an unpacked port; TABLE, REG and INSTANCE have
files of their own."""
