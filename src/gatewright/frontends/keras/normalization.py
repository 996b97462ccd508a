"""Batch normalisation, rescaling and standardisation: a scale and an offset per element."""

from __future__ import annotations

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.activations import MOST, number
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.ops import Affine


def channel_axis(site: Site) -> int:
    """Return the attribute `axis`, counted without the batch."""
    axis, rank = site.attributes["axis"], len(site.input.shape)
    if isinstance(axis, list) and len(axis) == 1:
        axis = axis[0]
    if not isinstance(axis, int) or axis == 0 or not -rank <= axis <= rank:
        raise site.unsupported(
            "a normalisation over these axes is not handled",
            "axis",
            axis,
            "one axis other than the batch",
            "normalise along one axis",
        )
    return axis - 1 if axis > 0 else rank + axis


def check_variance(site: Site, variance: Array, epsilon: float) -> None:
    """Refuse a variance whose root is not positive."""
    if not (variance.astype(np.float64) + epsilon > 0).all():
        raise ModelError(
            "a batch normalisation divides by zero or by the root of a negative number",
            place=site.at("moving_variance"),
            found=f"smallest variance {variance.min()} with epsilon {epsilon}",
            supported="variance + epsilon above 0",
            remedy="train again, or restore an earlier checkpoint",
        )


def statistics(site: Site, count: int) -> dict[str, Array]:
    """Return the weights of a batch normalisation by name, each of shape (count,)."""
    names = [
        name for name, there in (("gamma", "scale"), ("beta", "center")) if site.attributes[there]
    ] + ["moving_mean", "moving_variance"]
    weights = dict(zip(names, site.floats(*names), strict=True))
    for name, array in weights.items():
        site.expect(name, array, (count,))
    return weights


def _batch_normalization(site: Site) -> Value:
    axis = channel_axis(site)
    count = site.input.shape[axis]
    weights = statistics(site, count)
    shape = (count, *(1,) * (len(site.input.shape) - axis - 1))
    gamma = weights.get("gamma", np.ones(count)).astype(np.float64)
    beta = weights.get("beta", np.zeros(count)).astype(np.float64)
    epsilon = number(site, "epsilon", site.attributes["epsilon"])
    check_variance(site, weights["moving_variance"], epsilon)
    mean, variance = (weights[n].astype(np.float64) for n in ("moving_mean", "moving_variance"))
    whole = Affine.of_batch_normalization(gamma, beta, mean, variance, epsilon)
    return site.emit(Affine(whole.scale.reshape(shape), whole.offset.reshape(shape)), site.input)


def _numbers(site: Site, attribute: str) -> Array:
    """Return a number, or a list of numbers over the last axes, as float32."""
    try:
        numbers = np.asarray(site.attributes[attribute], np.float64)
        fits = np.broadcast_shapes(numbers.shape, site.input.shape) == site.input.shape
    except (TypeError, ValueError):
        fits = False
    if not fits or not (np.abs(numbers) < MOST).all():
        raise site.unsupported(
            "a rescaling is malformed",
            attribute,
            repr(site.attributes[attribute])[:200],
            f"finite numbers that broadcast to {site.input.shape}",
            "correct the layer",
        )
    return numbers.astype(np.float32).astype(np.float64)


def _rescaling(site: Site) -> Value:
    scale, offset = (_numbers(site, name) for name in ("scale", "offset"))
    return site.emit(Affine(scale, offset), site.input)


STATISTICS = frozenset(
    [
        "momentum",
        "synchronized",
        "fused",
        "virtual_batch_size",
        "renorm_clipping",
        "renorm_momentum",
        "beta_initializer",
        "beta_regularizer",
        "beta_constraint",
        "gamma_initializer",
        "gamma_regularizer",
        "gamma_constraint",
        "moving_mean_initializer",
        "moving_variance_initializer",
    ]
)
"""Attributes of a batch normalisation that act in training only."""

BATCH = Table(
    {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True},
    STATISTICS,
    only={"renorm": (False, None)},
)

HANDLERS = (
    Handler("BatchNormalization", "keras", BATCH, _batch_normalization),
    Handler("Rescaling", "keras", Table({"scale": REQUIRED, "offset": 0.0}), _rescaling),
)
