"""What `streamline` knows of a value: integers in the graph, and what they stand for.

A value is `pending(code * scale + offset)`. The code is a node of the new graph; scale and offset
are exact fractions, one for each element or one for all; pending operations are functions of single
elements that wait for the next quantizer to absorb them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatewright.ir import Op, Reals
from gatewright.num import Intervals
from gatewright.ops import Affine, Clip, Function, LeakyRelu, Softmax

Exact = NDArray[Any]
"""Arrays of `Fraction`."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """One value of the model.

    Attributes:
        code: the node (or input) of the new graph that holds the integers.
        kind: type of the code; its shape is the sample's.
        scale, offset: broadcast against the sample.
        pending: elementwise operations still to be done on the real number; also `Softmax`.
        plain: a node of the new graph that is the value itself, where there is one.
    """

    code: str
    kind: Intervals
    scale: Exact
    offset: Exact
    pending: tuple[Op, ...] = ()
    plain: str | None = None

    @classmethod
    def of_plain(cls, name: str, kind: Intervals) -> Scaled:
        """Return a value that is its own code."""
        return cls(name, kind, exact(1.0), exact(0.0), (), name)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the sample."""
        return self.kind.shape

    @property
    def is_bare(self) -> bool:
        """Whether the code is the value."""
        return not self.pending and all_equal(self.scale, 1) and all_equal(self.offset, 0)

    def affine(self, scale: Exact, offset: Exact) -> Scaled:
        """Return `value * scale + offset`, in the representation alone."""
        if self.pending:
            return self.then(Affine(reals(scale), reals(offset)))
        return replace(
            self,
            scale=short(self.scale * scale),
            offset=short(self.offset * scale + offset),
            plain=None,
        )

    def then(self, op: Op) -> Scaled:
        """Return the value with one more pending operation."""
        return replace(self, pending=(*self.pending, op), plain=None)

    def moved(self, code: str, kind: Intervals, move: Callable[[Any], Any]) -> Scaled:
        """Return the value after its elements have been moved."""

        def moved_array(array: Any) -> Any:
            return array if np.size(array) == 1 else short(move(np.broadcast_to(array, self.shape)))

        pending = tuple(with_arrays(op, moved_array) for op in self.pending)
        return Scaled(code, kind, moved_array(self.scale), moved_array(self.offset), pending)


def exact(values: ArrayLike) -> Exact:
    """Return floats as the fractions they are."""
    array = np.asarray(values, np.float64)
    fractions = np.empty(array.shape, object)
    for index, value in np.ndenumerate(array):
        fractions[index] = Fraction(float(value))
    return short(fractions)


def short(array: Any) -> Exact:
    """Return one number where all are equal (numpy's object arithmetic drops rank-0 arrays)."""
    array = np.asarray(array)
    if array.size and all_equal(array, array.flat[0]):
        single = np.empty((), array.dtype)
        single[()] = array.flat[0]
        array = single
    result: Exact = array
    return result


def all_equal(array: Any, value: Any) -> bool:
    """Say whether every element equals a number."""
    return all(element == value for element in np.asarray(array).ravel())


def same(a: Exact, b: Exact) -> bool:
    """Say whether two arrays broadcast to equal ones."""
    return bool(np.all(np.asarray(a) == np.asarray(b)))


def reals(array: Exact) -> Reals:
    """Return fractions as the nearest floats."""
    return np.asarray(np.vectorize(float, otypes=[np.float64])(array), np.float64)


def is_float(array: Exact) -> bool:
    """Say whether floats hold the fractions exactly."""
    return all(Fraction(float(value)) == value for value in array.ravel())


def power_of_two(value: Fraction) -> bool:
    """Say whether a positive fraction is a power of two."""
    n, d = value.numerator, value.denominator
    return n > 0 and n & (n - 1) == 0 and d & (d - 1) == 0


def with_arrays(op: Op, move: Callable[[Any], Any]) -> Op:
    """Return a pending operation with its per-element numbers moved."""
    if isinstance(op, Affine):
        return Affine(move(np.asarray(op.scale)), move(np.asarray(op.offset)))
    if isinstance(op, LeakyRelu):
        return LeakyRelu(move(np.asarray(op.slope)))
    return op


def strictly_rising(op: Op) -> bool:
    """Say whether a pending operation keeps the order of numbers, equality included."""
    if isinstance(op, Affine):
        return bool(
            np.size(op.scale) == np.size(op.offset) == 1 and (np.asarray(op.scale) > 0).all()
        )
    if isinstance(op, LeakyRelu):
        return bool(np.size(op.slope) == 1 and (np.asarray(op.slope) > 0).all())
    return isinstance(op, Function | Softmax) and not (
        isinstance(op, Function) and not op.is_monotone_unary
    )


__all__ = [
    "Clip", "Exact", "Scaled", "all_equal", "exact", "is_float", "power_of_two", "reals", "same",
    "short", "strictly_rising", "with_arrays",
]  # fmt: skip
