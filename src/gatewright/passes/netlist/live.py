"""Find the cells of a module that something reads."""

from __future__ import annotations

from gatewright.hw import Kind, Module
from gatewright.hw.bulk import is_structure, values

CONST, REG = int(Kind.CONST), int(Kind.REG)
STANDING = frozenset((REG, int(Kind.INPUT), int(Kind.INSTANCE)))
"""Cells that are there whoever reads them."""


def live_cells(m: Module) -> list[bool]:
    """Tell which cells something reads: an output, an instance, a register or a memory, in the end.

    What can only have one value is written as a constant wherever it is read, and so its cell is
    not live, nor what stands before it for its sake.
    """
    if is_structure(m):
        return list((values(m.kind) != CONST).tolist())
    live = [kind in STANDING for kind in m.kind] + [False]  # the last for NONE
    for s in (*m.output_signals, *(o for instance in m.instances for o in instance.inputs)):
        live[s] = True
    for memory in m.memories:
        for s in memory.port:
            live[s] = True
    for s, kind in enumerate(m.kind):
        if kind == REG:
            live[m.a[s]] = live[m.b[s]] = True  # may be later rows
    rows = zip(m.kind, m.a, m.b, m.c, m.lo, m.hi, strict=True)
    for s, (kind, a, b, c, lo, hi) in zip(range(len(m) - 1, -1, -1), [*rows][::-1], strict=True):
        if live[s] and kind not in STANDING:
            if lo == hi:
                live[s] = False
            else:
                live[a] = live[b] = live[c] = True
    live.pop()
    return live
