"""Functions of one number, and normalisations, of `keras.ops`: `nn.py`, `math.py`, `numpy.py`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.frontends.keras.activations import DIRECT, chain, number, single
from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.operations.operands import argument, array, axes_of, axis_of, tensor
from gatewright.frontends.recipes import activations as recipes
from gatewright.frontends.recipes.normalization import normalize_axes
from gatewright.ir import Op
from gatewright.ops import Affine, Function, LeakyRelu, Multiply, Normalize
from gatewright.ops.piecewise import shrink, threshold

Build = Callable[[Site], Value]
X = frozenset({"x"})
EPSILON = 1e-7
"""Keras's epsilon, where a call names none."""


def _chain(*ops: Op) -> Build:
    return lambda site: chain(site, tensor(site), ops)


def _parameter(site: Site, name: str) -> float:
    return number(site, name, site.attributes[name])


def _with(name: str, build: Callable[[float], Op]) -> Build:
    """Return a handler of an operation made of one attribute."""
    return lambda site: site.emit(build(_parameter(site, name)), tensor(site))


def _gelu(site: Site) -> Value:
    name = "gelu_tanh" if site.attributes["approximate"] else "gelu"
    return site.emit(Function(name), tensor(site))


def _threshold(site: Site) -> Value:
    limit, value = _parameter(site, "threshold"), _parameter(site, "default_value")
    return site.emit(threshold(limit, value), tensor(site))


def _glu(site: Site) -> Value:
    x = tensor(site)
    return recipes.gated(site, x, axis_of(site, len(x.shape)))


def _log_softmax(site: Site) -> Value:
    x = tensor(site)
    return recipes.log_softmax(site, x, axis_of(site, len(x.shape)))


def _power(site: Site) -> Value:
    """Return x to a constant exponent; squares and cubes as exact products."""
    x, found = tensor(site, 0, "x1"), argument(site, 1, "x2")
    if isinstance(found, Value):
        raise site.unsupported(
            "a power with a computed exponent is not handled", "x2", "a tensor", "a number",
            "use a constant exponent",
        )  # fmt: skip
    exponents = array(site, found, "x2")
    if exponents.size != 1:
        raise site.unsupported(
            "a power has several exponents", "x2", exponents.shape, "one number", "split the call"
        )
    exponent = float(exponents.flat[0])
    if exponent == 1:
        return site.emit(Affine(np.asarray(1.0), np.asarray(0.0)), x)
    if exponent in (2.0, 3.0):
        square = site.emit(Multiply(), x, x, suffix="square")
        return square if exponent == 2.0 else site.emit(Multiply(), square, x)
    return site.emit(Function("power", None, (exponent,)), x)


def _epsilon(site: Site) -> float:
    given = site.attributes["epsilon"]
    return single(EPSILON) if given is None else _parameter(site, "epsilon")


def _untrained(site: Site, *names: str) -> None:
    """Refuse a scale or offset given to the call, which would be a tensor or an array."""
    for i, name in enumerate(names, 1):
        given = site.arguments[i] if i < len(site.arguments) else site.options.get(name)
        if given is not None:
            raise site.unsupported(
                "a normalisation by a function has a scale or offset", name, repr(given)[:60],
                "none", "use the layer of the same name, or multiply behind it",
            )  # fmt: skip


def _layer_norm(site: Site) -> Value:
    _untrained(site, "gamma", "beta")
    x, scaling = tensor(site), bool(site.attributes["rms_scaling"])
    op = Normalize(not scaling, "variance", _epsilon(site))
    return normalize_axes(site, x, axes_of(site, len(x.shape)), op)


def _rms_norm(site: Site) -> Value:
    _untrained(site, "scale")
    x = tensor(site)
    op = Normalize(False, "mean square", _epsilon(site))
    return normalize_axes(site, x, axes_of(site, len(x.shape)), op)


def _normalize(site: Site) -> Value:
    """Return x divided by its length, which counts as epsilon at least."""
    x = tensor(site)
    if site.attributes["order"] != 2:
        raise site.unsupported(
            "a norm of another order", "order", site.attributes["order"], "2", "use order 2"
        )
    op = Normalize(False, "square sum", _epsilon(site) ** 2, "limit")
    return normalize_axes(site, x, axes_of(site, len(x.shape)), op)


def _celu(alpha: float) -> Op:
    return Function("celu", None, (alpha,))


def _elu(alpha: float) -> Op:
    return Function("elu") if alpha == 1.0 else Function("elu_alpha", None, (alpha,))


NAMED = {
    "HardTanh": "hard_tanh", "LogSigmoid": "log_sigmoid", "Mish": "mish",
    "SparsePlus": "sparse_plus", "SparseSigmoid": "sparse_sigmoid", "TanhShrink": "tanh_shrink",
}  # fmt: skip
"""Activations without attributes, by the name of their operation."""

TABLED = {
    "Arccos": "acos", "Arccosh": "acosh", "Arcsin": "asin", "Arcsinh": "asinh", "Arctan": "atan",
    "Arctanh": "atanh", "Cos": "cos", "Cosh": "cosh", "Erf": "erf", "Exp2": "exp2",
    "Expm1": "expm1", "Log": "log", "Log10": "log10", "Log1p": "log1p", "Log2": "log2",
    "Reciprocal": "reciprocal", "Sin": "sin", "Sinh": "sinh", "Sqrt": "sqrt", "Tan": "tan",
}  # fmt: skip
"""Functions by table, by the name of their operation."""

PLAIN = Table()
HANDLERS = (
    *(Handler(kind, "keras", PLAIN, _chain(*DIRECT[n]), X) for kind, n in NAMED.items()),
    *(Handler(kind, "keras", PLAIN, _chain(Function(n)), X) for kind, n in TABLED.items()),
    Handler("Celu", "keras", Table({"alpha": 1.0}), _with("alpha", _celu), X),
    Handler("Elu", "keras", Table({"alpha": 1.0}), _with("alpha", _elu), X),
    Handler("Gelu", "keras", Table({"approximate": True}), _gelu, X),
    Handler("Glu", "keras", Table({"axis": -1}), _glu, X),
    Handler(
        "HardShrink", "keras", Table({"threshold": 0.5}),
        _with("threshold", lambda t: shrink(t, 0.0)), X,
    ),
    Handler(
        "LayerNorm", "keras", Table({"axis": -1, "epsilon": None, "rms_scaling": False}),
        _layer_norm, X, True,
    ),
    Handler(
        "LeakyRelu", "keras", Table({"negative_slope": 0.2}),
        _with("negative_slope", lambda s: LeakyRelu(np.asarray(s))), X,
    ),
    Handler("LogSoftmax", "keras", Table({"axis": -1}), _log_softmax, X),
    Handler("Normalize", "keras", Table({"axis": -1, "order": 2, "epsilon": None}), _normalize, X),
    Handler("Power", "keras", PLAIN, _power, frozenset({"x1", "x2"}), True),
    Handler("RMSNorm", "keras", Table({"axis": -1, "epsilon": None}), _rms_norm, X, True),
    Handler("Rsqrt", "keras", PLAIN, _chain(Function("rsqrt", None, (0.0,))), X),
    Handler(
        "SoftShrink", "keras", Table({"threshold": 0.5}),
        _with("threshold", lambda t: shrink(t, t)), X,
    ),
    Handler(
        "Squareplus", "keras", Table({"b": 4}),
        _with("b", lambda b: Function("squareplus", None, (b,))), X,
    ),
    Handler("Threshold", "keras", Table({"threshold": 0.0, "default_value": 0.0}), _threshold, X),
)  # fmt: skip
