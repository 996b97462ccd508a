"""Functions of single elements: arithmetic, comparison, logic, choice, activations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.frontends.keras.activations import activate
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.operations.operands import (
    Truth,
    argument,
    array,
    as_values,
    for_sample,
    pair,
    tensor,
    truth,
)
from gatewright.frontends.recipes.reductions import constant
from gatewright.ir import Op, Reals
from gatewright.num import Overflow, Rounding
from gatewright.ops import (
    Absolute,
    Add,
    Affine,
    Clip,
    Compare,
    Divide,
    Logical,
    Maximum,
    Minimum,
    Multiply,
    Quantize,
    Relu,
    Sign,
    Subtract,
    Where,
)

Build = Callable[[Site], Value]


def arithmetic(op: Op, of_constant: Callable[[Reals], Op | None]) -> Build:
    """Return a handler; `of_constant` gives the operation where the second operand is known."""

    def build(site: Site) -> Value:
        operands = pair(site)
        refuse_truth(site, operands)
        a, b = operands
        if isinstance(op, Add | Multiply | Maximum | Minimum) and not isinstance(a, Value):
            a, b = b, a
        if isinstance(a, Value) and not isinstance(b, Value):
            simple = of_constant(b)
            if simple is not None and np.broadcast_shapes(a.shape, b.shape) == a.shape:
                return site.emit(simple, a)
        return site.emit(op, *as_values(site, [a, b]))

    return build


def refuse_truth(site: Site, operands: list[Value | Reals]) -> None:
    """Refuse arithmetic among truth values alone, where a sum would be an or."""
    if all(isinstance(v, Truth) for v in operands):
        raise site.unsupported(
            "truth values are computed with as if they were numbers",
            "x1",
            "two tensors of truth values",
            "numbers, or a number and a truth value",
            "turn them into numbers first with `keras.ops.cast(x, 'float32')`",
        )


def _shift(offset: Reals) -> Op:
    return Affine(np.asarray(1.0), offset)


def _scale(scale: Reals) -> Op:
    return Affine(scale, np.asarray(0.0))


def _one(limit: Reals, op: Callable[[float], Op]) -> Op | None:
    return op(float(limit.flat[0])) if limit.size == 1 else None


def _divide(site: Site) -> Value:
    """Divide; by a constant it is a product with the reciprocal in float64."""
    a, b = pair(site)
    if isinstance(b, Value):
        quotient: Value = site.emit(Divide(), *as_values(site, [a, b]))
        return quotient
    assert isinstance(a, Value)
    if (b == 0).any():
        raise site.unsupported("a division by zero", "x2", "0", "other numbers", "leave it out")
    value: Value = site.emit(*_scaled(site, a, 1.0 / b))
    return value


def _scaled(site: Site, x: Value, scale: Reals) -> tuple[Op, *tuple[Value, ...]]:
    if np.broadcast_shapes(x.shape, scale.shape) == x.shape:
        return _scale(scale), x
    return Multiply(), x, constant(site, x, scale)


def _compare(relation: str) -> Build:
    return lambda site: truth(site.emit(Compare(relation), *as_values(site, pair(site))))


def as_truth(site: Site, x: Value) -> Truth:
    """Return truth values: what is not 0 counts as 1."""
    if isinstance(x, Truth):
        return x
    zero = constant(site, x, np.zeros((1,) * len(x.shape)))
    return truth(site.emit(Compare("not_equal"), x, zero, suffix="truth"))


def _logical(function: str) -> Build:
    def build(site: Site) -> Value:
        operands = [as_truth(site, v) for v in as_values(site, pair(site))]
        return truth(site.emit(Logical(function), *operands))

    return build


def _not(site: Site) -> Value:
    return truth(site.emit(Logical("not"), as_truth(site, tensor(site))))


def _where(site: Site) -> Value:
    condition = tensor(site, 0, "condition")
    given = [argument(site, 1, "x1"), argument(site, 2, "x2")]
    rank = len(condition.shape)
    values = []
    for value, name in zip(given, ("x1", "x2"), strict=True):
        if not isinstance(value, Value):
            known = for_sample(site, array(site, value, name), rank, name)
            value = constant(site, condition, known)
        elif len(value.shape) != rank:
            raise site.unsupported(
                "the tensors of a choice meet with their batches on different axes",
                name, f"{value.shape} with {condition.shape}", "tensors of equal rank", "reshape",
            )  # fmt: skip
        values.append(value)
    found = site.emit(Where(), as_truth(site, condition), *values)
    return truth(found) if all(isinstance(v, Truth) for v in given) else found


def _unary(op: Op) -> Build:
    return lambda site: site.emit(op, tensor(site))


def _square(site: Site) -> Value:
    x = tensor(site)
    return site.emit(Multiply(), x, x)


def _negative(site: Site) -> Value:
    return site.emit(_scale(np.asarray(-1.0)), tensor(site))


def _clip(site: Site) -> Value:
    low, high = (array(site, site.attributes[n], n) for n in ("x_min", "x_max"))
    if low.size != 1 or high.size != 1 or low > high:
        raise site.unsupported(
            "limits are no two numbers in order", "x_min", f"{low} to {high}", "numbers", "swap"
        )
    return site.emit(Clip(float(low), float(high)), tensor(site))


def _cast(site: Site) -> Value:
    """Turn into another type: cut fractions off for integers, ask for other than 0 for truth."""
    x, kind = tensor(site), str(site.attributes["dtype"])
    if kind == "bool":
        return as_truth(site, x)
    if kind in ("int32", "int64"):
        if isinstance(x, Truth):
            return Value(x.name, x.shape)
        whole = Quantize.to(True, 32, 0, Rounding.TRN_ZERO, Overflow.SAT)
        return site.emit(whole, x)
    if kind == "float32":
        return Value(x.name, x.shape)
    raise site.unsupported(
        "a cast changes numbers", "dtype", kind, "float32, int32, int64, bool", "leave it out"
    )


def _activation(name: str) -> Build:
    return lambda site: activate(site, tensor(site), name)


PLAIN = Table()
JOINS: dict[str, Build] = {
    "Add": arithmetic(Add(), _shift),
    "Subtract": arithmetic(Subtract(), lambda b: _shift(-b)),
    "Multiply": arithmetic(Multiply(), _scale),
    "Maximum": arithmetic(
        Maximum(), lambda b: _one(b, lambda v: Relu() if v == 0 else Clip(v, None))
    ),
    "Minimum": arithmetic(Minimum(), lambda b: _one(b, lambda v: Clip(None, v))),
    "Divide": _divide,
    "TrueDivide": _divide,
    "Equal": _compare("equal"),
    "Greater": _compare("greater"),
    "GreaterEqual": _compare("greater_equal"),
    "Less": _compare("less"),
    "LessEqual": _compare("less_equal"),
    "NotEqual": _compare("not_equal"),
    "LogicalAnd": _logical("and"),
    "LogicalOr": _logical("or"),
    "LogicalXor": _logical("xor"),
}

FUNCTIONS = {
    "Exp": "exponential", "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu", "Relu": "relu",
    "Relu6": "relu6", "Selu": "selu", "Sigmoid": "sigmoid", "Silu": "silu", "Softplus": "softplus",
    "Softsign": "softsign", "Tanh": "tanh",
}  # fmt: skip
"""Activations without attributes, by the name of their operation."""

HANDLERS = (
    *(
        Handler(kind, "keras", PLAIN, build, frozenset({"x1", "x2"}), True)
        for kind, build in JOINS.items()
    ),
    *(
        Handler(kind, "keras", PLAIN, _activation(name), frozenset({"x"}))
        for kind, name in FUNCTIONS.items()
    ),
    Handler("Absolute", "keras", PLAIN, _unary(Absolute()), frozenset({"x"})),
    Handler("Cast", "keras", Table({"dtype": REQUIRED}), _cast, frozenset({"x"})),
    Handler(
        "Clip", "keras", Table({"x_min": REQUIRED, "x_max": REQUIRED}), _clip, frozenset({"x"})
    ),
    Handler("LogicalNot", "keras", PLAIN, _not, frozenset({"x"})),
    Handler("Negative", "keras", PLAIN, _negative, frozenset({"x"})),
    Handler("Sign", "keras", PLAIN, _unary(Sign()), frozenset({"x"})),
    Handler("Square", "keras", PLAIN, _square, frozenset({"x"})),
    Handler("Where", "keras", PLAIN, _where, frozenset({"condition", "x1", "x2"}), True),
)
