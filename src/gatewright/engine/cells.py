"""How each cell becomes LLVM instructions; `hw/interpret.py` defines what they must compute."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.engine.lanes import WIDTHS, bits_of
from gatewright.engine.lookup import table
from gatewright.engine.text import BIT
from gatewright.engine.threshold import Threshold
from gatewright.engine.writer import Writer
from gatewright.hw import NONE, Kind, Module

Rule = Callable[[Writer, int], str]


def _sum(operation: str) -> Rule:
    def rule(w: Writer, s: int) -> str:
        m, lane = w.module, w.lanes.lane[s]
        frac = max(m.frac[m.a[s]], m.frac[m.b[s]])
        return w.binary(operation, lane, w.get(m.a[s], lane, frac), w.get(m.b[s], lane, frac))

    return rule


def _mul(w: Writer, s: int) -> str:
    m, lane = w.module, w.lanes.lane[s]
    a, b = (w.get(o, lane, m.frac[o]) for o in (m.a[s], m.b[s]))
    return w.binary("mul", lane, a, b)


def _logic(operation: str) -> Rule:
    def rule(w: Writer, s: int) -> str:
        m, lane = w.module, w.lanes.lane[s]
        a, b = (w.bit(o) if lane == BIT else w.get(o, lane, m.frac[o]) for o in (m.a[s], m.b[s]))
        return w.binary(operation, lane, a, b)

    return rule


def _wrap(w: Writer, s: int) -> str:
    m, lane = w.module, w.lanes.lane[s]
    width, signed = m.imm[s] >> 1, m.imm[s] & 1
    value = w.get(m.a[s], lane, m.frac[s])
    lo, hi = (_floor(q, m.frac[s] - m.frac[m.a[s]]) for q in (m.lo[m.a[s]], m.hi[m.a[s]]))
    low = -(1 << (width - 1)) if signed and width else 0
    fits = low <= lo and hi < low + (1 << width) and w.lanes.exact(m.a[s])
    if width >= lane or fits:
        return value
    if not (signed and width):
        return w.binary("and", lane, value, w.splat((1 << width) - 1, lane))
    spare = w.splat(lane - width, lane)
    return w.binary("ashr", lane, w.binary("shl", lane, value, spare), spare)


def _slice(w: Writer, s: int) -> str:
    m, lane, a = w.module, w.lanes.lane[s], w.module.a[s]
    low, width = divmod(m.imm[s], 256)
    value = w.get(a, lane, m.frac[a] - low)
    fits = m.lo[a] >= 0 and m.hi[a] >> low < 1 << width and w.lanes.exact(a)
    if width >= lane or fits:
        return value
    return w.binary("and", lane, value, w.splat((1 << width) - 1, lane))


def _concat(w: Writer, s: int) -> str:
    m, lane = w.module, w.lanes.lane[s]
    high, low, shift = w.code(m.a[s], lane), w.code(m.b[s], lane), m.width(m.b[s])
    if shift >= lane:
        return low
    return w.binary("or", lane, w.binary("shl", lane, high, w.splat(shift, lane)), low)


def _select(w: Writer, s: int) -> str:
    m, lane = w.module, w.lanes.lane[s]
    operands = (m.b[s], m.c[s])
    a, b = (w.bit(o) if lane == BIT else w.get(o, lane, m.frac[s]) for o in operands)
    return w.do(f"select {w.type(BIT)} {w.bit(m.a[s])}, {w.type(lane)} {a}, {w.type(lane)} {b}")


# ---- comparison


def _less(w: Writer, s: int) -> str:
    m, a, b = w.module, w.module.a[s], w.module.b[s]
    if s in w.lanes.fused:
        return _saturated(w, w.lanes.fused[s])
    if m.is_constant(a):  # c < b where b is more than c, floored to the grid of b
        return _against(w, b, "gt", _floor(m.lo[a], m.frac[b] - m.frac[a]))
    if m.is_constant(b):  # a < c where a is less than c, its ceiling on the grid of a
        return _against(w, a, "lt", -_floor(-m.lo[b], m.frac[a] - m.frac[b]))
    lane, sign, frac = _common(m, a, b)
    x, y = w.get(a, lane, frac), w.get(b, lane, frac)
    return w.do(f"icmp {sign}lt {w.type(lane)} {x}, {y}")


def _saturated(w: Writer, t: Threshold) -> str:
    kind, name = w.type(t.lane), "sadd" if t.kind == Kind.ADD else "ssub"
    function = f"{kind} @llvm.{name}.sat.v{w.block}i{t.lane}({kind}"
    w.declared.add(f"declare {function}, {kind})")
    a, b = w.get(t.a, t.lane, t.frac), w.get(t.b, t.lane, t.frac)
    total = w.do(f"call {function} {a}, {kind} {b})")
    limit = w.splat(t.value, t.lane)
    if t.third != NONE:
        third = w.get(t.third, t.lane, t.third_frac)
        limit = w.binary("add" if t.sign > 0 else "sub", t.lane, limit, third)
    return w.do(f"icmp {'slt' if t.below else 'sgt'} {kind} {total}, {limit}")


def _equal(w: Writer, s: int) -> str:
    m, a, b = w.module, w.module.a[s], w.module.b[s]
    if m.is_constant(a) or m.is_constant(b):
        constant, other = (a, b) if m.is_constant(a) else (b, a)
        shift = m.frac[other] - m.frac[constant]
        if shift < 0 and m.lo[constant] & ((1 << -shift) - 1):
            return w.splat(0, BIT)
        return _against(w, other, "eq", _floor(m.lo[constant], shift))
    lane, _, frac = _common(m, a, b)
    x, y = w.get(a, lane, frac), w.get(b, lane, frac)
    return w.do(f"icmp eq {w.type(lane)} {x}, {y}")


def _against(w: Writer, s: int, relation: str, threshold: int) -> str:
    """Compare a signal with an integer on its own grid."""
    m = w.module
    root = w.lanes.root[s]
    lo, hi = m.lo[root], m.hi[root]
    outside = {"gt": lo > threshold, "lt": hi < threshold, "eq": lo == hi == threshold}
    if outside[relation]:
        return w.splat(1, BIT)
    never = {"gt": hi <= threshold, "lt": lo >= threshold, "eq": not lo <= threshold <= hi}
    if never[relation]:
        return w.splat(0, BIT)
    lane = max(w.lanes.lane[root], 8)
    sign = "" if relation == "eq" else "s" if lo < 0 else "u"
    return w.do(f"icmp {sign}{relation} {w.type(lane)} {w.own(s)}, {w.splat(threshold, lane)}")


def _common(m: Module, a: int, b: int) -> tuple[int, str, int]:
    """Return the lane, the sign and the grid on which two signals are compared.

    There is one: `Module.aligned` refuses numbers that do not fit 62 bits on one grid.
    """
    frac = max(m.frac[a], m.frac[b])
    lo = min(m.lo[o] << (frac - m.frac[o]) for o in (a, b))
    hi = max(m.hi[o] << (frac - m.frac[o]) for o in (a, b))
    lane = next(width for width in WIDTHS if width >= bits_of(lo, hi))
    return lane, "s" if lo < 0 else "u", frac


def _floor(q: int, shift: int) -> int:
    """Return `q * 2**shift`, floored."""
    return q << shift if shift >= 0 else q >> -shift


RULES: dict[Kind, Rule] = {
    Kind.ADD: _sum("add"),
    Kind.SUB: _sum("sub"),
    Kind.MUL: _mul,
    Kind.WRAP: _wrap,
    Kind.LESS: _less,
    Kind.EQUAL: _equal,
    Kind.SELECT: _select,
    Kind.AND: _logic("and"),
    Kind.OR: _logic("or"),
    Kind.XOR: _logic("xor"),
    Kind.SLICE: _slice,
    Kind.CONCAT: _concat,
    Kind.TABLE: table,
}
"""CONST, INPUT and SHIFT need no instruction; INSTANCE is in `runs.py`; REG is not run here."""
