"""Layers that are an activation: ReLU and its relatives, softmax."""

from __future__ import annotations

import numpy as np

from gatewright.frontends.keras.activations import LAYERS, activate, chain
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.recipes.activations import softmax
from gatewright.frontends.recipes.attention import masked_softmax
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
    axis, value = site.attributes["axis"], site.inputs[0]
    rank, mask = len(value.shape), site.options.get("mask")
    many = axis if isinstance(axis, list | tuple) else [axis]
    if not many or not all(isinstance(a, int) and a and -rank <= a <= rank for a in many):
        raise site.unsupported(
            "a softmax over these axes is not handled",
            "axis",
            axis,
            "axes other than the batch",
            "reshape so that the softmax runs along other axes",
        )
    axes = tuple(sorted({(a if a < 0 else a - 1) % rank for a in many}))
    if not isinstance(mask, Value):
        return (
            softmax(site, value, axes[0]) if len(axes) == 1 else masked_softmax(site, value, axes)
        )
    if len(mask.shape) != rank:
        raise site.unsupported(
            "the mask of a softmax does not fit", "mask", f"shape {mask.shape} for {value.shape}",
            "a mask of as many axes", "give the mask the axes that it lacks",
        )  # fmt: skip
    return masked_softmax(site, value, axes, mask)


PRELU = Table(
    {"shared_axes": None}, frozenset({"alpha_initializer", "alpha_regularizer", "alpha_constraint"})
)

HANDLERS = (
    Handler("Activation", "keras", Table({"activation": REQUIRED}), _activation),
    Handler("PReLU", "keras", PRELU, _prelu),
    Handler("Softmax", "keras", Table({"axis": -1}), _softmax, options=frozenset({"mask"})),
    *(Handler(kind, "keras", table, _chain) for kind, (table, _) in LAYERS.items()),
)
