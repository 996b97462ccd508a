"""Functions of one real number by name, on float64: what `Function` stores in tables.

Each knows its parameters, whether it never falls, and otherwise how steep it can be, so that the
distance of a framework's floats can be bounded. Formulas are the frameworks' own definitions;
where two of them differ (GELU's error function and its tanh form) they have two names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatewright.base import UnsupportedError

Reals = NDArray[np.float64]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

FARTHEST = 709.0
"""Beyond it exp leaves float64; any format saturates long before."""


@dataclass(frozen=True)
class Scalar:
    """A function of one number.

    Attributes:
        apply: the function, of an array and then the parameters.
        rises: it never falls, whatever parameters `check` lets pass.
        steepest: a bound on the size of its slope, where it may fall; None: none is known.
        parameters: their names.
        check: says whether parameters are allowed; the second entry tells what is.
        domain: where it is defined, for messages.
    """

    apply: Callable[..., Reals]
    rises: bool = True
    steepest: float | None = None
    parameters: tuple[str, ...] = ()
    check: tuple[Callable[..., bool], str] = (lambda *p: True, "any numbers")
    domain: str = "all numbers"


def sigmoid(x: Reals) -> Reals:
    """Return 1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def softplus(x: Reals) -> Reals:
    """Return log(1 + exp(x)) without overflow."""
    return np.logaddexp(x, 0)


def erf(x: Reals) -> Reals:
    """Return the error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    x = np.asarray(x, np.float64)
    return np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def _normal(x: Reals) -> Reals:
    """Return the normal distribution's cumulative function, exact in its lower tail too."""
    x = np.asarray(x, np.float64)
    parts = map(math.erfc, (x * -math.sqrt(0.5)).ravel().tolist())
    return 0.5 * np.fromiter(parts, np.float64, x.size).reshape(x.shape)


def _gelu_tanh(x: Reals) -> Reals:
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return np.asarray(0.5 * x * (1 + np.tanh(inner)), np.float64)


def _exp(x: Reals) -> Reals:
    return np.exp(np.minimum(x, FARTHEST))


def _elu(x: Reals, alpha: float) -> Reals:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _mish(x: Reals) -> Reals:
    return x * np.tanh(softplus(x))


def _power(x: Reals, exponent: float) -> Reals:
    return np.asarray(np.power(np.asarray(x, np.float64), exponent))


def _ulaw(x: Reals, u: float) -> Reals:
    return np.sign(x) * np.log1p(u * np.abs(x)) / math.log1p(u)


def _exp_single(x: Reals, scale: float) -> Reals:
    """Return exp(scale * x), at most exp(88), product and result rounded to float32."""
    product = np.asarray(x, np.float32) * np.float32(scale)
    wide = np.exp(np.minimum(product.astype(np.float64), 88.0))  # beyond it float32 overflows
    return wide.astype(np.float32).astype(np.float64)


def _reciprocal_single(x: Reals, epsilon: float) -> Reals:
    """Return 1 / (x + epsilon) in float32."""
    total = np.asarray(x, np.float32) + np.float32(epsilon)
    return (np.float32(1) / total).astype(np.float64)


_POSITIVE = (lambda a: a > 0, "a positive number")
_NOT_NEGATIVE = (lambda a: a >= 0, "a number that is not negative")

