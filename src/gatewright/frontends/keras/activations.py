"""Activation functions by name, with the meaning that the Keras version gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.handler import Site, Value
from gatewright.frontends.recipes import activations as recipes
from gatewright.ir import Op
from gatewright.ops import Clip, Function, LeakyRelu, Relu, Softmax
from gatewright.ops.piecewise import shrink

MOST = 3e38
"""Largest size of a float32."""

DIRECT: dict[str, tuple[Op, ...]] = {
    "celu": (Function("celu", None, (1.0,)),),
    "elu": (Function("elu"),),
    "exponential": (Function("exp"),),
    "gelu": (Function("gelu"),),
    "hard_shrink": (shrink(0.5, 0.0),),
    "hard_tanh": (Clip(-1.0, 1.0),),
    "linear": (),
    "log_sigmoid": (Function("log_sigmoid"),),
    "mish": (Function("mish"),),
    "relu": (Relu(),),
    "relu6": (Relu(high=6.0),),
    "selu": (Function("selu"),),
    "sigmoid": (Function("sigmoid"),),
    "silu": (Function("silu"),),
    "soft_shrink": (shrink(0.5, 0.5),),
    "softmax": (Softmax(),),
    "softplus": (Function("softplus"),),
    "softsign": (Function("softsign"),),
    "sparse_plus": (Function("sparse_plus"),),
    "sparse_sigmoid": recipes.hard_sigmoid(0.5),
    "squareplus": (Function("squareplus", None, (4.0,)),),
    "swish": (Function("silu"),),
    "tanh": (Function("tanh"),),
    "tanh_shrink": (Function("tanh_shrink"),),
}
"""Functions that mean the same in every version, with the constants they have by default."""

BUILT: dict[str, Callable[[Site, Value], Value]] = {
    "glu": lambda site, x: recipes.gated(site, x, len(x.shape) - 1),
    "hard_silu": recipes.hard_silu,
    "hard_swish": recipes.hard_silu,
    "log_softmax": lambda site, x: recipes.log_softmax(site, x, len(x.shape) - 1),
}
"""Functions that take several operations side by side."""

VERSIONED = ("hard_sigmoid", "leaky_relu")
SUPPORTED = ", ".join(sorted((*DIRECT, *BUILT, *VERSIONED)))


def single(value: float) -> float:
    """Return a Python number as the float32 that Keras computes with."""
    return float(np.float32(value))


def hard_sigmoid_ops(site: Site, attribute: str) -> tuple[Op, ...]:
    """Return clip(a * x + 0.5, 0, 1): a is 0.2 in Keras 2 and 1/6 in Keras 3."""
    if site.keras not in (2, 3):
        raise site.unsupported(
            "hard_sigmoid means one thing in Keras 2 and another in Keras 3",
            attribute,
            "a file that does not say which Keras wrote it",
            "files with a keras_version",
            "load the model with the Keras it was trained in and save it again",
        )
    slope = single(0.2) if site.keras == 2 else 1.0 / 6.0
    return recipes.hard_sigmoid(slope)


def activate(site: Site, value: Value, function: Any, attribute: str = "activation") -> Value:
    """Append what a configuration names: a text, None, a serialized function or activation layer.

    Raises:
        UnsupportedError: it is none of `SUPPORTED`.
    """
    if isinstance(function, Mapping) and function.get("class_name") in LAYERS:
        return _layer(site, value, function, attribute)
    name = function_name(function)
    if name is None:
        raise _no_function(site, function, attribute)
    if name in DIRECT:
        return chain(site, value, DIRECT[name])
    if name == "leaky_relu":
        return chain(site, value, (LeakyRelu(np.asarray(single(0.2))),))
    if name == "hard_sigmoid":
        return chain(site, value, hard_sigmoid_ops(site, attribute))
    if name in BUILT:
        return BUILT[name](site, value)
    raise site.unsupported(
        "an activation function is not handled",
        attribute,
        name,
        SUPPORTED,
        "train with a supported activation, or take the function out of the model",
    )


def _no_function(site: Site, function: Any, attribute: str) -> UnsupportedError:
    """Return the error for what is no named function."""
    kind = function.get("class_name") if isinstance(function, Mapping) else None
    if kind == "__lambda__":
        return UnsupportedError(
            "an activation holds Python code, which is never run from a file",
            place=site.at(attribute),
            found="a lambda",
            supported=SUPPORTED,
            remedy="use a named function, or express it by layers",
        )
    return site.unsupported(
        "an activation is no function of Keras",
        attribute,
        kind or repr(function)[:100],
        SUPPORTED,
        "use a named function, or express it by layers",
    )


def function_name(function: Any) -> str | None:
    """Return the name of a function, None where the configuration holds something else."""
    if function is None:
        return "linear"
    if isinstance(function, Mapping):
        inner = function.get("config")
        if function.get("class_name") == "function" and isinstance(inner, str):
            module = str(function.get("module") or "builtins").split(".")[0]
            return inner if module in ("builtins", "keras", "tf_keras") else None
        return None
    return function if isinstance(function, str) else None


def chain(site: Site, value: Value, ops: tuple[Op, ...], suffix: str = "") -> Value:
    """Append operations one after the other."""
    for op in ops:
        value = site.emit(op, value, suffix=suffix or op.kind)
    return value


def number(site: Site, attribute: str, value: Any) -> float:
    """Return an attribute as float32, finite."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) < MOST:
        raise site.unsupported(
            "an attribute is no number",
            attribute,
            repr(value),
            "a finite number",
            "correct the layer",
        )
    return single(value)


