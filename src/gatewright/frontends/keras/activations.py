"""Activation functions by name, with the meaning that the Keras version gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.frontends.keras.handler import Site, Value
from gatewright.ir import Op
from gatewright.ops import Affine, Clip, Function, LeakyRelu, Multiply, Relu, Softmax

DIRECT: dict[str, tuple[Op, ...]] = {
    "elu": (Function("elu"),),
    "exponential": (Function("exp"),),
    "hard_tanh": (Clip(-1.0, 1.0),),
    "linear": (),
    "relu": (Relu(),),
    "relu6": (Relu(high=6.0),),
    "selu": (Function("selu"),),
    "sigmoid": (Function("sigmoid"),),
    "silu": (Function("silu"),),
    "softmax": (Softmax(),),
    "softplus": (Function("softplus"),),
    "softsign": (Function("softsign"),),
    "swish": (Function("silu"),),
    "tanh": (Function("tanh"),),
}
"""Functions that mean the same in every version."""

VERSIONED = ("hard_sigmoid", "hard_silu", "hard_swish", "leaky_relu")
SUPPORTED = ", ".join(sorted((*DIRECT, *VERSIONED)))


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
    return Affine(np.asarray(slope), np.asarray(0.5)), Clip(0.0, 1.0)


def activate(site: Site, value: Value, function: Any, attribute: str = "activation") -> Value:
    """Append the activation that a configuration names: a text, None, or a serialized function.

    Raises:
        UnsupportedError: it is none of `SUPPORTED`.
    """
    name = function_name(function)
    if name is None:
        raise _no_function(site, function, attribute)
    if name in DIRECT:
        return chain(site, value, DIRECT[name])
    if name == "leaky_relu":
        return chain(site, value, (LeakyRelu(np.asarray(single(0.2))),))
    if name == "hard_sigmoid":
        return chain(site, value, hard_sigmoid_ops(site, attribute))
    if name in ("hard_silu", "hard_swish"):
        gate = chain(
            site, value, (Affine(np.asarray(1.0 / 6.0), np.asarray(0.5)), Clip(0.0, 1.0)), "gate"
        )
        return site.emit(Multiply(), value, gate)
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
