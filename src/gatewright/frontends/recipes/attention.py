"""Attention: products of queries and keys, a softmax, products with values.

Shapes are those of Keras's `MultiHeadAttention`: queries (..., heads, key_dim) with any number of
positions' axes in front, of which `axes` are attended over and the others stay apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from gatewright.frontends.recipes.einsum import Equation, einsum, move, reshape
from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.ops import Constant, Gather, Softmax

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class AttentionForm:
    """Which axes of queries, keys and values meet; without the batch.

    Attributes:
        scores: keys and queries -> (heads and axes that stay apart, queries, keys).
        combine: scores and values -> the queries' axes.
        over: the scores' axes that run over keys.
    """

    scores: Equation
    combine: Equation
    over: tuple[int, ...]

    @classmethod
    def of(cls, rank: int, axes: tuple[int, ...]) -> AttentionForm:
        """Return the form for projected queries and keys.

        Args:
            rank: of a projected sample (..., heads, dim), without the batch.
            axes: attended over, counted from 0 without the batch.
        """
        query = "".join(chr(ord("a") + i) for i in range(rank))
        key = "".join(c.upper() if i in axes else c for i, c in enumerate(query))
        apart = "".join(query[i] for i in range(rank - 1) if i not in axes)
        product = apart + "".join(query[i] for i in axes) + "".join(key[i] for i in axes)
        rank_of_scores = len(product)
        return cls(
            Equation((key, query), product),
            Equation((product, key), query),
            tuple(range(rank_of_scores - len(axes), rank_of_scores)),
        )


@dataclass(frozen=True)
class Projected(Generic[T]):
    """Queries, keys and values after their projections."""

    query: T
    key: T
    value: T


def attend(
    at: Emitter[T], form: AttentionForm, parts: Projected[T], normalise: Callable[[T], T]
) -> tuple[T, T]:
    """Append dot-product attention; return the result and the scores.

    Args:
        at: where to append.
        form: which axes meet.
        parts: projected operands.
        normalise: scales, masks and normalises the products, given as `form.scores` says.
    """
    scores = normalise(einsum(at, form.scores, parts.key, parts.query))
    return einsum(at, form.combine, scores, parts.value), scores


def masked_softmax(
    at: Emitter[T], value: T, axes: tuple[int, ...], mask: Mask | T | None = None
) -> T:
    """Append a softmax along any axes together.

    Args:
        at: where to append.
        value: the logits.
        axes: counted from 0 without the batch.
        mask: what counts; truth values known (of a shape that broadcasts against `value`) or
            computed (of `value`'s rank); None: everything. Masked elements give exactly 0.
    """
    rank = len(value.shape)
    letters = "".join(chr(ord("a") + i) for i in range(rank))
    inner = "".join(letters[a] for a in axes)
    turned = "".join(c for c in letters if c not in inner) + inner
    shape = tuple(value.shape[letters.index(c)] for c in turned)
    flat = (*shape[: rank - len(axes)], int(np.prod(shape[rank - len(axes) :])))
    x = reshape(at, move(at, value, letters, turned), flat)
    if mask is None:
        y = at.emit(Softmax(), x)
    else:
        if isinstance(mask, np.ndarray):
            whole = np.broadcast_to(mask, value.shape)
            known = whole.transpose([letters.index(c) for c in turned]).reshape(flat)
            keep = at.emit(Constant(known.astype(np.float64)), x, suffix="mask")
        else:
            keep = reshape(at, move(at, mask, letters, turned), flat)
        y = at.emit(Softmax(), x, keep)
    return move(at, reshape(at, y, shape), turned, letters)


def repeat_heads(at: Emitter[T], value: T, times: int, axis: int) -> T:
    """Append the repetition of each head that several query heads share: wiring."""
    if times == 1:
        return value
    heads = np.repeat(np.arange(value.shape[axis]), times)
    return at.emit(Gather.of(heads, axis), value, suffix="repeat")


def band_mask(queries: int, keys: int, causal: bool, window: int | None = None) -> Mask | None:
    """Return what each query attends to: nothing later, nothing `window` or more away."""
    if not causal and window is None:
        return None
    distance = np.arange(queries)[:, None] - np.arange(keys)[None, :]
    mask = distance >= 0 if causal else np.ones_like(distance, bool)
    return mask if window is None else mask & (np.abs(distance) < window)
