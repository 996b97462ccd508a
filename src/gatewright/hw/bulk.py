"""Many rows of a module at once: columns as arrays, rows that are alike appended together.

What a layer does at every position of an image is many signals and few kinds of them; here they
are array operations.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatewright.hw.cells import NONE, Kind

if TYPE_CHECKING:
    from gatewright.hw.module import Module

Ints = NDArray[np.int64]
Column: TypeAlias = "array[int]"
"""A number for each row, eight bytes each. Of NumPy's views on one none may live while it grows."""

INSTANCE = int(Kind.INSTANCE)
STRUCTURE = frozenset((int(Kind.CONST), int(Kind.INPUT), INSTANCE))
"""Cells of a module that only connects others."""


def column() -> Column:
    """Return a column without rows."""
    return array("q")


def values(column: Column) -> Ints:
    """Return a column as an array. The column must not grow while the array lives."""
    return np.frombuffer(column, np.int64) if len(column) else np.zeros(0, np.int64)


def as_column(numbers: ArrayLike) -> Column:
    """Return integers as a column."""
    found = column()
    found.frombytes(np.ascontiguousarray(numbers, np.int64).tobytes())
    return found


def append(
    m: Module, kind: Kind, ranges: tuple[ArrayLike, ArrayLike, ArrayLike], imm: Ints
) -> Ints:
    """Append a row for each of `imm`, cells that stand for themselves; return their signals.

    Args:
        m: the module.
        kind: INPUT, INSTANCE or REG: no other such row is looked for.
        ranges: lo, hi and frac, one for all or one each.
        imm: what the cells hold.
    """
    size, first = len(imm), len(m.kind)
    columns = (m.kind, m.a, m.b, m.c, m.imm, m.lo, m.hi, m.frac)
    for column, each in zip(columns, (int(kind), NONE, NONE, NONE, imm, *ranges), strict=True):
        same = np.broadcast_to(np.asarray(each, np.int64), (size,))
        column.frombytes(np.ascontiguousarray(same).tobytes())
    return np.arange(first, first + size, dtype=np.int64)


def fit(
    outer: tuple[Ints, Ints, Ints], inner: tuple[Ints, Ints, Ints]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which ranges (lo, hi, frac) lie within others, and which are on their grid or a coarser.

    A range of one value may stand on any grid.
    """
    (olo, ohi, of), (ilo, ihi, f) = outer, inner
    finer = np.clip(of - f, 0, 63)
    coarser = np.clip(f - of, 0, 63)
    low, high = olo >> finer, -(-ohi >> finer)  # floor and ceiling on the inner grid
    inside = (low >= -(-ilo >> coarser)) & (high <= ihi >> coarser)
    return inside, (of <= f) | (olo == ohi)


def is_structure(m: Module, *more: int) -> bool:
    """Whether a module has no cells but constants, ports, instances, and perhaps more kinds."""
    if m.memories:
        return False
    kinds = np.flatnonzero(np.bincount(values(m.kind)))
    return all(kind in STRUCTURE or kind in more for kind in kinds.tolist())


def distinct(numbers: Ints, bound: int) -> Ints:
    """Return those of 0 to `bound` - 1 that occur, in order; quicker than sorting."""
    there = np.zeros(bound, np.bool_)
    there[numbers] = True
    return np.flatnonzero(there)


def instance_rows(m: Module) -> list[Ints]:
    """Return the rows of each instance's outputs, in order."""
    rows = np.flatnonzero(values(m.kind) == INSTANCE)
    numbers = values(m.imm)[rows] >> 32
    if not m.instances:
        return []
    ends = np.cumsum(np.bincount(numbers, minlength=len(m.instances)))
    return np.split(rows[np.argsort(numbers, kind="stable")], ends[:-1])


def with_children(m: Module, children: dict[int, Module]) -> Module:
    """Return a copy of a module whose instances use others in place of their modules.

    Args:
        m: a module without registers.
        children: what stands in for a module, by `id`; the ports must be alike.
    """
    from gatewright.hw.instance import Instance

    new = m.emptied()
    new.names = dict(m.names)
    for name in ("kind", "a", "b", "c", "imm", "lo", "hi", "frac"):
        setattr(new, name, getattr(m, name)[:])
    assert not m.memories, f"module {m.name} holds memories and stays as it is"
    new.tables = list(m.tables)
    new.inputs = {port: list(signals) for port, signals in m.inputs.items()}
    new.outputs = {port: list(signals) for port, signals in m.outputs.items()}
    for old in m.instances:
        child = children.get(id(old.module), old.module)
        new.instances.append(Instance(child, old.name, old.inputs, old.count))
    for instance, own in zip(new.instances, instance_rows(m), strict=True):
        outputs = instance.module.output_signals
        port = (values(new.imm)[own] & 0xFFFFFFFF) % max(len(outputs), 1)
        kinds = instance.module.intervals(outputs)
        for column, kind in ((new.lo, kinds.lo), (new.hi, kinds.hi), (new.frac, kinds.frac)):
            values(column)[own] = kind[port]
    return new
