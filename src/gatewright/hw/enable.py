"""Give a pipeline an enable: all of its registers stand still while it is 0."""

from __future__ import annotations

import numpy as np

from gatewright.hw.bulk import Column, as_column, values
from gatewright.hw.cells import NONE, Kind
from gatewright.hw.instance import Instance
from gatewright.hw.module import Module
from gatewright.num import Intervals, Ints

ENABLE = "enable"
"""The port that is added, before all others."""
_BIT = Intervals.of([0], [1], 0)


def with_enable(top: Module) -> Module:
    """Return a copy of a module without feedback whose registers are enabled by a port `enable`.

    A module without registers is returned as it is. Each module is copied once, however often it
    is used.
    """
    return _copy(top, {})


def _copy(m: Module, done: dict[int, Module]) -> Module:
    if id(m) in done:
        return done[id(m)]
    children = [_copy(i.module, done) for i in m.instances]
    if not m.is_sequential:
        done[id(m)] = m
        return m
    assert not m.memories, f"module {m.name} holds memories, which have enables of their own"
    new = m.emptied()
    new.tables = list(m.tables)
    # The new port is row 0 and element 0 of the inputs: all others move up by one.
    (enable,) = new.input(ENABLE, _BIT)
    kind, imm = values(m.kind), values(m.imm).copy()
    imm[kind == int(Kind.INPUT)] += 1
    enables = values(m.b).copy()
    registers = kind == int(Kind.REG)
    assert (enables[registers] == NONE).all(), "the pipeline has enables already"
    for name in ("a", "b", "c"):
        rows = values(getattr(m, name))
        setattr(new, name, _joined(getattr(new, name), np.where(rows == NONE, NONE, rows + 1)))
    moved = values(new.b).copy()
    moved[1:][registers] = enable
    new.b = as_column(moved)
    for name, rows in (("kind", kind), ("imm", imm)):
        setattr(new, name, _joined(getattr(new, name), rows))
    for name in ("lo", "hi", "frac"):
        setattr(new, name, _joined(getattr(new, name), values(getattr(m, name))))
    new.names = {s + 1: name for s, name in m.names.items()}
    new.inputs |= {port: [s + 1 for s in signals] for port, signals in m.inputs.items()}
    new.outputs = {port: [s + 1 for s in signals] for port, signals in m.outputs.items()}
    for old, child in zip(m.instances, children, strict=True):
        feeds = old.feeds + 1
        if child is not old.module:
            feeds = np.concatenate([np.full((old.count, 1), enable), feeds], axis=1)
        new.instances.append(Instance(child, old.name, as_column(feeds), old.count))
    done[id(m)] = new
    return new


def _joined(head: Column, tail: Ints) -> Column:
    return as_column(np.concatenate([np.asarray(head, np.int64), tail]))
