"""Functions of one number on intervals: where they are defined, what they reach, how they move."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.ir import Reals
from gatewright.ops.functions import FUNCTIONS, apply_function, is_rising

Slope = Callable[..., Reals]

GELU_LEAST, GELU_FLAT = -0.17, (-0.76, -0.75)
"""Below what GELU (of either form) reaches, and an interval that holds where it does."""

SINC_TURNS, SINC_LEAST = 4.493, -0.21724
"""Where sin(x) / x turns first, from below, and below what it reaches there."""


def _near(lo: Reals, hi: Reals) -> Reals:
    """Return the least magnitude of an interval."""
    return np.maximum(np.maximum(lo, -hi), 0.0)


def _far(lo: Reals, hi: Reals) -> Reals:
    return np.maximum(np.abs(lo), np.abs(hi))


def _power_slope(lo: Reals, hi: Reals, n: float) -> Reals:
    return abs(n) * (_far(lo, hi) if n >= 1 else _near(lo, hi)) ** (n - 1)


def _sigmoid_slope(lo: Reals, hi: Reals) -> Reals:
    s = apply_function("sigmoid", _near(lo, hi))
    return s * (1 - s)


SLOPES: dict[str, Slope] = {
    "acos": lambda lo, hi: (1 - _far(lo, hi) ** 2) ** -0.5,
    "acosh": lambda lo, hi: (lo**2 - 1) ** -0.5,
    "asin": lambda lo, hi: (1 - _far(lo, hi) ** 2) ** -0.5,
    "asinh": lambda lo, hi: (1 + _near(lo, hi) ** 2) ** -0.5,
    "atan": lambda lo, hi: 1 / (1 + _near(lo, hi) ** 2),
    "atanh": lambda lo, hi: 1 / (1 - _far(lo, hi) ** 2),
    "cos": lambda lo, hi: np.minimum(1.0, _far(lo, hi)),
    "cosh": lambda lo, hi: np.sinh(_far(lo, hi)),
    "erf": lambda lo, hi: 2 / math.sqrt(math.pi) * np.exp(-(_near(lo, hi) ** 2)),
    "exp": lambda lo, hi: np.exp(hi),
    "exp2": lambda lo, hi: math.log(2) * np.exp2(hi),
    "expm1": lambda lo, hi: np.exp(hi),
    "gelu": lambda lo, hi: np.full(np.shape(hi), 1.14),
    "log": lambda lo, hi: 1 / lo,
    "log10": lambda lo, hi: 1 / (math.log(10) * lo),
    "log1p": lambda lo, hi: 1 / (1 + lo),
    "log2": lambda lo, hi: 1 / (math.log(2) * lo),
    "power": _power_slope,
    "reciprocal": lambda lo, hi: _near(lo, hi) ** -2.0,
    "sigmoid": _sigmoid_slope,
    "sin": lambda lo, hi: np.ones(np.shape(hi)),
    "sinc": lambda lo, hi: np.minimum(0.437, _far(lo, hi) / 3),
    "sinh": lambda lo, hi: np.cosh(_far(lo, hi)),
    "softplus": lambda lo, hi: apply_function("sigmoid", hi),
    "sqrt": lambda lo, hi: 0.5 * lo**-0.5,
    "square": lambda lo, hi: 2 * _far(lo, hi),
    "tan": lambda lo, hi: 1 + np.maximum(np.tan(lo) ** 2, np.tan(hi) ** 2),
    "tanh": lambda lo, hi: 1 - np.tanh(_near(lo, hi)) ** 2,
}
"""The largest size of each function's slope on an interval of its domain."""

MODULI: dict[str, Callable[..., Reals]] = {
    "acos": lambda e: np.arccos(1 - np.minimum(e, 2.0)),
    "acosh": lambda e: np.arccosh(1 + e),
    "asin": lambda e: np.arccos(1 - np.minimum(e, 2.0)),
    "power": lambda e, n: e**n if 0 < n < 1 else np.full(np.shape(e), np.inf),
    "sqrt": lambda e: np.sqrt(e),
}
"""How far functions without a bound on their slope move within a distance anywhere."""


@dataclass(frozen=True)
class Domain:
    """Where a function is defined: from `low` to `high`, ends included unless open."""

    low: float = -math.inf
    high: float = math.inf
    is_open: bool = False
    hole: bool = False

    def holds(self, lo: Reals, hi: Reals) -> np.ndarray:
        """Say whether whole intervals lie in it."""
        inside = (lo > self.low) & (hi < self.high)
        if not self.is_open:
            inside = (lo >= self.low) & (hi <= self.high)
        return np.asarray(inside & ~((lo <= 0) & (hi >= 0)) if self.hole else inside)


DOMAINS = {
    "acos": Domain(-1, 1), "acosh": Domain(1), "asin": Domain(-1, 1),
    "atanh": Domain(-1, 1, True), "log": Domain(0, is_open=True), "log10": Domain(0, is_open=True),
    "log1p": Domain(-1, is_open=True), "log2": Domain(0, is_open=True),
    "reciprocal": Domain(hole=True), "sqrt": Domain(0),
}  # fmt: skip


EDGE = 1e-9
"""How far beyond the edge of a closed domain rounding of float64 may put an end of a range."""


