"""Read an expression from text: Python's grammar and `^` for powers; nothing is ever executed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

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
    ast.Div: lambda t, a, b: t.divide(a, b),
    ast.Pow: lambda t, a, b: t.power(a, b),
}
"""Operators of two; sums and products are taken together, see `_chain`."""

UNARY: dict[type[ast.unaryop], Callable[[Terms, int], int]] = {
    ast.Not: lambda t, a: t.negation(a),
    ast.UAdd: lambda t, a: a,
    ast.USub: lambda t, a: t.combine([(a, -1.0)]),
}

NOT_NUMBERS = ("nan", "inf", "infinity", "oo", "zoo")
"""Names, in lower case, by which Python, NumPy and SymPy print what is no finite number."""

SUMS, PRODUCTS = (ast.Add, ast.Sub), (ast.Mult,)


def parse(text: str, terms: Terms, variables: Sequence[str] = ()) -> int:
    """Return the term of a text such as `1.5 * sin(x0) + x1 ^ 2 / (x2 + 3)`.

    Args:
        text: the expression.
        terms: the table.
        variables: names that are variables even where they would be constants (`E`).

    Raises:
        ModelError: it cannot be read, or uses what is not known.
    """
    return _Reader(terms, frozenset(variables)).term(syntax_of(text).body, 0)


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


def spine(node: ast.BinOp) -> tuple[ast.expr, list[tuple[ast.operator, ast.expr]]]:
    """Return the first operand of `a + b - c * ...` and the operations that follow, in order."""
    steps: list[tuple[ast.operator, ast.expr]] = []
    first: ast.expr = node
    while isinstance(first, ast.BinOp):
        steps.append((first.op, first.right))
        first = first.left
    return first, steps[::-1]


def indexed(node: ast.Subscript) -> str:
    """Return the name of `x[3]`, which is the column that `x3` names.

    Raises:
        ModelError: it is no name of letters with one number.
    """
    match node:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int() as index)) if (
            index >= 0 and not isinstance(index, bool) and not name[-1].isdigit()
        ):
            return f"{name}{index}"
    raise _unknown(node)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _unknown(node: ast.AST) -> ModelError:
    try:
        found = _short(ast.unparse(node))
    except RecursionError:
        found = type(node).__name__
    return ModelError(
        "an expression holds what is not known",
        found=found,
        supported="real numbers, names, + - * / ^, comparisons, and, or, not, `a if c else b` and "
        "functions",
    )


class _Reader:
    def __init__(self, terms: Terms, variables: frozenset[str]) -> None:
        self.terms = terms
        self.variables = variables

    def term(self, node: ast.expr, depth: int) -> int:
        """Return the term of a node."""
        terms = self.terms
        if depth > DEEPEST:
            raise ModelError(
                "an expression is nested too deep", supported=f"up to {DEEPEST} levels"
            )

        def below(part: ast.expr) -> int:
            return self.term(part, depth + 1)

        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return terms.number(_as_float(value))
            case ast.Name(id=name):
                return self._name(name)
            case ast.BinOp():
                return self._chain(node, depth)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
                return UNARY[type(op)](terms, below(operand))
            case ast.BoolOp(op=op, values=values):
                parts = [below(v) for v in values]
                return terms.all_of(parts) if isinstance(op, ast.And) else terms.any_of(parts)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in RELATIONS:
                return terms.compare(RELATIONS[type(op)], below(left), below(right))
            case ast.IfExp(test=test, body=body, orelse=other):
                return terms.where(below(test), below(body), below(other))
            case ast.Subscript():
                return self._name(indexed(node))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return call(terms, name, [below(a) for a in args])
        raise _unknown(node)

    def _name(self, name: str) -> int:
        if name in self.variables:
            return self.terms.variable(name)
        if name.lower() in NOT_NUMBERS:
            raise ModelError(
                "an expression holds what is no finite real number",
                found=name,
                supported="finite real numbers",
                remedy="leave it out; a column of that name goes among the `variables`",
            )
        if name == "E":  # an energy where physicists write it, 2.718... where SymPy does
            raise ModelError(
                "an expression uses a name that may be Euler's number or a variable",
                found="E",
                supported="other names, or E among the `variables`",
                remedy="write exp(1) for the number; name the columns in `variables` else",
            )
        return (
            self.terms.number(CONSTANTS[name]) if name in CONSTANTS else self.terms.variable(name)
        )

    def _chain(self, node: ast.BinOp, depth: int) -> int:
        """Return operations one after another: sums and products of many are made at once."""
        first, steps = spine(node)
        found = self.term(first, depth + 1)
        at = 0
        while at < len(steps):
            op = type(steps[at][0])
            kinds = SUMS if op in SUMS else PRODUCTS if op in PRODUCTS else (op,)
            end = at + 1
            many = kinds in (SUMS, PRODUCTS)
            while many and end < len(steps) and isinstance(steps[end][0], kinds):
                end += 1
            parts = [self.term(right, depth + 1) for _, right in steps[at:end]]
            if kinds is SUMS:
                signs = [-1.0 if isinstance(o, ast.Sub) else 1.0 for o, _ in steps[at:end]]
                found = self.terms.combine([(found, 1.0), *zip(parts, signs, strict=True)])
            elif kinds is PRODUCTS:
                found = self.terms.multiply(found, *parts)
            elif op in BINARY:
                found = BINARY[op](self.terms, found, parts[0])
            else:
                raise _unknown(node)
            at = end
        return found


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")  # refused by name where it becomes a term
