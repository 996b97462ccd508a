"""Layers on the first active pixels of an image (SparsePixels, arXiv:2512.06208).

A sparse image is a pair of tensors: values (pixels, channels) and coordinates (pixels, 2), row and
column; a row behind the last stands for no pixel, whose values are 0. What layers compute is what
they would on the whole image with all other pixels set to 0 before and after each of them, as the
package `sparsepixels` computes it (facts from its version 0.3.2; no code of theirs).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

import numpy as np

from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.frontends.recipes.reductions import constant
from gatewright.ir import Reals
from gatewright.ops import (
    Add,
    Compare,
    Densify,
    DivideConstant,
    FirstActive,
    Gather,
    Matmul,
    Maximum,
    OffsetWeights,
    PoolCells,
    ReduceMax,
    Reshape,
    Sum,
    Where,
)

ZERO = np.zeros((1, 1))


@dataclass(frozen=True)
class SparseImage(Generic[T]):
    """The pixels that are kept of an image.

    Attributes:
        values: (pixels, channels); 0 where there is no pixel.
        coordinates: (pixels, 2), row and column; (rows, 0) for no pixel.
        size: rows and columns of the image.
    """

    values: T
    coordinates: T
    size: tuple[int, int]

    @property
    def pixels(self) -> int:
        """Return how many are kept."""
        return self.values.shape[0]

    def with_values(self, values: T) -> SparseImage[T]:
        """Return other values at the same places."""
        return SparseImage(values, self.coordinates, self.size)


def keep_first(call: Emitter[T], x: T, count: int, threshold: float) -> SparseImage[T]:
    """Append the choice of the first `count` pixels whose channel 0 is above a threshold.

    Args:
        call: the layer.
        x: (rows, columns, channels).
        count: pixels that are kept, in raster order.
        threshold: what channel 0 must be greater than.
    """
    values = call.emit(FirstActive(count, threshold), x, suffix="values")
    places = call.emit(FirstActive(count, threshold, "coordinates"), x, suffix="coordinates")
    return SparseImage(values, places, (x.shape[0], x.shape[1]))


def convolve_pixels(
    call: Emitter[T], image: SparseImage[T], kernel: Reals, bias: Reals | None
) -> SparseImage[T]:
    """Append a convolution with "same" padding and strides of 1, at the pixels that are kept.

    The bias is added where the sum is not 0, so that nothing stays nothing.

    Args:
        call: the layer.
        image: the pixels.
        kernel: (height, width, channels, filters).
        bias: (filters,), or None.
    """
    filters = kernel.shape[-1]
    weights = call.emit(
        OffsetWeights.same(kernel, image.size[0]), image.coordinates, suffix="weights"
    )
    row = call.emit(Reshape((1, image.pixels * kernel.shape[2])), image.values, suffix="row")
    sums = call.emit(Matmul(), row, weights, suffix="sums")
    y = call.emit(Reshape((image.pixels, filters)), sums, suffix="pixels")
    if bias is not None:
        zero = constant(call, y, ZERO)
        some = call.emit(Compare("not_equal"), y, zero, suffix="some")
        offset = constant(call, y, np.asarray(bias, np.float64)[None])
        y = call.emit(Where(), some, call.emit(Add(), y, offset, suffix="biased"), zero)
    return image.with_values(y)


def clear_missing(call: Emitter[T], image: SparseImage[T]) -> SparseImage[T]:
    """Append what sets pixels that are not there back to 0, behind a function with f(0) != 0.

    Args:
        call: the layer.
        image: the pixels.
    """
    there = _there(call, image)
    zero = constant(call, image.values, ZERO)
    return image.with_values(call.emit(Where(), there, image.values, zero, suffix="cleared"))


def _there(call: Emitter[T], image: SparseImage[T]) -> T:
    """Return 1 for pixels that are there, (pixels, 1)."""
    row = call.emit(Gather.of([0], 1), image.coordinates, suffix="row")
    rows = constant(call, row, np.full((1, 1), float(image.size[0])))
    return call.emit(Compare("less"), row, rows, suffix="there")


def pool_pixels(
    call: Emitter[T], image: SparseImage[T], window: tuple[int, int], kind: str
) -> SparseImage[T]:
    """Append a pooling by windows side by side, "average" or "max"; ragged ends are left out.

    A window is there where one of its pixels is; its other pixels count as 0.

    Args:
        call: the layer.
        image: the pixels.
        window: rows and columns.
        kind: "average" or "max".
    """
    windows = (image.size[0] // window[0], image.size[1] // window[1])
    area = window[0] * window[1]
    members = call.emit(PoolCells(window, windows), image.coordinates, suffix="members")
    places = call.emit(
        PoolCells(window, windows, "coordinates"), image.coordinates, suffix="coordinates"
    )
    pooled: SparseImage[T] = SparseImage(image.values, places, windows)
    if kind == "average":
        sums = call.emit(Matmul(), members, image.values, suffix="sums")
        return pooled.with_values(call.emit(DivideConstant.of(area), sums) if area > 1 else sums)
    return _largest(call, pooled, members, area)


def _largest(call: Emitter[T], image: SparseImage[T], members: T, area: int) -> SparseImage[T]:
    """Return the largest pixel of each window; 0 takes part unless all pixels are there."""
    n, channels = image.values.shape
    member = call.emit(Reshape((n, n, 1)), members, suffix="member")
    each = call.emit(Reshape((1, n, channels)), image.values, suffix="each")
    own = call.emit(Reshape((n, 1, channels)), image.values, suffix="own")
    offered = call.emit(Where(), member, each, own, suffix="offered")
    found = call.emit(ReduceMax((1,)), offered, suffix="largest")
    zero = constant(call, image.values, ZERO)
    positive = call.emit(Maximum(), found, zero, suffix="positive")
    if n >= area:
        count = call.emit(Sum((1,), True), members, suffix="count")
        all_of_them = constant(call, count, np.full((1, 1), float(area)))
        full = call.emit(Compare("equal"), count, all_of_them, suffix="full")
        positive = call.emit(Where(), full, found, positive, suffix="joined")
    there = _there(call, image)
    return image.with_values(call.emit(Where(), there, positive, zero))


def densify(call: Emitter[T], image: SparseImage[T]) -> T:
    """Append what puts the pixels into an image (rows, columns, channels), 0 elsewhere.

    Args:
        call: the layer.
        image: the pixels.
    """
    return call.emit(Densify(image.size), image.values, image.coordinates, suffix="dense")
