"""The checker: what must hold of every module before it is printed, run or counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.base import Diagnostics, VerificationError
from gatewright.hw.bulk import fit
from gatewright.hw.cells import NO_RESET, NONE, Kind
from gatewright.hw.memory import FIELD_BITS, Memory
from gatewright.hw.module import Module

ARITY = {
    Kind.CONST: 0, Kind.INPUT: 0, Kind.INSTANCE: 0, Kind.SHIFT: 1, Kind.WRAP: 1, Kind.SLICE: 1,
    Kind.TABLE: 1, Kind.READ: 1, Kind.ADD: 2, Kind.SUB: 2, Kind.MUL: 2, Kind.LESS: 2, Kind.EQUAL: 2,
    Kind.AND: 2, Kind.OR: 2, Kind.XOR: 2, Kind.CONCAT: 2, Kind.SELECT: 3,
}  # fmt: skip
"""Operands that a cell must have; a register has one or two."""


def check(module: Module) -> None:
    """Check a module and everything in it.

    Raises:
        VerificationError: an operand is missing or comes later than its reader (a combinational
            loop), a register is not connected or resets to what it cannot hold, a range is empty, a
            table is not there, an instance does not fit its module, a port names no signal, the
            write port of a memory is not connected or writes what the memory cannot hold.
    """
    seen: set[int] = set()
    todo = [module]
    diagnostics = Diagnostics()
    while todo:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        todo.extend(instance.module for instance in current.instances)
        with diagnostics.gather():
            _check_one(current)
    diagnostics.raise_if_any()


def _fail(module: Module, s: int, what: str) -> VerificationError:
    kind = Kind(module.kind[s]).name.lower()
    return VerificationError(
        f"the circuit is malformed: {what}",
        place=f"{module.origin or module.name}: signal {s} ({kind})",
        remedy="this is a defect of Gatewright: please report the model",
    )


def _check_one(m: Module) -> None:
    columns = (m.kind, m.a, m.b, m.c, m.imm, m.lo, m.hi, m.frac)
    assert len({len(column) for column in columns}) == 1, "columns differ in length"
    # The range of rows that each instance reads, looked up once and not for each of its outputs.
    latest = [(min(i.inputs, default=0), max(i.inputs, default=0)) for i in m.instances]
    for s, kind in enumerate(m.kind):
        if m.lo[s] > m.hi[s]:
            raise _fail(m, s, "its range is empty")
        present = [o for o in (m.a[s], m.b[s], m.c[s]) if o != NONE]
        if kind == Kind.REG:
            _check_register(m, s, present)
            continue
        if len(present) != ARITY[Kind(kind)]:
            raise _fail(m, s, f"it has {len(present)} operands")
        if kind == Kind.INSTANCE:
            _check_instance(m, s, latest)
        elif kind in (Kind.TABLE, Kind.READ):
            _check_lookup(m, s)
        if any(not 0 <= o < s for o in present):
            raise _fail(m, s, "an operand comes later than its reader")
    for memory in m.memories:
        _check_memory(m, memory)
    for name, port in (*m.inputs.items(), *m.outputs.items()):
        if any(not 0 <= s < len(m) for s in port):
            raise VerificationError(f"port {name} of {m.name} names a signal that is not there")


def _check_register(m: Module, s: int, present: list[int]) -> None:
    if m.a[s] == NONE:
        raise _fail(m, s, "a register has no input")
    if any(not 0 <= o < len(m) for o in present):
        raise _fail(m, s, "an operand does not exist")
    if m.imm[s] != NO_RESET and not m.lo[s] <= m.imm[s] <= m.hi[s]:
        raise _fail(m, s, "a register resets to a value outside its range")


def _check_lookup(m: Module, s: int) -> None:
    """Check that what a TABLE or a READ looks into is there."""
    number, column = divmod(m.imm[s], 1 << FIELD_BITS)
    if m.kind[s] == Kind.TABLE:
        sizes = [table.words.shape[1] for table in m.tables]
    else:
        sizes = [memory.fields.size for memory in m.memories]
    if number >= len(sizes) or column >= sizes[number]:
        what = "table" if m.kind[s] == Kind.TABLE else "memory"
        raise _fail(m, s, f"its {what} does not exist")


def _check_memory(m: Module, memory: Memory) -> None:
    """Check the write port of a memory."""

    def fail(what: str, **facts: str) -> VerificationError:
        return VerificationError(
            f"the circuit is malformed: {what}",
            place=f"{m.origin or m.name}: memory {memory.name}",
            remedy="this is a defect of Gatewright: please report the model",
            **facts,
        )

    if NONE in (memory.address, memory.enable):
        raise fail("nothing is ever written into a memory")
    size = memory.fields.size
    if len(memory.data) != size:
        raise fail(
            "a memory is written with another number of fields than it has",
            found=str(len(memory.data)),
            supported=str(size),
        )
    if any(not 0 <= s < len(m) for s in memory.port):
        raise fail("the write port of a memory names a signal that is not there")
    if m.lo[memory.enable] < 0 or m.hi[memory.enable] > 1:
        raise fail("the enable of a memory is more than one bit")
    outer, inner = m.intervals(memory.data), memory.fields
    inside, on_grid = fit((outer.lo, outer.hi, outer.frac), (inner.lo, inner.hi, inner.frac))
    for good, what in ((inside, "does not fit"), (on_grid, "is off the grid of")):
        if not good.all():
            i = int(np.flatnonzero(~good)[0])
            s = memory.data[i]
            raise fail(
                f"what is written into a memory {what} its field {i}",
                found=f"{m.lo[s]}..{m.hi[s]} in units of 2**{-m.frac[s]}",
                supported=f"{inner.lo[i]}..{inner.hi[i]} in units of 2**{-int(inner.frac[i])}",
            )


def _check_instance(m: Module, s: int, reads: Sequence[tuple[int, int]]) -> None:
    number, output = m.imm[s] >> 32, m.imm[s] & 0xFFFFFFFF
    if number >= len(m.instances):
        raise _fail(m, s, "its instance does not exist")
    instance = m.instances[number]
    inputs, outputs = (
        sum(map(len, p.values())) for p in (instance.module.inputs, instance.module.outputs)
    )
    count = instance.count
    if len(instance.inputs) != count * inputs or output >= count * outputs:
        raise _fail(m, s, "an instance does not fit the ports of its module")
    first, last = reads[number]
    if m.is_network:
        if instance.inputs and not 0 <= first <= last < len(m):
            raise _fail(m, s, "an input of a placed instance is not joined")
    elif instance.inputs and not 0 <= first <= last < s:
        raise _fail(m, s, "an operand comes later than its reader")
