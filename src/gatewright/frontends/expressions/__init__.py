"""Expressions as models: text, SymPy, and the equations that PySR found."""

from gatewright.frontends.expressions.expressions import Expressions, equations
from gatewright.frontends.expressions.read import list_expressions, read_expressions
from gatewright.frontends.expressions.replay import replay

__all__ = ["Expressions", "equations", "list_expressions", "read_expressions", "replay"]
