"""Compute expressions in float64 as they are written: what an import is held to.

Written apart from `terms` and `functions`: text is walked as Python's grammar reads it, SymPy
expressions are computed by SymPy itself.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.frontends.expressions.expressions import Expressions
from gatewright.frontends.expressions.parse import syntax_of

Reals = NDArray[np.float64]

_erf = np.vectorize(math.erf, otypes=[np.float64])

NUMPY: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in (
        "abs", "cbrt", "clip", "cos", "cosh", "exp", "exp2", "expm1", "log10", "log1p", "log2",
        "maximum", "minimum", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "where",
        "equal", "greater", "greater_equal", "less", "less_equal", "not_equal", "absolute", "fabs",
        "negative", "power", "reciprocal", "subtract", "multiply", "divide", "add",
        "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh",
    )},
    "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh,
    "atan": np.arctan, "atanh": np.arctanh, "cond": lambda x, y: np.where(x > 0, y, 0.0),
    "cot": lambda x: 1 / np.tan(x), "csc": lambda x: 1 / np.sin(x), "cube": lambda x: x * x * x,
    "div": np.divide, "erf": _erf, "erfc": np.vectorize(math.erfc, otypes=[np.float64]),
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "ifelse": np.where, "inv": lambda x: 1 / x, "ln": np.log,
    "log": lambda x, base=None: np.log(x) if base is None else np.log(x) / np.log(base),
    "logistic": lambda x: 1 / (1 + np.exp(-x)), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "max": lambda *x: _fold(np.maximum, x), "min": lambda *x: _fold(np.minimum, x),
    "mult": lambda *x: _fold(np.multiply, x), "neg": np.negative, "pow": np.power,
    "relu": lambda x: np.maximum(x, 0), "safe_acos": np.arccos, "safe_acosh": np.arccosh,
    "safe_asin": np.arcsin, "safe_log": np.log, "safe_log10": np.log10, "safe_log1p": np.log1p,
    "safe_log2": np.log2, "safe_pow": np.power, "safe_sqrt": np.sqrt,
    "sec": lambda x: 1 / np.cos(x),
    "sinc": lambda x: np.sin(x) / x, "softplus": lambda x: np.logaddexp(x, 0), "sub": np.subtract,
}  # fmt: skip

OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: np.add, ast.Div: np.divide, ast.Mult: np.multiply, ast.Pow: np.power,
    ast.Sub: np.subtract, ast.Eq: np.equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.NotEq: np.not_equal, ast.USub: np.negative,
    ast.UAdd: np.positive,
}  # fmt: skip


def replay(given: Expressions, variables: Mapping[str, Reals]) -> dict[str, Reals]:
    """Return every output.

    Args:
        given: the expressions.
        variables: a number for each sample, (samples,), by the names that the expressions use.
    """
    count = len(next(iter(variables.values()), np.zeros(1)))
    found = {}
    with np.errstate(all="ignore"):
        for name, expression in given.outputs.items():
            value = (
                _value(syntax_of(expression).body, variables)
                if isinstance(expression, str)
                else _by_sympy(expression, variables)
            )
            found[name] = np.broadcast_to(np.asarray(value, np.float64), (count,))
    return found


def _by_sympy(expression: Any, variables: Mapping[str, Reals]) -> Any:
    if isinstance(expression, int | float):
        return expression
    import sympy  # type: ignore[import-untyped]

    symbols = sorted(expression.free_symbols, key=str)
    function = sympy.lambdify(symbols, expression, "numpy")
    return function(*(variables[str(s)] for s in symbols))


def _fold(join: Callable[[Any, Any], Any], values: tuple[Any, ...]) -> Any:
    found = values[0]
    for value in values[1:]:
        found = join(found, value)
    return found


def _value(node: ast.expr, variables: Mapping[str, Reals]) -> Any:
    """Return the numbers of a node; `parse` has refused what is not named here."""

    def of(part: ast.expr) -> Any:
        return _value(part, variables)

    match node:
        case ast.Constant(value=value):
            return np.float64(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            constants = {"pi": math.pi, "E": math.e, "GoldenRatio": (1 + math.sqrt(5)) / 2}
            return constants[name] if name in constants else variables[name]
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](of(left), of(right))
        case ast.UnaryOp(op=op, operand=operand):
            return OPERATORS[type(op)](of(operand))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return OPERATORS[type(op)](of(left), of(right))
        case ast.IfExp(test=test, body=body, orelse=other):
            return np.where(of(test) != 0, of(body), of(other))
        case ast.Call(func=ast.Name(id=name), args=args):
            function = NUMPY.get(name) or NUMPY[name.lower()]
            return function(*map(of, args))
    raise AssertionError(ast.dump(node))