def relu_ops(site: Site) -> tuple[Op, ...]:
    """Return what a ReLU layer computes: see `recipes.rectifier`."""
    slope = number(site, "negative_slope", site.attributes["negative_slope"] or 0.0)
    most = site.attributes["max_value"]
    threshold = number(site, "threshold", site.attributes["threshold"] or 0.0)
    high = None if most is None else number(site, "max_value", most)
    return recipes.rectifier(slope, high, threshold)


def leaky_relu_ops(site: Site) -> tuple[Op, ...]:
    """Return what a LeakyReLU layer computes; Keras 2 calls its slope alpha."""
    slope, alpha = site.attributes["negative_slope"], site.attributes["alpha"]
    name, given = ("alpha", alpha) if slope is None else ("negative_slope", slope)
    return (LeakyRelu(np.asarray(number(site, name, 0.3 if given is None else given))),)


def elu_ops(site: Site) -> tuple[Op, ...]:
    """Return x, below zero alpha * (exp(x) - 1)."""
    alpha = number(site, "alpha", site.attributes["alpha"])
    if alpha < 0:
        raise site.unsupported(
            "an ELU has a negative alpha", "alpha", alpha, "0 and above", "correct the layer"
        )
    return (Function("elu") if alpha == 1.0 else Function("elu_alpha", None, (alpha,)),)


def thresholded_relu_ops(site: Site) -> tuple[Op, ...]:
    """Return x where it is above theta, else 0."""
    return recipes.rectifier(0.0, None, number(site, "theta", site.attributes["theta"]))


RELU = Table({"max_value": None, "negative_slope": 0.0, "threshold": 0.0})
LEAKY = Table({"negative_slope": None, "alpha": None})

LAYERS: dict[str, tuple[Table, Callable[[Site], tuple[Op, ...]]]] = {
    "ELU": (Table({"alpha": 1.0}), elu_ops),
    "LeakyReLU": (LEAKY, leaky_relu_ops),
    "ReLU": (RELU, relu_ops),
    "ThresholdedReLU": (Table({"theta": 1.0}), thresholded_relu_ops),
}
"""Layers that are an activation without weights, and may stand for one in a configuration."""


def _layer(site: Site, value: Value, entry: Mapping[str, Any], attribute: str) -> Value:
    """Append an activation given as a layer, whose attributes are checked as the layer's are."""
    table, build = LAYERS[str(entry["class_name"])]
    settings = entry.get("config")
    module = str(entry.get("module") or "keras").split(".")[0]
    if not isinstance(settings, Mapping) or module not in ("keras", "tf_keras"):
        raise _no_function(site, entry, attribute)
    attributes = table.read(settings, site.at(attribute), str(entry["class_name"]))
    return chain(site, value, build(replace(site, attributes=attributes)))
