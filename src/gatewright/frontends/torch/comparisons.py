"""Comparisons, choices and truth values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.elementwise import check_batches, hidden
from gatewright.frontends.torch.operand import Const, Operand, Value
from gatewright.ops import Absolute, Compare, Logical, Sign, Where

MIRRORED = {
    "equal": "equal",
    "greater": "less",
    "greater_equal": "less_equal",
    "less": "greater",
    "less_equal": "greater_equal",
    "not_equal": "not_equal",
}
"""Relations as seen from the other operand."""


def broadcast(call: Call, op_of: Callable[[], object], *operands: Operand) -> Value:
    """Emit an operation of operands that broadcast; constants become tensors."""
    values = [o for o in operands if isinstance(o, Value)]
    check_batches(call, *values)
    like = max(values, key=lambda v: v.rank)
    ready = [o if isinstance(o, Value) else _constant(call, o, like) for o in operands]
    result = call.emit(op_of(), *ready)  # type: ignore[arg-type]
    rank = len(result.shape) + (0 if like.batch is None else -1 if like.joined else 1)
    batch = None if like.from_right is None else rank - like.from_right
    return Value(result.name, result.shape, batch, like.joined)


def _constant(call: Call, operand: Operand, like: Value) -> Value:
    numbers = operand.reals() if isinstance(operand, Const) else np.asarray(operand, np.float64)
    numbers = call.sample(call.finite(numbers, "a constant"), like)
    return call.constant(numbers, like)


def compare(relation: str) -> Callable[[Call], Operand]:
    """Return a handler of a relation of two operands."""

    def handler(call: Call) -> Operand:
        a, b = call.operand("self"), call.operand("other")
        if isinstance(a, Value):
            return broadcast(call, lambda: Compare(relation), a, b)
        return broadcast(call, lambda: Compare(MIRRORED[relation]), b, a)

    return handler


def logical(function: str) -> Callable[[Call], Operand]:
    """Return a handler of a logical function of truth values."""

    def handler(call: Call) -> Operand:
        operands = [_truth(call, call.operand(n)) for n in ("self", "other") if call.has(n)]
        return broadcast(call, lambda: Logical(function), *operands)

    return handler


def _truth(call: Call, operand: Operand) -> Operand:
    """Return an operand as truth values: numbers are true where they are not 0."""
    if not isinstance(operand, Value):
        return (operand.reals() if isinstance(operand, Const) else np.asarray(operand)) != 0
    if operand.kind == "bool":
        return operand
    if call.operator.startswith("aten.logical"):
        return broadcast(call, lambda: Compare("not_equal"), operand, 0.0)
    raise call.unsupported(
        f"{call.operator} works on the bits of integers",
        found=f"a tensor of type {operand.kind}",
        supported="truth values",
    )


def where(call: Call) -> Operand:
    """Return `self` where the condition holds, `other` elsewhere."""
    return broadcast(call, Where, *(call.operand(n) for n in ("condition", "self", "other")))


def masked_fill(call: Call) -> Operand:
    """Return `value` where the mask holds, `self` elsewhere."""
    mask, value = call.operand("mask"), call.operand("value")
    number = value.reals() if isinstance(value, Const) else value
    if not isinstance(value, Value) and np.all(np.isneginf(number)):
        x = call.value("self")
        if isinstance(mask, Value):
            return hidden(call, x, broadcast(call, lambda: Logical("not"), mask))
        return hidden(call, x, 1.0 - call.sample(mask.reals(), x, "the mask"))
    return broadcast(call, Where, mask, value, call.value("self"))


def absolute(call: Call) -> Operand:
    """Return the size of every element."""
    return call.emit(Absolute(), call.value("self"))


def sign(call: Call) -> Operand:
    """Return -1, 0 or 1."""
    return call.emit(Sign(), call.value("self"))


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "__and__": logical("and"),
    "__or__": logical("or"),
    "__xor__": logical("xor"),
    "abs": absolute,
    "bitwise_and": logical("and"),
    "bitwise_not": logical("not"),
    "bitwise_or": logical("or"),
    "bitwise_xor": logical("xor"),
    "eq": compare("equal"),
    "ge": compare("greater_equal"),
    "gt": compare("greater"),
    "le": compare("less_equal"),
    "logical_and": logical("and"),
    "logical_not": logical("not"),
    "logical_or": logical("or"),
    "logical_xor": logical("xor"),
    "lt": compare("less"),
    "masked_fill": masked_fill,
    "ne": compare("not_equal"),
    "sgn": sign,
    "sign": sign,
    "where.ScalarOther": where,
    "where.ScalarSelf": where,
    "where.self": where,
}
