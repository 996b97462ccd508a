"""Layers that are an activation: ReLU and its relatives, softmax."""

from __future__ import annotations

import numpy as np

from gatewright.frontends.keras.activations import LAYERS, activate, chain
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.recipes.activations import softmax
from gatewright.ops import LeakyRelu


def _activation(site: Site) -> Value:
    return activate(site, site.input, site.attributes["activation"])


def _chain(site: Site) -> Value:
    """Append what a layer without weights computes."""
    ops = LAYERS[site.layer.kind][1](site)
    return site.emit(ops[0], site.input) if len(ops) == 1 else chain(site, site.input, ops)


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
    return softmax(site, site.input, axis)


PRELU = Table(
    {"shared_axes": None}, frozenset({"alpha_initializer", "alpha_regularizer", "alpha_constraint"})
)

HANDLERS = (
    Handler("Activation", "keras", Table({"activation": REQUIRED}), _activation),
    Handler("PReLU", "keras", PRELU, _prelu),
    Handler("Softmax", "keras", Table({"axis": -1}), _softmax),
    *(Handler(kind, "keras", table, _chain) for kind, (table, _) in LAYERS.items()),
)
