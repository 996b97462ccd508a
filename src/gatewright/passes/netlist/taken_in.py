"""Find small tables that the lookup tables of an adder compute as well.

A position of a carry chain has a lookup table for the exclusive or of two bits. Where one of them
is a function of at most five others and nothing else reads it, that lookup table computes it too:
the table takes none of its own and no time. A register between table and sum would undo that.
"""

from __future__ import annotations

from gatewright.hw import Kind, Module
from gatewright.passes.netlist.live import live_cells

TABLE, ADD = int(Kind.TABLE), int(Kind.ADD)
WIRES = frozenset((int(Kind.SHIFT), int(Kind.CONCAT)))
MOST_INDEX = 5
"""Bits of the index of a table that an adder takes in: of a lookup table's six inputs one is the
other operand."""


def taken_in(m: Module) -> dict[int, list[int]]:
    """Return the sums of a module that take a table in, each with the rows that belong to it.

    These are the table and the wiring between it and the sum, in order. A sum takes one table in.
    """
    kinds = m.kind
    if TABLE not in kinds:
        return {}
    live = live_cells(m)
    readers: dict[int, set[int]] = {}
    for s in range(len(m)):
        if live[s]:
            for o in m.operands(s):
                readers.setdefault(o, set()).add(s)
    kept = {*m.output_signals, *(o for i in m.instances for o in i.inputs)}
    found: dict[int, list[int]] = {}
    for s in range(len(m)):
        if kinds[s] != TABLE or not live[s] or m.is_constant(s):
            continue
        if m.width(m.a[s]) > MOST_INDEX or m.tables[m.imm[s] >> 20].style != "auto":
            continue
        rows = _up_to_sum(m, s, readers, kept)
        if rows and rows[-1] not in found:
            found[rows[-1]] = rows[:-1]
    return found


def _up_to_sum(
    m: Module, table: int, readers: dict[int, set[int]], kept: set[int]
) -> list[int] | None:
    """Return a table's row, what wires it alone to one sum, and that sum; None: nothing does."""
    rows = [table]
    while True:
        s = rows[-1]
        if s in kept or m.lo[s] < 0 or len(readers.get(s, ())) != 1:
            return None
        (s,) = readers[s]
        rows.append(s)
        if m.kind[s] == ADD:
            return None if m.imm[s] or m.a[s] == m.b[s] or m.lo[s] < 0 else rows
        if m.kind[s] not in WIRES:
            return None
