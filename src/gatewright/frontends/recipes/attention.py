"""Attention: products of queries and keys, a softmax, products with values.

Shapes are those of Keras's `MultiHeadAttention`: queries (..., heads, key_dim) with any number of
positions' axes in front, of which `axes` are attended over and the others stay apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from gatewright.frontends.recipes.einsum import Equation, einsum
from gatewright.frontends.recipes.emitter import Emitter, T


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
