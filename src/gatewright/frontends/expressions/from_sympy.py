"""Read a SymPy expression, by its own tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatewright.base import ModelError
from gatewright.frontends.expressions.functions import FUNCTIONS, call
from gatewright.frontends.expressions.terms import Terms

RELATIONS = {
    "Equality": "equal",
    "GreaterThan": "greater_equal",
    "LessThan": "less_equal",
    "StrictGreaterThan": "greater",
    "StrictLessThan": "less",
    "Unequality": "not_equal",
}
"""SymPy's classes of relations."""

JOINED: dict[str, Callable[..., int]] = {
    "Add": lambda t, *x: t.add(*x),
    "And": lambda t, *x: t.all_of(x),
    "Max": lambda t, *x: t.choose("maximum", x),
    "Min": lambda t, *x: t.choose("minimum", x),
    "Mul": lambda t, *x: t.multiply(*x),
    "Not": lambda t, x: t.negation(x),
    "Or": lambda t, *x: t.any_of(x),
    "Pow": lambda t, x, n: t.power(x, n),
}

RENAMED = {"Abs": "abs"}
"""SymPy's names where they are not ours in lower case."""


def from_sympy(expression: Any, terms: Terms) -> int:
    """Return the term of a SymPy expression.

    Raises:
        ModelError: it holds what is not known, or what is not real.
    """
    found: dict[Any, int] = {}
    todo = [expression]
    while todo:  # what an expression is made of comes first; nothing recurses
        node = todo[-1]
        missing = [part for part in _parts(node) if part not in found]
        if missing:
            todo += missing
        else:
            found[todo.pop()] = _term(node, found, terms)
    return found[expression]


def _parts(node: Any) -> list[Any]:
    """Return what a node is made of; pairs of a choice are opened."""
    if type(node).__name__ == "Piecewise":
        return [part for pair in node.args for part in (pair.expr, pair.cond)]
    return [] if node.is_number else list(node.args)


def _term(node: Any, found: dict[Any, int], terms: Terms) -> int:
    kind = type(node).__name__
    if kind in ("BooleanTrue", "BooleanFalse"):
        return terms.number(float(bool(node)))
    if getattr(node, "is_number", False):
        return terms.number(_number(node))
    if getattr(node, "is_Symbol", False):
        return terms.variable(str(node.name))
    if kind == "Piecewise":
        return _choice(node, found, terms)
    parts = [found[a] for a in node.args]
    if kind in JOINED:
        return _joined(kind, node, found, terms)
    if kind in RELATIONS:
        return terms.compare(RELATIONS[kind], *parts)
    if getattr(node, "is_Function", False):
        return call(terms, RENAMED.get(kind, kind), parts)
    raise ModelError(
        "an expression holds what is not known",
        found=f"{kind}: {node}",
        supported=f"real numbers, symbols, {', '.join(JOINED)}, Piecewise, relations and "
        f"functions: {', '.join(FUNCTIONS)}",
    )


def _joined(kind: str, node: Any, found: dict[Any, int], terms: Terms) -> int:
    """Return a sum, product or power; factors with negative exponents are divided by."""
    if kind != "Mul":
        return JOINED[kind](terms, *(found[a] for a in node.args))
    above, below = [], []
    for a in node.args:
        if type(a).__name__ == "Pow" and a.exp.is_number and a.exp.is_negative:
            below.append(terms.power(found[a.base], terms.number(_number(-a.exp))))
        else:
            above.append(found[a])
    return terms.divide(terms.multiply(*above), terms.multiply(*below))


def _choice(node: Any, found: dict[Any, int], terms: Terms) -> int:
    """Return a `Piecewise`: the first expression whose condition holds."""
    *others, last = node.args
    if last.cond != True:  # noqa: E712 - SymPy's own truth value
        raise ModelError(
            "a Piecewise of an expression leaves a part of its domain without a value",
            found=str(node),
            supported="a last case whose condition is True",
        )
    result = found[last.expr]
    for pair in reversed(others):
        result = terms.where(found[pair.cond], found[pair.expr], result)
    return result


def _number(node: Any) -> float:
    """Return a constant as the nearest float64.

    Raises:
        ModelError: it is not real.
    """
    if node.is_real is False or node.is_finite is False:
        raise ModelError(
            "a constant of an expression is not a finite real number",
            found=str(node),
            supported="finite real numbers",
        )
    return float(node)
