"""Read expressions into a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatewright.base import GatewrightError, ModelError, Place
from gatewright.frontends.expressions.emit import to_graph
from gatewright.frontends.expressions.expressions import Expressions
from gatewright.frontends.expressions.from_sympy import from_sympy
from gatewright.frontends.expressions.parse import parse
from gatewright.frontends.expressions.terms import Terms
from gatewright.frontends.listed import Listed
from gatewright.ir import Graph

LONGEST_FACT = 1000
"""Characters of an expression that the report shows."""


def as_expressions(model: Any) -> Expressions:
    """Return what a user holds as expressions.

    Args:
        model: `Expressions`, a SymPy expression, a path of lines `name = expression` (`.expr`) or
            of PySR's equations (any other ending), or a fitted `PySRRegressor`.

    Raises:
        GatewrightError: it cannot be read.
    """
    if isinstance(model, Expressions):
        return model
    if isinstance(model, str | Path):
        path = Path(model)
        if path.suffix.lower() == ".expr":
            return Expressions.from_text(path)
        return Expressions.from_pysr(path)
    if type(model).__name__ == "PySRRegressor":
        found = model.sympy()
        names = tuple(map(str, getattr(model, "feature_names_in_", ())))
        return Expressions(found, names, "PySRRegressor")
    return Expressions(model, source="SymPy expression")


def read_expressions(model: Any) -> Graph:
    """Return the graph of expressions; see `as_expressions`.

    Raises:
        GatewrightError: they cannot be read, or hold what is not known.
    """
    given = as_expressions(model)
    terms = Terms()
    outputs = {}
    for name, expression in given.outputs.items():
        try:
            if isinstance(expression, str):
                outputs[str(name)] = parse(expression, terms, given.variables)
            else:
                outputs[str(name)] = _from_object(expression, terms)
        except GatewrightError as error:
            error.place = error.place or Place(given.source, str(name))
            error.args = (error.text(),)
            raise
    texts = {f"expression {name}": str(e)[:LONGEST_FACT] for name, e in given.outputs.items()}
    facts = {**texts, **given.facts}
    return to_graph(terms, outputs, given.variables, given.source, facts)


def _from_object(expression: Any, terms: Terms) -> int:
    if isinstance(expression, int | float):
        return terms.number(float(expression))
    if not type(expression).__module__.startswith("sympy."):
        raise ModelError(
            "this is no expression",
            found=f"{type(expression).__module__}.{type(expression).__qualname__}",
            supported="text, or a SymPy expression",
        )
    return from_sympy(expression, terms)


def list_expressions(model: Any) -> list[Listed]:
    """Return the outputs by name, and their text, as far as a line takes it."""
    given = as_expressions(model)
    return [Listed(str(name), str(e)[:60]) for name, e in given.outputs.items()]
