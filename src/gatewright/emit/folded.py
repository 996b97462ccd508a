"""Sums with a small table, written so that the adder's lookup tables compute the table as well.

A position of a carry chain has a lookup table for the exclusive or of two bits and a second input
that takes one of the bits as it is. Where the other bit is a function of five bits that nothing
else reads, the lookup table computes it too. For that the sum of the text must stay one chain, and
the table must not be the operand that goes in as it is: Yosys puts the narrower operand there
and joins sums of whole sums. So such a table's words have a zero below and zeros above, which are
seen to be constant only after chains have been chosen, and both operands begin with that zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gatewright.emit.nets import Nets, vector
from gatewright.emit.scope import Scope
from gatewright.hw import Kind, Module
from gatewright.hw.bulk import values

ADD, TABLE = int(Kind.ADD), int(Kind.TABLE)
CONCAT, SHIFT = int(Kind.CONCAT), int(Kind.SHIFT)
MOST_INDEX = 8
"""Bits of the index of a table that is looked at; larger ones are multiplexers all the same."""


BORDERED = 8
"""Sums with tables from which on a module is mapped by itself; see `Folded.wants_border`."""


@dataclass
class Folded:
    """The sums of a module that take a table in.

    Attributes:
        table: of each such sum, the row of its table; the other operand is added to it.
        bits: of each table's word, by the table's number, with the zeros around it.
        carry: of sums whose operands both have a bit below, that bit: what they carry is added.
        silent: rows of tables that only such sums read.
    """

    table: dict[int, int] = field(default_factory=dict)
    bits: dict[int, int] = field(default_factory=dict)
    carry: dict[int, Carried] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)

    @property
    def wants_border(self) -> bool:
        """Whether synthesis should keep the module apart from what feeds it.

        Tables of what another module computes are mapped as functions of its inputs otherwise,
        and what their adders took in takes lookup tables again.
        """
        return len(self.table) >= BORDERED

    @classmethod
    def of(cls, scope: Scope) -> Folded:
        """Find them."""
        m, nets, live = scope.module, scope.nets, scope.live
        found = cls()
        kinds = values(m.kind)
        if not (kinds == TABLE).any() or m.is_network:
            return found
        columns: dict[int, set[int]] = {}
        for s in np.flatnonzero(kinds == TABLE).tolist():
            if live[s]:
                columns.setdefault(m.imm[s] >> 20, set()).add(m.imm[s] % (1 << 20))
        for s in np.flatnonzero(kinds == ADD).tolist():
            if not live[s] or m.imm[s] or nets.signed[s]:
                continue
            carry = _carried(m, nets, s)
            table = _table_of(m, nets, s) if carry is None else carry.table
            if table is None or len(columns[m.imm[table] >> 20]) > 1:
                continue
            number = m.imm[table] >> 20
            upper = nets.width[s] - 1
            if carry is None:
                upper = nets.width[s] - _low(m, s, table)
            else:
                found.carry[s] = carry
            found.table[s] = table
            found.bits[number] = max(found.bits.get(number, 0), upper + 1, nets.width[table] + 1)
        found.silent = found._silent(m, live)
        return found

    def _silent(self, m: Module, live: bytearray) -> set[int]:
        """Return the rows that only these sums read: their tables, and what joins a bit to them."""
        rows = np.flatnonzero(np.frombuffer(live, np.uint8)).tolist()
        fed = {*m.output_signals, *(o for i in m.instances for o in i.inputs)}
        carried = {s for s in self.carry if live[s]}
        sums = set(self.table) - carried
        joined = {o for s in carried for o in (m.a[s], m.b[s])} - fed
        for s in rows:
            if s not in carried:
                joined.difference_update((m.a[s], m.b[s], m.c[s]))
        silent, tables = joined, set(self.table.values()) - fed
        moved = {s for s in rows if m.kind[s] == SHIFT and _source(m, s) in tables} - fed
        for s in rows:
            if s not in joined:
                moved.difference_update((m.a[s], m.b[s], m.c[s]))
        for s in rows:
            if s not in joined and s not in moved:
                own = self.table[s] if s in sums else None
                tables.difference_update(o for o in (m.a[s], m.b[s], m.c[s]) if o != own)
        return silent | tables | moved

    def write(self, scope: Scope, s: int, word: int) -> tuple[str, str]:
        """Return the expression of a sum, given the net of its table's word, and its meaning.

        The line of the carry chain is written first. Where the sum is no wider than the other
        operand, that one's top bit is joined behind the chain, so that the table stays wider.
        """
        m, nets, table = scope.module, scope.nets, self.table[s]
        if s in self.carry:
            return self._write_carried(scope, s, word)
        other = m.b[s] if m.a[s] == table else m.a[s]
        low = _low(m, s, table)
        upper = nets.width[s] - low
        top = nets.width[other] - low >= upper
        taken = upper - 1 if top else upper
        name = scope.namer.name(f"{nets.name[s]}_chain")
        first = [*["1'd0"] * top, nets.part(other, low, taken), nets.part(word, 0, 1)]
        text = f"{{{', '.join(first)}}} + {nets.part(word, 0, upper + 1)}"
        scope.lines.append(f"  wire {vector(upper + 1)}{name} = {text};")
        chain = scope.vector(name, upper + 1)
        pieces = [nets.part(chain, 1, upper)]
        if top:
            last = f"{nets.part(chain, upper, 1)} ^ {nets.part(other, low + upper - 1, 1)}"
            pieces = [last, nets.part(chain, 1, taken)]
        if low:
            pieces.append(nets.part(other, 0, low))
        meaning = f"{nets.term(other, 0)} + {_term(nets, table, word, low)}"
        return (pieces[0] if len(pieces) == 1 else f"{{{', '.join(pieces)}}}"), meaning

    def _write_carried(self, scope: Scope, s: int, word: int) -> tuple[str, str]:
        """Return the expression of a sum both of whose operands have the carry below."""
        nets, width = scope.nets, scope.nets.width[s]
        (bit, _, other), upper = self.carry[s], width - 1
        top = nets.width[other] >= upper
        name = scope.namer.name(f"{nets.name[s]}_chain")
        carry = nets.part(bit, 0, 1)
        taken = nets.part(other, 0, upper - 1 if top else upper)
        first = ", ".join([*["1'd0"] * top, taken, carry])
        second = f"{nets.part(word, 1, upper)}, {carry}"
        line = f"  wire {vector(width)}{name} = {{{first}}} + {{{second}}};"
        scope.lines.append(line)
        chain = scope.vector(name, width)
        meaning = f"2 * ({nets.term(other, 0)} + {_term(nets, self.table[s], word, 0)} + {carry})"
        if not top:
            return nets.part(chain, 0, width), meaning
        last = f"{nets.part(chain, upper, 1)} ^ {nets.part(other, upper - 1, 1)}"
        return f"{{{last}, {nets.part(chain, 0, upper)}}}", meaning


class Carried(NamedTuple):
    """A sum whose operands both have one bit below: that bit, a table, and what it is added to."""

    bit: int
    table: int
    other: int


def _carried(m: Module, nets: Nets, s: int) -> Carried | None:
    """Return what is added where both operands have the same bit below; None: they have not."""
    a, b = m.a[s], m.b[s]
    if not m.kind[a] == m.kind[b] == CONCAT or m.b[a] != m.b[b] or m.frac[a] != m.frac[b]:
        return None
    bit = m.b[a]
    if nets.width[bit] != 1 or nets.is_constant(bit) or nets.width[s] < 4:
        return None
    for first, second in ((a, b), (b, a)):
        table, other = _source(m, m.a[second]), m.a[first]
        if (
            m.kind[table] == TABLE
            and not nets.is_constant(other)
            and not nets.signed[table]
            and not nets.signed[other]
            and m.tables[m.imm[table] >> 20].style == "auto"
            and nets.width[m.a[table]] <= MOST_INDEX
        ):
            return Carried(bit, table, other)
    return None


def _source(m: Module, s: int) -> int:
    """Return the row whose bits a row has, its binary point aside."""
    while m.kind[s] == SHIFT:
        s = m.a[s]
    return s


def _term(nets: Nets, table: int, word: int, low: int) -> str:
    """Return what a sum adds, for its comment: the word holds twice the number."""
    name = nets.name[nets.root[table]] or nets.name[word]
    return f"{1 << low} * {name}" if low else str(name)


def _low(m: Module, s: int, table: int) -> int:
    """Return the bits of the other operand that lie below the table's."""
    other = m.b[s] if m.a[s] == table else m.a[s]
    return m.frac[other] - m.frac[table]


def _table_of(m: Module, nets: Nets, s: int) -> int | None:
    """Return the operand of a sum that is a small table, if the other's grid is no coarser."""
    found = None
    for table, other in ((m.a[s], m.b[s]), (m.b[s], m.a[s])):
        low = m.frac[other] - m.frac[table]
        if (
            m.kind[table] == TABLE
            and not nets.is_constant(other)
            and not nets.signed[table]
            and not nets.signed[other]
            and m.tables[m.imm[table] >> 20].style == "auto"
            and 0 <= low < nets.width[other]
            and nets.width[s] - low > 2
            and nets.width[m.a[table]] <= MOST_INDEX
        ):
            better = found is None or nets.width[m.a[table]] <= nets.width[m.a[found]]
            found = table if better else found
    return found
