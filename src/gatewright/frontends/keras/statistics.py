"""Layers that normalise by statistics of each sample: layer, group, RMS and unit normalisation.

Meaning from Keras 3.15 (`keras/src/layers/normalization`, `keras/src/ops/nn.py`) and tf_keras 2.
"""

from __future__ import annotations

import numpy as np

from gatewright.frontends.keras.activations import MOST, number
from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.recipes.normalization import (
    normalize_axes,
    normalize_groups,
    scale_and_offset,
)
from gatewright.ir import Reals
from gatewright.ops import Affine, Normalize

UNIT_EPSILON = 1e-12
"""Least length that a UnitNormalization divides by."""


def sample_axes(site: Site, attribute: str = "axis") -> tuple[int, ...]:
    """Return the attribute's axes, counted from 0 without the batch, ascending.

    Raises:
        UnsupportedError: the batch is among them, one is named twice, or Keras sorts them into
            another order than they stand in (their weights are then laid out in that order).
    """
    found, rank = site.attributes[attribute], len(site.input.shape)
    given = found if isinstance(found, list) else [found]
    fits = bool(given) and all(
        isinstance(a, int) and not isinstance(a, bool) and a != 0 and -rank <= a <= rank
        for a in given
    )
    axes = [a - 1 if a > 0 else rank + a for a in sorted(given)] if fits else []
    if not fits or axes != sorted(set(axes)):
        raise site.unsupported(
            "a normalisation over these axes is not handled",
            attribute,
            found,
            "axes other than the batch, each once, all counted from the front or all from the back",
            "name the axes in one way, without the batch",
        )
    return tuple(axes)


def _spread(array: Array, axes: tuple[int, ...], rank: int) -> Reals:
    """Return a weight of the shape of some axes so that it broadcasts against the sample."""
    lengths = dict(zip(axes, array.shape, strict=True))
    shape = [lengths.get(a, 1) for a in range(axes[0], rank)]
    return array.astype(np.float64).reshape(shape)


def _trained(site: Site, names: tuple[str, ...], axes: tuple[int, ...]) -> dict[str, Reals]:
    """Return weights by name, to broadcast against the sample."""
    shape = tuple(site.input.shape[a] for a in axes)
    arrays = dict(zip(names, site.floats(*names), strict=True)) if names else {}
    for name, array in arrays.items():
        site.expect(name, array, shape)
    return {k: _spread(v, axes, len(site.input.shape)) for k, v in arrays.items()}


def _names(site: Site) -> tuple[str, ...]:
    pairs = (("gamma", "scale"), ("beta", "center"))
    return tuple(name for name, there in pairs if site.attributes[there])


def _epsilon(site: Site) -> float:
    """Return epsilon, which must not be negative."""
    epsilon = number(site, "epsilon", site.attributes["epsilon"])
    if epsilon < 0:
        raise site.unsupported(
            "a normalisation has a negative epsilon",
            "epsilon",
            epsilon,
            "0 and above",
            "correct it",
        )
    return epsilon


def _layer_normalization(site: Site) -> Value:
    """Normalise over axes; `rms_scaling` divides by the deviation and subtracts no mean."""
    axes, scaling = sample_axes(site), bool(site.attributes["rms_scaling"])
    names = ("gamma",) if scaling else _names(site)
    own = _trained(site, names, axes)
    op = Normalize(not scaling, "variance", _epsilon(site))
    y = normalize_axes(site, site.input, axes, op)
    return scale_and_offset(site, y, own.get("gamma"), own.get("beta"))


def _rms_normalization(site: Site) -> Value:
    axes = sample_axes(site)
    own = _trained(site, ("scale",), axes)
    op = Normalize(False, "mean square", _epsilon(site))
    y = normalize_axes(site, site.input, axes, op)
    return scale_and_offset(site, y, own["scale"], None)


