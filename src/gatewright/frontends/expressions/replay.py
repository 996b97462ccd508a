"""Compute expressions in float64 as they are written: what an import is held to.

Written apart from `terms` and `functions`: text is walked as Python's grammar reads it, SymPy
expressions are computed by SymPy itself.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.frontends.expressions.expressions import Expressions
from gatewright.frontends.expressions.parse import indexed, spine, syntax_of
from gatewright.frontends.expressions.read import as_expressions

Reals = NDArray[np.float64]

_erf = np.vectorize(math.erf, otypes=[np.float64])

NUMPY: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in (
        "abs", "cbrt", "clip", "cos", "cosh", "exp", "exp2", "expm1", "log10", "log1p", "log2",
        "maximum", "minimum", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh",
        "equal", "greater", "greater_equal", "less", "less_equal", "not_equal", "absolute", "fabs",
        "negative", "power", "reciprocal", "subtract", "multiply", "divide", "add",
        "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh",
    )},
    "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh,
    "atan": np.arctan, "atanh": np.arctanh, "cond": lambda x, y: np.where(x > 0, y, 0.0),
    "cot": lambda x: 1 / np.tan(x), "csc": lambda x: 1 / np.sin(x), "cube": lambda x: x * x * x,
    "div": np.divide, "erf": _erf, "erfc": np.vectorize(math.erfc, otypes=[np.float64]),
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "where": lambda c, a, b: np.where(c != 0, a, b),
    "ifelse": lambda c, a, b: np.where(c != 0, a, b), "inv": lambda x: 1 / x, "ln": np.log,
    "log": lambda x, base=None: np.log(x) if base is None else np.log(x) / np.log(base),
    "logistic": lambda x: 1 / (1 + np.exp(-x)), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "logical_and": lambda x, y: (x > 0) & (y > 0), "logical_or": lambda x, y: (x > 0) | (y > 0),
    "max": lambda *x: _fold(np.maximum, x), "min": lambda *x: _fold(np.minimum, x),
    "mul": np.multiply, "mult": lambda *x: _fold(np.multiply, x),
    "neg": np.negative, "pow": np.power,
    "relu": lambda x: np.maximum(x, 0), "safe_acos": np.arccos, "safe_acosh": np.arccosh,
    "safe_asin": np.arcsin, "safe_log": np.log, "safe_log10": np.log10, "safe_log1p": np.log1p,
    "safe_log2": np.log2, "safe_pow": np.power, "safe_sqrt": np.sqrt,
    "sec": lambda x: 1 / np.cos(x),
    "sinc": lambda x: np.sinc(x / math.pi),  # NumPy's is sin(pi x) / (pi x)
    "softplus": lambda x: np.logaddexp(x, 0), "sub": np.subtract,
}  # fmt: skip

OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: np.add, ast.Div: np.divide, ast.Mult: np.multiply, ast.Pow: np.power,
    ast.Sub: np.subtract, ast.Eq: np.equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.NotEq: np.not_equal, ast.USub: np.negative,
    ast.UAdd: np.positive,
}  # fmt: skip


class Columns(Mapping[str, Reals]):
    """Inputs by the names that expressions give their columns."""

    def __init__(self, given: Expressions, inputs: Mapping[str, Reals]) -> None:
        self.variables = given.variables
        self.inputs = {name: np.reshape(x, (len(x), -1)) for name, x in inputs.items()}

    def __getitem__(self, name: str) -> Reals:
        if self.variables and "x" in self.inputs:
            return self.inputs["x"][:, self.variables.index(name)]
        if name in self.inputs:
            return self.inputs[name][:, 0]
        stem = name.rstrip("0123456789")
        return self.inputs[stem.rstrip("_")][:, int(name[len(stem) :])]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)


def replay(model: Any, inputs: Mapping[str, Reals]) -> dict[str, Reals]:
    """Return every output, (samples,) each.

    Args:
        model: what `read_expressions` takes.
        inputs: samples by input name of the graph; or a number for each sample, (samples,), by the
            names that the expressions use.
    """
    given = as_expressions(model)
    variables = Columns(given, inputs)
    count = len(next(iter(inputs.values())))
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


def _by_sympy(expression: Any, variables: Columns) -> Any:
    if isinstance(expression, int | float):
        return expression
    import sympy  # type: ignore[import-untyped]

    symbols = sorted(expression.free_symbols, key=str)
    function = sympy.lambdify(symbols, expression, "numpy")
    return function(*(variables[str(s)] for s in symbols))


def _fold(join: Callable[[Any, Any], Any], values: Sequence[Any]) -> Any:
    found = values[0]
    for value in values[1:]:
        found = join(found, value)
    return found


def _value(node: ast.expr, variables: Columns) -> Any:
    """Return the numbers of a node; `parse` has refused what is not named here."""

    def of(part: ast.expr) -> Any:
        return _value(part, variables)

    match node:
        case ast.Constant(value=value):
            return np.float64(value)  # type: ignore[arg-type]
        case ast.Name() | ast.Subscript():
            name = node.id if isinstance(node, ast.Name) else indexed(node)
            constants = {"pi": math.pi, "GoldenRatio": (1 + math.sqrt(5)) / 2}
            own = name in variables.variables
            return constants[name] if name in constants and not own else variables[name]
        case ast.BinOp():
            first, steps = spine(node)
            found = of(first)
            for op, right in steps:
                found = OPERATORS[type(op)](found, of(right))
            return found
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return np.equal(of(operand), 0)
        case ast.BoolOp(op=join, values=values):
            truths = [np.not_equal(of(v), 0) for v in values]
            return _fold(np.logical_and if isinstance(join, ast.And) else np.logical_or, truths)
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
