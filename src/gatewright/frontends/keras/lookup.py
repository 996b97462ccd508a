"""Layers that take numbers of rows or of categories, and layers that repeat."""

from __future__ import annotations

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.dense import LORA
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.recipes.reductions import one_hot, positions
from gatewright.frontends.recipes.windows import check_elements
from gatewright.ops import Embedding, Gather, ReduceMax, Reshape, Sum


def _count(site: Site, name: str) -> int:
    """Return an attribute that counts something."""
    found = site.attributes[name]
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ModelError("a number of things is no count", place=site.at(name), found=repr(found))
    return found


def _embedding(site: Site) -> Value:
    """Look rows up; see `recipes.reductions.positions` for numbers that are no row."""
    rows, features = _count(site, "input_dim"), _count(site, "output_dim")
    (table,) = site.floats("embeddings")
    site.expect("embeddings", table, (rows, features))
    return site.emit(Embedding(table.astype(np.float64)), positions(site, site.input, rows))


def _category(site: Site) -> Value:
    """Encode numbers of categories as vectors; a number that is none gives zeros."""
    mode, tokens = site.attributes["output_mode"], _count(site, "num_tokens")
    x = site.input
    if mode not in ("one_hot", "multi_hot", "count"):
        raise site.unsupported(
            "categories are encoded in a way that is not handled",
            "output_mode", mode, "one_hot, multi_hot, count", "choose another",
        )  # fmt: skip
    if mode == "one_hot":
        if x.shape and x.shape[-1] == 1:
            x = site.emit(Reshape(x.shape[:-1]), x, suffix="flat")
        return one_hot(site, x, tokens, len(x.shape))
    vectors = one_hot(site, x, tokens, len(x.shape))
    axis = (len(x.shape) - 1,)
    if not x.shape:
        return vectors
    return site.emit(ReduceMax(axis) if mode == "multi_hot" else Sum(axis), vectors)


def _repeat(site: Site) -> Value:
    """Repeat (features,) as (n, features)."""
    n, x = _count(site, "n"), site.input
    if len(x.shape) != 1:
        raise ModelError("a RepeatVector takes features alone", place=site.place, found=x.shape)
    check_elements((n, *x.shape))
    row = site.emit(Reshape((1, *x.shape)), x, suffix="row")
    return site.emit(Gather.of(np.zeros(n, np.int64), 0), row)


INITIAL = frozenset(
    {"embeddings_initializer", "embeddings_regularizer", "embeddings_constraint", "input_length"}
)
EMBEDDING = Table(
    {"input_dim": REQUIRED, "output_dim": REQUIRED},
    INITIAL,
    {"mask_zero": (False,), "sparse": (False,), "weights": (None,), **LORA},
)
CATEGORY = Table({"num_tokens": REQUIRED, "output_mode": "multi_hot"}, only={"sparse": (False,)})

HANDLERS = (
    Handler("CategoryEncoding", "keras", CATEGORY, _category),
    Handler("Embedding", "keras", EMBEDDING, _embedding),
    Handler("RepeatVector", "keras", Table({"n": REQUIRED}), _repeat),
)