def _group_normalization(site: Site) -> Value:
    axis = sample_axes(site)
    rank, shape = len(site.input.shape), site.input.shape
    if len(axis) != 1 or axis[0] not in (0, rank - 1):
        raise site.unsupported(
            "a group normalisation of an inner axis is not handled",
            "axis",
            site.attributes["axis"],
            "the last axis, or the first after the batch",
            "move the channels to the end by a Permute layer before, and back behind",
        )
    channels, groups = shape[axis[0]], site.attributes["groups"]
    groups = channels if groups == -1 else groups
    if not isinstance(groups, int) or groups <= 0 or channels % groups:
        raise site.unsupported(
            "groups that do not divide the channels",
            "groups",
            groups,
            f"a divisor of {channels}",
            "correct the layer",
        )
    own = _trained(site, _names(site), axis)
    op = Normalize(True, "variance", _epsilon(site))
    y = normalize_groups(site, site.input, groups, op, axis[0] == rank - 1)
    return scale_and_offset(site, y, own.get("gamma"), own.get("beta"))


def _unit_normalization(site: Site) -> Value:
    axes = sample_axes(site)
    op = Normalize(False, "square sum", UNIT_EPSILON**2, "limit")
    return normalize_axes(site, site.input, axes, op)


def _normalization(site: Site) -> Value:
    """Return `(x - mean) / max(sqrt(variance), 1e-7)`, or the inverse, with constants."""
    axes = () if site.attributes["axis"] in (None, []) else sample_axes(site)
    rank = len(site.input.shape)
    mean, variance = _moments(site, axes, rank)
    root = np.maximum(np.sqrt(variance), float(np.float32(1e-7)))
    if site.attributes["invert"]:
        return site.emit(Affine(root, mean), site.input)
    return site.emit(Affine(1 / root, -mean / root), site.input)


def _moments(site: Site, axes: tuple[int, ...], rank: int) -> tuple[Reals, Reals]:
    """Return mean and variance: given in the configuration, or adapted to data and saved."""
    given = [site.attributes[name] for name in ("mean", "variance")]
    if given == [None, None]:
        names = ("mean", "variance", "count")
        arrays = [np.asarray(a, np.float32) for a in site.arrays(*names)[:2]]
        for name, array in zip(names, arrays, strict=False):
            site.expect(name, array, tuple(site.input.shape[a] for a in axes))
    else:
        arrays = [_moment(site, "mean"), _moment(site, "variance")]
        if arrays[0].shape != arrays[1].shape or arrays[0].ndim > len(axes):
            raise site.unsupported(
                "mean and variance do not fit the axes", "mean", arrays[0].shape,
                f"arrays of one shape, of up to {len(axes)} axes", "correct the layer",
            )  # fmt: skip
        arrays = [a.reshape((1,) * (len(axes) - a.ndim) + a.shape) for a in arrays]
    if not (arrays[1] >= 0).all():
        raise site.unsupported(
            "a variance is negative",
            "variance",
            float(arrays[1].min()),
            "0 and above",
            "adapt again",
        )
    if not axes:
        return tuple(a.astype(np.float64) for a in arrays)  # type: ignore[return-value]
    mean, variance = (_spread(a, axes, rank) for a in arrays)
    return mean, variance


def _moment(site: Site, attribute: str) -> Array:
    try:
        values = np.asarray(site.attributes[attribute], np.float64)
    except (TypeError, ValueError):
        values = np.asarray(np.nan)
    if not (np.abs(values) < MOST).all():
        raise site.unsupported(
            "a statistic is no finite number", attribute, repr(site.attributes[attribute])[:100],
            "finite numbers", "correct the layer",
        )  # fmt: skip
    return values.astype(np.float32)


TRAINING = frozenset(
    f"{name}_{kind}"
    for name in ("beta", "gamma")
    for kind in ("initializer", "regularizer", "constraint")
)
SCALED = {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True}

HANDLERS = (
    Handler(
        "GroupNormalization", "keras", Table({**SCALED, "groups": 32}, TRAINING),
        _group_normalization,
    ),
    Handler(
        "LayerNormalization", "keras", Table({**SCALED, "rms_scaling": False}, TRAINING),
        _layer_normalization,
    ),
    Handler(
        "Normalization", "keras",
        Table({"axis": -1, "mean": None, "variance": None, "invert": False}), _normalization,
    ),
    Handler("RMSNormalization", "keras", Table({"axis": -1, "epsilon": 1e-6}), _rms_normalization),
    Handler("UnitNormalization", "keras", Table({"axis": -1}), _unit_normalization),
)  # fmt: skip
