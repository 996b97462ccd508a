"""Replace small cones, all whose inputs have few bits together, by one table where it is cheaper.

Going through the rows from the inputs on, each keeps a *cut*: signals of few bits that determine
it. Going back from the outputs, a row whose cut determines it through cells that nothing else
reads becomes a table of the cut if its lookup tables are fewer than those cells take.

An adder is counted at the bits that both of its operands have, as it costs once its operands are
held as codes that are never negative (see `recode`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from gatewright.blocks.truth import LUT_INPUTS, luts, reduced
from gatewright.hw import NONE, Kind, Module, Table
from gatewright.hw.interpret import EVALUATE
from gatewright.num import Ints
from gatewright.passes.netlist.bits import in_block
from gatewright.passes.netlist.delay import is_sign_test
from gatewright.passes.netlist.optimise.draft import Draft

MOST_BITS = 8
"""Index bits of a table: four lookup tables and the multiplexers beside them for an output bit."""

MOST_CELLS = 64
"""Cells of a cone."""

WIRES = frozenset(int(k) for k in (Kind.CONST, Kind.SHIFT, Kind.WRAP, Kind.SLICE, Kind.CONCAT))
BORDER = frozenset(int(k) for k in (Kind.INPUT, Kind.REG, Kind.INSTANCE))
ADD, SUB, SELECT, LESS = (int(k) for k in (Kind.ADD, Kind.SUB, Kind.SELECT, Kind.LESS))
BITWISE = frozenset(int(k) for k in (Kind.AND, Kind.OR, Kind.XOR))

Cut = frozenset[int]


def cones(m: Module) -> Module:
    """Replace small cones by tables."""
    return _Cones(m).run()


@dataclass
class _Cones:
    m: Module
    width: list[int] = field(default_factory=list)
    cuts: list[Cut | None] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    operands: list[tuple[int, int, int]] = field(default_factory=list)
    reads: list[tuple[int, ...]] = field(default_factory=list)
    kinds: list[tuple[int, ...]] = field(default_factory=list)
    known: dict[tuple[object, ...], np.ndarray | None] = field(default_factory=dict)

    def run(self) -> Module:
        """Find the cuts, then go back from the outputs."""
        m = self.m
        self._find_cuts()
        if not any(cut is not None and s not in cut for s, cut in enumerate(self.cuts)):
            return m
        draft = Draft(m)
        self.count = draft.readers()
        self._look()
        needed = bytearray(len(m) + 1)
        for s in (*m.output_signals, *(o for i in m.instances for o in i.inputs)):
            needed[s] = 1
        for s in range(len(m) - 1, -1, -1):
            if not needed[s] or m.is_constant(s):
                continue
            cut = self.cuts[s]
            if cut is not None and s not in cut and self._replace(draft, s, cut):
                for o in cut:
                    needed[o] = 1
                continue
            needed[m.a[s]] = needed[m.b[s]] = needed[m.c[s]] = 1
        return draft.finish() if draft.changed else m

    def _look(self) -> None:
        """Note of each row what it is, its operands, and those without constants' own."""
        m = self.m
        self.kinds = list(zip(m.kind, m.imm, m.lo, m.hi, m.frac, strict=True))
        self.operands = list(zip(m.a, m.b, m.c, strict=True))
        self.reads = [
            () if kind[2] == kind[3] else tuple(o for o in operands if o != NONE)
            for kind, operands in zip(self.kinds, self.operands, strict=True)
        ]

    def _find_cuts(self) -> None:
        """Find a cut of few bits for each row, as far towards the inputs as there is one."""
        m, cuts, width = self.m, self.cuts, self.width
        empty: Cut = frozenset()
        for s, (kind, lo, hi) in enumerate(zip(m.kind, m.lo, m.hi, strict=True)):
            w = max(hi, -lo - 1).bit_length() + 1 if lo < 0 else hi.bit_length()
            width.append(w)
            if lo == hi:
                cuts.append(empty)
                continue
            own = frozenset((s,)) if w <= MOST_BITS else None
            if kind in BORDER or in_block(m, s):
                cuts.append(own)
                continue
            cuts.append(self._joined(s) or own)

    def _joined(self, s: int) -> Cut | None:
        """Return the cuts of a row's operands as one, of whole operands where those are fewer."""
        m, joined, bits = self.m, frozenset[int](), 0
        for o in (m.a[s], m.b[s], m.c[s]):
            if o == NONE:
                continue
            cut = self.cuts[o]
            if cut is None:
                return None
            joined |= cut
        bits = sum(self.width[o] for o in joined)
        if bits <= MOST_BITS:
            return joined
        direct = frozenset(
            o for o in (m.a[s], m.b[s], m.c[s]) if o != NONE and not m.is_constant(o)
        )
        bits = sum(self.width[o] for o in direct)
        return direct if bits <= MOST_BITS else None

    # ---- one cone

    def _replace(self, draft: Draft, s: int, cut: Cut) -> bool:
        """Make row `s` a table of its cut if that is cheaper."""
        if self.m.kind[s] in WIRES:
            return False
        cells = self._cone(s, cut)
        if cells is None or not any(
            self.m.kind[r] not in WIRES and self.m.kind[r] != Kind.TABLE for r in cells
        ):
            return False  # too large, or a table already
        order = self._order(cells, cut)
        key = self._key(s, cells, order)
        if key not in self.known:
            self.known[key] = self._words(s, cells, order)
        words = self.known[key]
        if words is None:
            return False
        self._write(draft, s, order, words)
        return True

    def _words(self, s: int, cells: list[int], order: list[int]) -> np.ndarray | None:
        """Return the words of a table for row `s`, or None where it is not cheaper."""
        spent = self._spent(s, cells)
        if spent < 2 or spent <= self._least(s, order):
            return None
        words, cost = self._table(s, cells, order)
        return words if cost < spent else None

    def _order(self, cells: list[int], cut: Cut) -> list[int]:
        """Return the signals of a cut in the order in which cells read them.

        So cones of one kind that read their inputs from elsewhere look the same. Where codes do
        not occur, it matters in which order index bits are looked at: then as they were made.
        """
        m = self.m
        if any(m.hi[o] - m.lo[o] + 1 != 1 << self.width[o] for o in cut):
            return sorted(cut)
        operands = (o for r in cells for o in self.operands[r])
        found = list(dict.fromkeys(o for o in operands if o in cut))
        return found + sorted(cut.difference(found))

    def _key(self, s: int, cells: list[int], order: list[int]) -> tuple[object, ...]:
        """Return all that the table of a cone, and whether it is worth it, depends on."""
        number = {o: i for i, o in enumerate((*order, *cells))}
        key: list[object] = [len(order), number[s], *map(self.kinds.__getitem__, order)]
        for r in cells:
            key.append(self.kinds[r])
            key += map(number.get, self.operands[r])
        counts = [0 if r == s else self.count[r] for r in cells]
        return (*key, *counts)

    def _cone(self, s: int, cut: Cut) -> list[int] | None:
        """Return the cells between a cut and a row, operands first."""
        reads, found, todo = self.reads, {s}, [s]
        while todo:
            new = {o for o in reads[todo.pop()] if o not in cut and o not in found}
            found |= new
            todo += new
            if len(found) > MOST_CELLS:
                return None
        return sorted(found)

    def _spent(self, s: int, cells: list[int]) -> float:
        """Return the lookup tables of the cells that only the row `s` needs."""
        m, left, spent = self.m, dict.fromkeys(cells, 0), 0.0
        for r in cells:
            for o in (m.a[r], m.b[r], m.c[r]):
                if o in left:
                    left[o] += 1
        alone = {s}
        for r in reversed(cells):
            if r not in alone:
                continue
            if m.kind[r] not in WIRES:
                spent += self._luts(r)
            for o in {m.a[r], m.b[r], m.c[r]}:
                if o in left and left[o] == self.count[o] and self._inside(o, alone, cells):
                    alone.add(o)
        return spent

    def _inside(self, o: int, alone: set[int], cells: list[int]) -> bool:
        """Whether all readers of `o` are cells that go away."""
        m = self.m
        readers = [r for r in cells if o in (m.a[r], m.b[r], m.c[r])]
        return all(r in alone for r in readers)

    def _luts(self, s: int) -> float:
        """Return what a cell takes in its place."""
        m, kind = self.m, self.m.kind[s]
        a, b = m.a[s], m.b[s]
        if m.is_constant(s):
            return 0
        if kind in (ADD, SUB):
            if m.is_constant(a) or m.is_constant(b):
                return 0
            top = min((m.hi[o] - m.lo[o]).bit_length() - m.frac[o] for o in (a, b))
            return max(top + min(m.frac[a], m.frac[b]), 0)
        if kind == LESS:
            return 0 if is_sign_test(m, s) else max(1, -(-max(self.width[a], self.width[b]) // 5))
        if kind == Kind.EQUAL:
            return 1
        if kind == Kind.MUL:
            return self.width[a] * self.width[b]
        if kind in BITWISE and (m.is_constant(a) or m.is_constant(b)):
            return 0
        return self.width[s] / (2 if kind in BITWISE else 1)

    def _least(self, s: int, cut: Iterable[int]) -> int:
        """Return what a table of a row will take at least, as a rule: not worth trying below."""
        if sum(self.width[o] for o in cut) > LUT_INPUTS:
            return self.width[s]
        return 0 if self.width[s] > 1 else 1

    def _table(self, s: int, cells: list[int], cut: list[int]) -> tuple[np.ndarray, int]:
        """Return the words for all codes of a cut (the first signal lowest), and their cost."""
        m = self.m
        code = np.arange(1 << sum(self.width[o] for o in cut))
        care, at = np.ones(len(code), np.bool_), 0
        values: dict[int, np.ndarray] = {}
        for o in cut:
            w = self.width[o]
            q = (code >> at) & ((1 << w) - 1)
            if m.lo[o] < 0:
                q = q - ((q >> (w - 1)) << w)
            care &= (q >= m.lo[o]) & (q <= m.hi[o])
            values[o] = np.clip(q, m.lo[o], m.hi[o])
            at += w
        for r in cells:
            if m.is_constant(r):
                values[r] = np.full(len(code), m.lo[r])
            else:
                values[r] = EVALUATE[Kind(m.kind[r])](m, r, values)  # type: ignore[arg-type]
        words, cost = np.zeros(len(code), np.int64), 0
        width = self.width[s]
        for bit in range(width):
            column, support = reduced((values[s] >> bit) & 1 == 1, care)
            words |= column.astype(np.int64) << bit
            cost += luts(len(support))
        if m.lo[s] < 0:
            words -= (words >> (width - 1)) << width
        return words, cost

    def _codes(self, cut: list[int], order: list[int]) -> Ints:
        """Return for each code of a cut the code of the same signals in another order."""
        places, at = {}, 0
        for o in order:
            places[o] = at
            at += self.width[o]
        code = np.arange(1 << at)
        found, at = np.zeros_like(code), 0
        for o in cut:
            found |= ((code >> at) & ((1 << self.width[o]) - 1)) << places[o]
            at += self.width[o]
        return found

    def _write(self, draft: Draft, s: int, order: list[int], words: np.ndarray) -> None:
        """Make row `s` a table; `words` are for codes of the signals in some order."""
        cut = sorted(order)
        words = words[self._codes(cut, order)]
        index = cut[0]
        bits = self.width[index]
        for o in cut[1:]:
            bits += self.width[o]
            index = draft.row(Kind.CONCAT, (0, (1 << bits) - 1, 0), o, index)
        name = self.m.names.get(s, f"cone_{s}")
        draft.tables.append(Table.of(name, words, self.m.frac[s]))
        imm = (len(draft.tables) - 1) << 20
        draft.become(s, Kind.TABLE, self.m.range(s), index, imm=imm)
