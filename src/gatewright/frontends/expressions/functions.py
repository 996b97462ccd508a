"""Functions that expressions may call, by the names that Python, SymPy and PySR give them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gatewright.base import ModelError
from gatewright.frontends.expressions.terms import Terms

Build = Callable[..., int]


@dataclass(frozen=True)
class Callee:
    """A function of an expression.

    Attributes:
        build: makes the term of the operands: `build(terms, *operands)`.
        least, most: how many operands it takes.
    """

    build: Build
    least: int = 1
    most: int = 1


def _function(name: str) -> Callee:
    return Callee(lambda t, x: t.apply(name, x))


def _relation(name: str) -> Callee:
    return Callee(lambda t, a, b: t.compare(name, a, b), 2, 2)


def _inverse(name: str) -> Callee:
    """Return one over a function."""
    return Callee(lambda t, x: t.divide(t.number(1.0), t.apply(name, x)))


def _log(t: Terms, x: int, base: int | None = None) -> int:
    if base is None:
        return t.apply("log", x)
    return t.divide(t.apply("log", x), t.apply("log", base))


def _atan2_refused(t: Terms, *x: int) -> int:
    raise ModelError(
        "an expression uses atan2, which jumps where its first operand changes sign",
        found="atan2(y, x)",
        supported="atan(y / x) where the sign of x is known",
    )


def _clip(t: Terms, x: int, low: int, high: int) -> int:
    return t.choose("minimum", [t.choose("maximum", [x, low]), high])


FUNCTIONS: dict[str, Callee] = {
    "abs": Callee(lambda t, x: t.unary("absolute", x)),
    "acos": _function("acos"),
    "acosh": _function("acosh"),
    "add": Callee(lambda t, *x: t.add(*x), 1, 1000),
    "asin": _function("asin"),
    "asinh": _function("asinh"),
    "atan": _function("atan"),
    "atan2": Callee(_atan2_refused, 2, 2),
    "atanh": _function("atanh"),
    "cbrt": Callee(lambda t, x: t.multiply(
        t.unary("sign", x), t.apply("power", t.unary("absolute", x), 1 / 3))),
    "clip": Callee(_clip, 3, 3),
    "cond": Callee(lambda t, x, y: t.where(
        t.compare("greater", x, t.number(0.0)), y, t.number(0.0)), 2, 2),
    "cos": _function("cos"),
    "cosh": _function("cosh"),
    "cot": _inverse("tan"),
    "csc": _inverse("sin"),
    "cube": Callee(lambda t, x: t.multiply(x, x, x)),
    "div": Callee(lambda t, a, b: t.divide(a, b), 2, 2),
    "equal": _relation("equal"),
    "erf": _function("erf"),
    "erfc": Callee(lambda t, x: t.combine([(t.number(1.0), 1.0), (t.apply("erf", x), -1.0)])),
    "exp": _function("exp"),
    "exp2": _function("exp2"),
    "expm1": _function("expm1"),
    "gelu": _function("gelu"),
    "greater": _relation("greater"),
    "greater_equal": _relation("greater_equal"),
    "inv": Callee(lambda t, x: t.divide(t.number(1.0), x)),
    "less": _relation("less"),
    "less_equal": _relation("less_equal"),
    "ln": _function("log"),
    "log": Callee(_log, 1, 2),
    "log10": _function("log10"),
    "log1p": _function("log1p"),
    "log2": _function("log2"),
    "max": Callee(lambda t, *x: t.choose("maximum", x), 1, 1000),
    "min": Callee(lambda t, *x: t.choose("minimum", x), 1, 1000),
    "logical_and": Callee(lambda t, *x: t.all_of(t.compare("greater", v, t.number(0.0)) for v in x),
                          2, 2),
    "logical_or": Callee(lambda t, *x: t.any_of(t.compare("greater", v, t.number(0.0)) for v in x),
                         2, 2),
    "mult": Callee(lambda t, *x: t.multiply(*x), 1, 1000),
    "neg": Callee(lambda t, x: t.combine([(x, -1.0)])),
    "not_equal": _relation("not_equal"),
    "pow": Callee(lambda t, x, n: t.power(x, n), 2, 2),
    "relu": Callee(lambda t, x: t.choose("maximum", [x, t.number(0.0)])),
    "sec": _inverse("cos"),
    "sigmoid": _function("sigmoid"),
    "sign": Callee(lambda t, x: t.unary("sign", x)),
    "sin": _function("sin"),
    "sinc": _function("sinc"),  # SymPy's: sin(x) / x, and 1 at 0
    "sinh": _function("sinh"),
    "softplus": _function("softplus"),
    "sqrt": _function("sqrt"),
    "square": Callee(lambda t, x: t.multiply(x, x)),
    "sub": Callee(lambda t, a, b: t.combine([(a, 1.0), (b, -1.0)]), 2, 2),
    "tan": _function("tan"),
    "tanh": _function("tanh"),
    "where": Callee(lambda t, c, a, b: t.where(c, a, b), 3, 3),
}  # fmt: skip
"""What each name means; operands are terms."""

ALIASES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin",
    "arcsinh": "asinh", "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh",
    "fabs": "abs", "ifelse": "where", "logistic": "sigmoid", "maximum": "max", "minimum": "min",
    "mul": "mult", "multiply": "mult", "negative": "neg", "power": "pow", "reciprocal": "inv",
    "safe_acosh": "acosh", "safe_asin": "asin", "safe_acos": "acos", "safe_log": "log",
    "safe_log10": "log10", "safe_log1p": "log1p", "safe_log2": "log2", "safe_pow": "pow",
    "safe_sqrt": "sqrt", "subtract": "sub", "divide": "div", "/": "div", "*": "mult",
}  # fmt: skip
"""Other names of the same."""

CONSTANTS = {"pi": math.pi, "GoldenRatio": (1 + math.sqrt(5)) / 2}
"""Names that are numbers."""


def call(terms: Terms, name: str, operands: Sequence[int]) -> int:
    """Return a function of terms.

    Raises:
        ModelError: it is not known, or takes another number of operands.
    """
    key = ALIASES.get(name, name)
    key = ALIASES.get(key.lower(), key.lower()) if key not in FUNCTIONS else key
    if key not in FUNCTIONS:
        raise ModelError(
            "an expression calls a function that is not known",
            found=f"{name}()",
            supported=", ".join(FUNCTIONS),
            remedy="write it with the functions that are known",
        )
    callee = FUNCTIONS[key]
    if not callee.least <= len(operands) <= callee.most:
        raise ModelError(
            "a function of an expression has another number of operands",
            found=f"{name}() of {len(operands)}",
            supported=f"{callee.least}"
            if callee.least == callee.most
            else f"{callee.least} or more",
        )
    return callee.build(terms, *operands)
