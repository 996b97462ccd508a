"""Layers that are an activation: ReLU and its relatives, softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.frontends.keras.activations import activate, chain, single
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.ir import Op
from gatewright.ops import Clip, Function, LeakyRelu, Relu, Softmax, Transpose

MOST = 3e38
"""Largest size of a float32."""


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


def _activation(site: Site) -> Value:
    return activate(site, site.input, site.attributes["activation"])


def _relu(site: Site) -> Value:
    slope = number(site, "negative_slope", site.attributes["negative_slope"] or 0.0)
    most = site.attributes["max_value"]
    if number(site, "threshold", site.attributes["threshold"] or 0.0) != 0.0:
        raise site.unsupported(
            "a ReLU with a threshold jumps there, and is not handled",
            "threshold",
            site.attributes["threshold"],
            "0",
            "train with threshold 0",
        )
    high = None if most is None else number(site, "max_value", most)
    if slope == 0.0:
        return site.emit(Relu(high=high), site.input)
    ops: tuple[Op, ...] = (LeakyRelu(np.asarray(slope)),)
    return chain(site, site.input, ops if high is None else (*ops, Clip(None, high)))


def _leaky_relu(site: Site) -> Value:
    name = "negative_slope" if "negative_slope" in site.layer.config else "alpha"
    given = site.attributes[name]
    slope = number(site, name, 0.3 if given is None else given)
    return site.emit(LeakyRelu(np.asarray(slope)), site.input)


def _prelu(site: Site) -> Value:
    shared = site.attributes["shared_axes"] or []
    if not isinstance(shared, list):
        raise site.unsupported(
            "the shared axes are no list", "shared_axes", repr(shared), "axes from 1", "correct it"
        )
    (alpha,) = site.floats("alpha")
    shape = tuple(
        1 if axis + 1 in shared or axis - len(site.input.shape) in shared else length
        for axis, length in enumerate(site.input.shape)
    )
    site.expect("alpha", alpha, shape)
    return site.emit(LeakyRelu(alpha.astype(np.float64)), site.input)


def _elu(site: Site) -> Value:
    alpha = number(site, "alpha", site.attributes["alpha"])
    ops: tuple[Op, ...] = (Function("elu"),)
    # elu is negative where x is, so that scaling its negative part gives alpha * (exp(x) - 1).
    return chain(site, site.input, ops if alpha == 1.0 else (*ops, LeakyRelu(np.asarray(alpha))))


def _softmax(site: Site) -> Value:
    axis, rank = site.attributes["axis"], len(site.input.shape)
    if isinstance(axis, list) and len(axis) == 1:
        axis = axis[0]
    if not isinstance(axis, int) or axis == 0 or not -rank <= axis <= rank:
        raise site.unsupported(
            "a softmax over these axes is not handled",
            "axis",
            axis,
            "one axis other than the batch",
            "reshape so that the softmax runs along one axis",
        )
    axis = axis - 1 if axis > 0 else rank + axis
    if axis == rank - 1:
        return site.emit(Softmax(), site.input)
    swap = list(range(rank))
    swap[axis], swap[-1] = swap[-1], swap[axis]
    turned = site.emit(Transpose(tuple(swap)), site.input, suffix="transpose")
    return site.emit(Transpose(tuple(swap)), site.emit(Softmax(), turned), suffix="back")


RELU = Table({"max_value": None, "negative_slope": 0.0, "threshold": 0.0})
LEAKY = Table({"negative_slope": None, "alpha": None})
PRELU = Table(
    {"shared_axes": None}, frozenset({"alpha_initializer", "alpha_regularizer", "alpha_constraint"})
)

HANDLERS = (
    Handler("Activation", "keras", Table({"activation": REQUIRED}), _activation),
    Handler("ReLU", "keras", RELU, _relu),
    Handler("LeakyReLU", "keras", LEAKY, _leaky_relu),
    Handler("PReLU", "keras", PRELU, _prelu),
    Handler("ELU", "keras", Table({"alpha": 1.0}), _elu),
    Handler("Softmax", "keras", Table({"axis": -1}), _softmax),
)