FUNCTIONS: dict[str, Scalar] = {
    "acos": Scalar(np.arccos, False, domain="-1 to 1"),
    "acosh": Scalar(np.arccosh, domain="1 and above"),
    "asin": Scalar(np.arcsin, domain="-1 to 1"),
    "asinh": Scalar(np.arcsinh),
    "atan": Scalar(np.arctan),
    "atanh": Scalar(np.arctanh, domain="between -1 and 1"),
    "celu": Scalar(
        lambda x, alpha: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha),
        parameters=("alpha",), check=_POSITIVE,
    ),
    "cos": Scalar(np.cos, False, 1.0),
    "cosh": Scalar(lambda x: np.cosh(np.clip(x, -FARTHEST, FARTHEST)), False),
    "elu": Scalar(lambda x: _elu(x, 1.0)),
    "elu_alpha": Scalar(_elu, parameters=("alpha",), check=_NOT_NEGATIVE),
    "erf": Scalar(erf),
    "exp": Scalar(_exp),
    "exp2": Scalar(lambda x: np.exp2(np.minimum(x, 1023.0))),
    "exp_single": Scalar(_exp_single, False, parameters=("scale",)),
    "expm1": Scalar(lambda x: np.expm1(np.minimum(x, FARTHEST))),
    "gelu": Scalar(lambda x: x * _normal(x), False, 1.14),
    "gelu_tanh": Scalar(_gelu_tanh, False, 1.14),
    "log": Scalar(np.log, domain="positive numbers"),
    "log10": Scalar(np.log10, domain="positive numbers"),
    "log1p": Scalar(np.log1p, domain="above -1"),
    "log2": Scalar(np.log2, domain="positive numbers"),
    "log_sigmoid": Scalar(lambda x: -np.logaddexp(-x, 0)),
    "mish": Scalar(_mish, False, 1.09),
    "power": Scalar(
        _power, False, parameters=("exponent",),
        domain="positive numbers, or all for a whole exponent",
    ),
    "quick_gelu": Scalar(lambda x: x * sigmoid(1.702 * x), False, 1.1),
    "reciprocal": Scalar(np.reciprocal, False, domain="all numbers but 0"),
    "reciprocal_single": Scalar(
        _reciprocal_single, False, parameters=("epsilon",), domain="all numbers but -epsilon"
    ),
    "rsqrt": Scalar(
        lambda x, epsilon: 1.0 / np.sqrt(x + epsilon), False, parameters=("epsilon",),
        check=_NOT_NEGATIVE, domain="x + epsilon above 0",
    ),
    "selu": Scalar(lambda x: SELU_SCALE * _elu(x, SELU_ALPHA)),
    "selu_alpha": Scalar(
        lambda x, alpha, gamma: gamma * _elu(x, alpha), parameters=("alpha", "gamma"),
        check=(lambda alpha, gamma: alpha >= 0 and gamma >= 0, "numbers that are not negative"),
    ),
    "sigmoid": Scalar(sigmoid),
    "silu": Scalar(lambda x: x * sigmoid(x), False, 1.1),
    "sin": Scalar(np.sin, False, 1.0),
    "sinc": Scalar(lambda x: np.sinc(x / math.pi), False, 0.437),  # sin(x) / x
    "sinh": Scalar(lambda x: np.sinh(np.clip(x, -FARTHEST, FARTHEST))),
    "softplus": Scalar(softplus),
    "softplus_beta": Scalar(
        lambda x, beta: np.logaddexp(x * beta, 0) / beta, parameters=("beta",), check=_POSITIVE
    ),
    "softsign": Scalar(lambda x: x / (1 + np.abs(x))),
    "sparse_plus": Scalar(
        lambda x: np.where(x <= -1, 0.0, np.where(x < 1, 0.25 * (x + 1) ** 2, x))
    ),
    "sqrt": Scalar(np.sqrt, domain="numbers that are not negative"),
    "square": Scalar(np.square, False),
    "squareplus": Scalar(
        lambda x, b: (x + np.sqrt(x**2 + b)) / 2, parameters=("b",), check=_NOT_NEGATIVE
    ),
    "swish": Scalar(lambda x, beta: x * sigmoid(beta * x), False, 1.1, parameters=("beta",)),
    "tan": Scalar(np.tan, False, domain="numbers away from its poles"),
    "tanh": Scalar(np.tanh),
    "tanh_shrink": Scalar(lambda x: x - np.tanh(x)),
    "ulaw": Scalar(_ulaw, parameters=("u",), check=_POSITIVE),
}  # fmt: skip
"""Functions by name. Piecewise linear ones are no tables: see `Piecewise`, `Clip`, `LeakyRelu`."""


def apply_function(name: str, x: Reals, parameters: tuple[float, ...] = ()) -> Reals:
    """Apply a function by name; where it is not defined the answer is NaN or infinite.

    Raises:
        UnsupportedError: there is no function of that name, or its parameters do not fit.
    """
    scalar = FUNCTIONS.get(name)
    if scalar is None:
        raise UnsupportedError(
            "there is no function of this name", found=name, supported=", ".join(FUNCTIONS)
        )
    if len(parameters) != len(scalar.parameters) or not scalar.check[0](*parameters):
        wanted = ", ".join(scalar.parameters) or "no parameters"
        raise UnsupportedError(
            f"the function {name!r} cannot have these parameters",
            found=", ".join(map(str, parameters)) or "no parameters",
            supported=f"{wanted}: {scalar.check[1]}" if scalar.parameters else wanted,
        )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(scalar.apply(np.asarray(x, np.float64), *parameters), np.float64)


def is_rising(name: str) -> bool:
    """Say whether a function never falls where it is defined."""
    return FUNCTIONS[name].rises


def steepest(name: str) -> float | None:
    """Bound the size of a function's slope; None where no bound is known."""
    return FUNCTIONS[name].steepest
