"""The checker: what must hold of every module before it is printed, run or counted."""

from __future__ import annotations

from gatewright.base import Diagnostics, VerificationError
from gatewright.hw.cells import NONE, Kind
from gatewright.hw.module import Module

ARITY = {
    Kind.CONST: 0, Kind.INPUT: 0, Kind.INSTANCE: 0, Kind.SHIFT: 1, Kind.WRAP: 1, Kind.SLICE: 1,
    Kind.TABLE: 1, Kind.ADD: 2, Kind.SUB: 2, Kind.MUL: 2, Kind.LESS: 2, Kind.EQUAL: 2,
    Kind.AND: 2, Kind.OR: 2, Kind.XOR: 2, Kind.CONCAT: 2, Kind.SELECT: 3,
}  # fmt: skip
"""Operands that a cell must have; a register has one or two."""


def check(module: Module) -> None:
    """Check a module and everything in it.

    Raises:
        VerificationError: an operand is missing or comes later than its reader (a combinational
            loop), a register is not connected, a range is empty, a port names no signal.
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
    for s, kind in enumerate(m.kind):
        if m.lo[s] > m.hi[s]:
            raise _fail(m, s, "its range is empty")
        present = [o for o in (m.a[s], m.b[s], m.c[s]) if o != NONE]
        if kind == Kind.REG:
            if m.a[s] == NONE:
                raise _fail(m, s, "a register has no input")
            if any(not 0 <= o < len(m) for o in present):
                raise _fail(m, s, "an operand does not exist")
            continue
        if len(present) != ARITY[Kind(kind)]:
            raise _fail(m, s, f"it has {len(present)} operands")
        if any(not 0 <= o < s for o in m.operands(s)):
            raise _fail(m, s, "an operand comes later than its reader")
    for name, port in (*m.inputs.items(), *m.outputs.items()):
        if any(not 0 <= s < len(m) for s in port):
            raise VerificationError(f"port {name} of {m.name} names a signal that is not there")
