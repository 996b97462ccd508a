"""Rows without a wire of their own: small expressions inside of what reads them.

In modules that are to be read as they were built, joined and picked bits, complements and short
choices without a label stand where they are read. All of these read them whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.emit.cells import RULES
from gatewright.emit.nets import ALL
from gatewright.emit.scope import Scope
from gatewright.hw import Kind, Module

CONCAT, TABLE, LESS, SELECT, XOR = (
    int(k) for k in (Kind.CONCAT, Kind.TABLE, Kind.LESS, Kind.SELECT, Kind.XOR)
)
WRAP = int(Kind.WRAP)
PICKED = frozenset((int(Kind.SLICE), WRAP))
LONGEST_CHOICE = 48
"""Characters of a choice inside of another one."""


@dataclass(frozen=True)
class Inline:
    """The rows of a module that may be written where they are read, with a reader of each."""

    reader: dict[int, int]

    @classmethod
    def of(cls, scope: Scope) -> Inline:
        """Find them."""
        m = scope.module
        if not m.as_built or not len(m):
            return cls({})
        readers = _readers(m, scope.live)
        kept = {*m.names, *m.output_signals, *(o for i in m.instances for o in i.inputs)}
        found = {}
        for s, own in readers.items():
            if s in kept or not scope.nets.width[s]:
                continue
            if scope.nets.signed[s] and not (
                m.kind[s] in PICKED and all(m.kind[r] == LESS for r in own)
            ):
                continue
            if _fits(scope, s, own):
                found[s] = own[0]
        return cls(found)

    def write(self, scope: Scope, s: int) -> bool:
        """Put a row's expression in the place of its name; False where it needs a wire."""
        if s not in self.reader:
            return False
        m, nets = scope.module, scope.nets
        kind, reader = m.kind[s], m.kind[self.reader[s]]
        text, _ = RULES[kind](m, nets, s, nets.width[s])
        if kind == SELECT:
            if len(text) > LONGEST_CHOICE:
                return False
            text = f"({text})"
        elif kind == CONCAT and reader == CONCAT and text[0] == "{":
            text = text[1:-1]
        elif kind in PICKED and nets.signed[s]:
            text = f"$signed({text})"  # picked bits have no sign in Verilog
        elif kind in PICKED and "{" in text:
            return False
        nets.name[s], nets.root[s], nets.used[s] = text, s, ALL
        return True


def _readers(m: Module, live: bytearray) -> dict[int, list[int]]:
    """Return the live rows that read each row."""
    found: dict[int, list[int]] = {}
    for s in np.flatnonzero(np.frombuffer(live, np.uint8)).tolist():
        for o in {m.a[s], m.b[s], m.c[s]}:
            if o >= 0:
                found.setdefault(o, []).append(s)
    return found


def _fits(scope: Scope, s: int, readers: list[int]) -> bool:
    """Whether the readers of a row can hold its expression."""
    m, kind = scope.module, scope.module.kind[s]
    kinds = {m.kind[r] for r in readers}
    if kind in PICKED:
        return all(_reads_whole(scope, r, s) for r in readers)
    if len(readers) > 1:
        return False
    if kind == XOR:  # the complement of one bit
        one = scope.nets.width[s] == 1 and any(m.is_constant(o) for o in (m.a[s], m.b[s]))
        return one and kinds == {CONCAT}
    if kind == CONCAT:
        return _reads_whole(scope, readers[0], s)
    return kind == SELECT and kinds == {SELECT} and m.a[readers[0]] != s and _same(m, readers[0], s)


def _same(m: Module, reader: int, s: int) -> bool:
    """Whether a choice takes a number as it is."""
    return m.range(reader) == m.range(s)


def _reads_whole(scope: Scope, reader: int, s: int) -> bool:
    """Whether a cell reads exactly the bits of a row."""
    m, width = scope.module, scope.nets.width
    if m.kind[reader] == CONCAT:
        return width[reader] == width[m.a[reader]] + width[m.b[reader]]
    if m.kind[reader] == TABLE:
        return m.tables[m.imm[reader] >> 20].depth == 1 << width[s]
    if m.kind[reader] == WRAP:
        return width[reader] == width[s] and m.frac[reader] == m.frac[s]
    if m.kind[reader] != LESS:
        return False
    other = m.b[reader] if m.a[reader] == s else m.a[reader]
    return m.is_constant(other) and width[other] <= width[s] and m.frac[other] <= m.frac[s]