def clipped(name: str, parameters: tuple[float, ...], lo: Reals, hi: Reals) -> tuple[Reals, Reals]:
    """Return ranges without what rounding has put beyond the edge of a domain."""
    domain = DOMAINS.get(name, Domain())
    if name == "power" and not float(parameters[0]).is_integer():
        domain = Domain(0)
    if domain.is_open:
        return lo, hi
    lo = np.where((lo < domain.low) & (lo >= domain.low - EDGE), domain.low, lo)
    return lo, np.where((hi > domain.high) & (hi <= domain.high + EDGE), domain.high, hi)


def inside(name: str, parameters: tuple[float, ...], lo: Reals, hi: Reals) -> np.ndarray:
    """Say of intervals whether a function is defined on all of them."""
    if name == "tan":
        return np.asarray(np.floor(lo / math.pi + 0.5) == np.floor(hi / math.pi + 0.5))
    if name == "power":
        (n,) = parameters
        whole = float(n).is_integer()
        return Domain(-math.inf if whole else 0, is_open=n < 0, hole=n < 0).holds(lo, hi)
    return DOMAINS.get(name, Domain()).holds(lo, hi)


def image(name: str, parameters: tuple[float, ...], lo: Reals, hi: Reals) -> tuple[Reals, Reals]:
    """Return the range of a function on intervals; all numbers where it leaves its domain.

    Raises:
        UnsupportedError: nothing is known of the function on intervals.
    """
    if name not in SLOPES and not is_rising(name):
        raise UnsupportedError(
            f"the error of the function {name!r} cannot be bounded",
            found=name,
            supported=", ".join(SLOPES),
        )
    lo, hi = clipped(name, parameters, lo, hi)
    there = inside(name, parameters, lo, hi)
    a, b = (apply_function(name, np.where(there, x, 1.0), parameters) for x in (lo, hi))
    low, high = np.minimum(a, b), np.maximum(a, b)
    spans = (lo < 0) & (hi > 0)
    if name in ("square", "cosh") or (name == "power" and parameters[0] > 0):
        least = 1.0 if name == "cosh" else 0.0
        low, high = np.where(spans, np.minimum(low, least), low), high
    elif name in ("cos", "sin"):
        shift = math.pi / 2 if name == "sin" else 0.0
        low, high = _cosine(lo - shift, hi - shift, low, high)
    elif name == "sinc":
        low, high = _sinc(lo, hi, low, high)
    elif name == "gelu":
        dips = (lo <= GELU_FLAT[1]) & (hi >= GELU_FLAT[0])
        low = np.where(dips, GELU_LEAST, low)
    return np.where(there, low, -np.inf), np.where(there, high, np.inf)


def _cosine(lo: Reals, hi: Reals, low: Reals, high: Reals) -> tuple[Reals, Reals]:
    """Return the range of cos, given that of its ends: where it turns it is 1 or -1."""
    turn, slack = 2 * math.pi, 1e-9
    peaks = np.floor((hi + slack) / turn) >= np.ceil((lo - slack) / turn)
    dips = np.floor((hi + slack) / turn - 0.5) >= np.ceil((lo - slack) / turn - 0.5)
    return np.where(dips, -1.0, low), np.where(peaks, 1.0, high)


def _sinc(lo: Reals, hi: Reals, low: Reals, high: Reals) -> tuple[Reals, Reals]:
    """Return the range of sin(x) / x, given that of its ends."""
    main = _far(lo, hi) <= SINC_TURNS  # it falls from 0 to both sides
    with np.errstate(divide="ignore"):
        envelope = 1 / _near(lo, hi)
    low = np.where(main, low, np.maximum(SINC_LEAST, -envelope))
    high = np.where(main, np.where((lo < 0) & (hi > 0), 1.0, high), np.minimum(1.0, envelope))
    return low, high


def moved(
    name: str,
    parameters: tuple[float, ...],
    real: tuple[Reals, Reals],
    limits: tuple[float, float],
    e: Reals,
) -> Reals:
    """Bound how far a function moves when its operand does; infinite where no bound is known.

    Args:
        name: of the function.
        parameters: of the function.
        real: range of the operand.
        limits: to which the moved operand is limited; the function is defined between them.
        e: how far the operand is moved at most.
    """
    a, b = np.maximum(real[0] - e, limits[0]), np.minimum(real[1] + e, limits[1])
    with np.errstate(all="ignore"):
        if name in SLOPES:
            bound = SLOPES[name](a, b, *parameters) * e
        else:  # it never falls: no farther than from end to end
            bound = apply_function(name, b, parameters) - apply_function(name, a, parameters)
        if name in MODULI:
            bound = np.fmin(bound, MODULI[name](e, *parameters))
    bound = np.where(np.isnan(bound), np.inf, bound)
    return np.asarray(np.where(e > 0, bound, 0.0))


def slope(name: str, parameters: tuple[float, ...], lo: Reals, hi: Reals) -> float:
    """Return the largest slope on an interval, infinite where none is known."""
    if name not in SLOPES:
        return math.inf
    with np.errstate(all="ignore"):
        found = float(np.max(SLOPES[name](np.asarray(lo), np.asarray(hi), *parameters)))
    return math.inf if math.isnan(found) else found


def described(name: str) -> str:
    """Return where a function is defined, in words."""
    return FUNCTIONS[name].domain
