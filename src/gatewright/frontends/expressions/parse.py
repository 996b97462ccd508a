"""Read an expression from text: Python's grammar and `^` for powers; nothing is ever executed."""

from __future__ import annotations

import ast
from collections.abc import Callable

from gatewright.base import ModelError
from gatewright.frontends.expressions.functions import CONSTANTS, call
from gatewright.frontends.expressions.terms import Terms

LONGEST_TEXT = 100_000
"""Characters of one expression: found expressions have some dozens."""

DEEPEST = 200
"""Levels of nesting."""

RELATIONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.NotEq: "not_equal",
}

BINARY: dict[type[ast.operator], Callable[[Terms, int, int], int]] = {
    ast.Add: lambda t, a, b: t.add(a, b),
    ast.Div: lambda t, a, b: t.divide(a, b),
    ast.Mult: lambda t, a, b: t.multiply(a, b),
    ast.Pow: lambda t, a, b: t.power(a, b),
    ast.Sub: lambda t, a, b: t.combine([(a, 1.0), (b, -1.0)]),
}


def parse(text: str, terms: Terms) -> int:
    """Return the term of a text such as `1.5 * sin(x0) + x1 ^ 2 / (x2 + 3)`.

    Raises:
        ModelError: it cannot be read, or uses what is not known.
    """
    return _term(syntax_of(text).body, terms, 0)


def syntax_of(text: str) -> ast.Expression:
    """Return what Python's grammar makes of an expression.

    Raises:
        ModelError: it is too long, or no expression.
    """
    if len(text) > LONGEST_TEXT:
        raise ModelError(
            "an expression is too long",
            found=f"{len(text):,} characters",
            supported=f"up to {LONGEST_TEXT:,}",
        )
    try:
        return ast.parse(text.strip().replace("^", "**"), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(
            "an expression cannot be read",
            found=_short(text),
            supported="numbers, names, + - * / ^, comparisons and functions: `sin(x0) + 2 * x1^2`",
            remedy=f"mend it: {getattr(error, 'msg', None) or 'it is nested too deep'}",
        ) from None


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _term(node: ast.expr, terms: Terms, depth: int) -> int:
    if depth > DEEPEST:
        raise ModelError("an expression is nested too deep", supported=f"up to {DEEPEST} levels")

    def below(part: ast.expr) -> int:
        return _term(part, terms, depth + 1)

    match node:
        case ast.Constant(value=int() | float() as value):
            return terms.number(_as_float(value))
        case ast.Name(id=name):
            return terms.number(CONSTANTS[name]) if name in CONSTANTS else terms.variable(name)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return BINARY[type(op)](terms, below(left), below(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return terms.combine([(below(operand), -1.0)])
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return below(operand)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in RELATIONS:
            return terms.compare(RELATIONS[type(op)], below(left), below(right))
        case ast.IfExp(test=test, body=body, orelse=other):
            return terms.where(below(test), below(body), below(other))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return call(terms, name, [below(a) for a in args])
    raise ModelError(
        "an expression holds what is not known",
        found=_short(ast.unparse(node)),
        supported="real numbers, names, + - * / ^, comparisons, `a if c else b` and functions",
    )


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")  # refused by name where it becomes a term
