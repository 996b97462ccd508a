"""Layers that move elements, and layers that do nothing at inference."""

from __future__ import annotations

import math

from gatewright.base import ModelError
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.ops import Reshape, Transpose


def _flatten(site: Site) -> Value:
    """Join all axes; channels that stand in front are put last first, as Keras does."""
    rank = len(site.input.shape)
    form = site.attributes["data_format"]
    if form not in ("channels_last", "channels_first", None):
        raise site.unsupported(
            "a data format is not handled", "data_format", repr(form)[:100],
            "channels_last or channels_first", "save the model with one of these",
        )  # fmt: skip
    if form == "channels_first" and rank > 1:
        turned = site.emit(Transpose((*range(1, rank), 0)), site.input, suffix="channels_last")
        return site.emit(Reshape((math.prod(site.input.shape),)), turned)
    return site.emit(Reshape((math.prod(site.input.shape),)), site.input)


def _reshape(site: Site) -> Value:
    wanted, shape = site.attributes["target_shape"], site.input.shape
    wanted = list(wanted) if isinstance(wanted, list) else [wanted]
    known = math.prod(n for n in wanted if isinstance(n, int) and n > 0)
    sound = all(isinstance(n, int) and (n > 0 or n == -1) for n in wanted) and wanted.count(-1) <= 1
    total = math.prod(shape)
    if not sound or total % known or (-1 not in wanted and known != total):
        raise ModelError(
            "a reshape does not keep the number of elements",
            place=site.at("target_shape"),
            found=f"{wanted} from {shape}",
            supported="lengths above 0 with the same product, one of them -1 at most",
        )
    return site.emit(Reshape(tuple(total // known if n == -1 else n for n in wanted)), site.input)


def _permute(site: Site) -> Value:
    dims = site.attributes["dims"]
    axes = list(range(1, len(site.input.shape) + 1))
    sound = isinstance(dims, list) and all(isinstance(d, int) for d in dims)
    if not sound or sorted(dims) != axes:
        raise ModelError(
            "a permutation does not name every axis once",
            place=site.at("dims"),
            found=f"{dims} of shape {site.input.shape}",
            supported="the axes from 1, each once",
        )
    return site.emit(Transpose(tuple(d - 1 for d in dims)), site.input)


def _nothing(site: Site) -> Value:
    return site.input


TRAINING = ("Dropout", {"rate", "seed", "noise_shape"}), (
    "AlphaDropout", {"rate", "seed", "noise_shape"}), (
    "GaussianDropout", {"rate", "seed"}), (
    "GaussianNoise", {"stddev", "seed"}), (
    "SpatialDropout1D", {"rate", "seed", "name", "data_format"}), (
    "SpatialDropout2D", {"rate", "seed", "name", "data_format"}), (
    "SpatialDropout3D", {"rate", "seed", "name", "data_format"}), (
    "ActivityRegularization", {"l1", "l2"}), (
    "Identity", set[str]())  # fmt: skip
"""Layers that act in training only, with their attributes."""

FLATTEN = Table({"data_format": "channels_last"})

HANDLERS = (
    Handler("Flatten", "keras", FLATTEN, _flatten),
    Handler("Reshape", "keras", Table({"target_shape": REQUIRED}), _reshape),
    Handler("Permute", "keras", Table({"dims": REQUIRED}), _permute),
    *(
        Handler(kind, "keras", Table(harmless=frozenset(names)), _nothing)
        for kind, names in TRAINING
    ),
)
