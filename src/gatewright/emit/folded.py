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

import numpy as np

from gatewright.emit.nets import Nets, vector
from gatewright.emit.scope import Scope
from gatewright.hw import Kind, Module
from gatewright.hw.bulk import values

ADD, TABLE = int(Kind.ADD), int(Kind.TABLE)
MOST_INDEX = 8
"""Bits of the index of a table that is looked at; larger ones are multiplexers all the same."""


@dataclass
class Folded:
    """The sums of a module that take a table in.

    Attributes:
        table: of each such sum, the row of its table; the other operand is added to it.
        bits: of each table's word, by the table's number, with the zeros around it.
        silent: rows of tables that only such sums read.
    """

    table: dict[int, int] = field(default_factory=dict)
    bits: dict[int, int] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)

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
            table = _table_of(m, nets, s)
            if table is None or len(columns[m.imm[table] >> 20]) > 1:
                continue
            number = m.imm[table] >> 20
            upper = nets.width[s] - _low(m, s, table)
            found.table[s] = table
            found.bits[number] = max(found.bits.get(number, 0), upper + 1, nets.width[table] + 1)
        found.silent = found._silent(m, live)
        return found

    def _silent(self, m: Module, live: bytearray) -> set[int]:
        """Return the tables that nothing but their sums reads."""
        tables = set(self.table.values())
        for s in np.flatnonzero(np.frombuffer(live, np.uint8)).tolist():
            own = self.table.get(s)
            tables.difference_update(o for o in (m.a[s], m.b[s], m.c[s]) if o != own)
        tables.difference_update(m.output_signals)
        tables.difference_update(*(i.inputs for i in m.instances))
        return tables

    def write(self, scope: Scope, s: int, word: int) -> tuple[str, str]:
        """Return the expression of a sum, given the net of its table's word, and its meaning.

        The line of the carry chain is written first. Where the sum is no wider than the other
        operand, that one's top bit is joined behind the chain, so that the table stays wider.
        """
        m, nets, table = scope.module, scope.nets, self.table[s]
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
