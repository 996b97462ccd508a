"""Borders, cuts and changes of size: wiring, or fixed weights along one axis after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.frontends.recipes.windows import check_elements
from gatewright.ir import Reals
from gatewright.num import Ints
from gatewright.ops import Dense, Gather, Pad, Slice, Transpose

MODES = {
    "circular": "wrap",
    "edge": "edge",
    "reflect": "reflect",
    "symmetric": "symmetric",
}
"""Borders that repeat elements, under NumPy's names: reflect leaves the outermost element out,
symmetric repeats it, circular goes on at the other end."""


def pad(
    call: Emitter[T],
    x: T,
    padding: Sequence[tuple[int, int]],
    mode: str = "constant",
    value: float = 0.0,
) -> T:
    """Append a border; negative counts cut.

    Args:
        call: the layer.
        x: of any shape.
        padding: elements (before, after) for each axis of the sample.
        mode: "constant" or one of `MODES`.
        value: of a constant border.

    Raises:
        ModelError: the border does not fit the tensor.
    """
    cut = [(max(-b, 0), max(-a, 0)) for b, a in padding]
    grown = [(max(b, 0), max(a, 0)) for b, a in padding]
    if any(map(any, cut)):
        x = crop(call, x, cut)
    if not any(map(any, grown)):
        return x
    check_elements(n + sum(ends) for n, ends in zip(x.shape, grown, strict=True))
    if mode == "constant":
        before, after = zip(*grown, strict=True)
        return call.emit(Pad(before, after, value), x)
    for axis, (first, last) in enumerate(grown):
        n = x.shape[axis]
        most = {"reflect": n - 1, "symmetric": n, "circular": n}.get(mode, max(first, last))
        if max(first, last) > most:
            raise ModelError(
                "a border is longer than what it repeats",
                found=f"{first} before and {last} after {n} elements, mode {mode}",
                supported=f"up to {most}",
            )
        if first or last:
            at = np.pad(np.arange(n), (first, last), mode=MODES[mode])  # type: ignore[call-overload]
            x = call.emit(Gather.of(at, axis), x)
    return x


def crop(call: Emitter[T], x: T, cut: Sequence[tuple[int, int]]) -> T:
    """Append a cut of elements (before, after) along each axis of the sample.

    Raises:
        ModelError: nothing would be left.
    """
    parts: list[tuple[int | None, int | None, int | None]] = []
    for n, (before, after) in zip(x.shape, cut, strict=True):
        if min(before, after) < 0 or before + after >= n:
            raise ModelError(
                "a cropping leaves nothing of its input",
                found=f"{before} and {after} of {n} elements",
                supported="counts from 0 that leave an element",
            )
        parts.append((before, n - after, 1) if before or after else (None, None, None))
    return call.emit(Slice(tuple(parts)), x) if any(map(any, cut)) else x


def repeat(call: Emitter[T], x: T, factors: Sequence[int]) -> T:
    """Append a repetition of each element along the first axes (nearest upsampling)."""
    check_elements((*x.shape, *factors))
    for axis, factor in enumerate(factors):
        if factor != 1:
            x = call.emit(Gather.of(np.repeat(np.arange(x.shape[axis]), factor), axis), x)
    return x


def along(call: Emitter[T], x: T, axis: int, matrix: Reals) -> T:
    """Append a product with fixed weights along one axis.

    Args:
        call: the layer.
        x: of any shape.
        axis: of the sample.
        matrix: (new length, length).
    """
    check_elements((*x.shape[:axis], *x.shape[axis + 1 :], len(matrix)))
    if (((matrix == 0) | (matrix == 1)).all()) and (matrix.sum(1) == 1).all():
        return call.emit(Gather.of(matrix.argmax(1), axis), x)
    last = len(x.shape) - 1
    swap = list(range(last + 1))
    swap[axis], swap[last] = last, axis
    turn = Transpose(tuple(swap))
    x = x if axis == last else call.emit(turn, x, suffix="turned")
    x = call.emit(Dense.of(matrix.T), x, suffix="weighted")
    return x if axis == last else call.emit(turn, x)


COORDINATES = (
    "align_corners", "asymmetric", "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
    "tf_half_pixel_for_nn",
)  # fmt: skip
"""ONNX's names of the rules that place the new elements among the old."""

NEAREST = ("ceil", "floor", "round_prefer_ceil", "round_prefer_floor")
"""ONNX's names of roundings to an element."""


def positions(
    length: int, size: int, rule: str, scale: float | None = None, kind: type = np.float64
) -> Reals:
    """Return where each of `size` new elements lies among `length` old ones.

    Args:
        length: the old one.
        size: the new one.
        rule: one of `COORDINATES`.
        scale: new by old length where it is given; else that of the lengths.
        kind: type of the arithmetic.
    """
    check_elements((size, length))  # of the matrix that is made of them
    i: Reals = np.arange(size).astype(kind)
    factor = kind(size / length if scale is None else scale)
    half = kind(0.5)
    if rule == "align_corners":
        return i * kind(length - 1) / kind(size - 1) if size > 1 else 0 * i
    if rule == "asymmetric":
        return np.asarray(i / factor)
    if rule == "tf_half_pixel_for_nn":
        return np.asarray((i + half) / factor)
    if rule == "pytorch_half_pixel" and size == 1:
        return 0 * i
    at = (i + half) / factor - half
    if rule == "half_pixel_symmetric":
        whole = factor * kind(length)
        at = at + kind(length / 2) * (1 - kind(size) / whole)
    return np.asarray(at)


def nearest(length: int, size: int, rule: str, rounding: str, scale: float | None = None) -> Ints:
    """Return the old element that each new one copies.

    Raises:
        UnsupportedError: it lies so close to a tie that it depends on the precision.
    """
    found = []
    for kind in (np.float64, np.float32):
        at = positions(length, size, rule, scale, kind)
        rounded = {
            "floor": lambda v: np.floor(v),
            "ceil": lambda v: np.ceil(v),
            "round_prefer_floor": lambda v: np.ceil(v - 0.5),
            "round_prefer_ceil": lambda v: np.floor(v + 0.5),
        }[rounding](at)
        found.append(np.clip(rounded, 0, length - 1).astype(np.int64))
    if (found[0] != found[1]).any():
        raise UnsupportedError(
            "a nearest neighbour lies so close to a tie that it depends on the precision",
            found=f"{length} to {size} elements by {rule} and {rounding}",
            supported="sizes whose positions are clear of ties",
            remedy="resize by a whole factor",
        )
    return np.asarray(found[0], np.int64)


def pick(indices: Ints, length: int) -> Reals:
    """Return the matrix that copies elements."""
    return np.eye(length)[indices]


def linear(length: int, size: int, rule: str, scale: float | None = None) -> Reals:
    """Return the matrix (size, length) of linear interpolation; ends go on as they are."""
    at = np.clip(positions(length, size, rule, scale), 0, length - 1)
    low = np.minimum(np.floor(at).astype(np.int64), max(length - 2, 0))
    part = (at - low)[:, None]
    eye = np.eye(length)
    return np.asarray((1 - part) * eye[low] + part * eye[np.minimum(low + 1, length - 1)])


def cubic(
    length: int, size: int, rule: str, a: float, scale: float | None = None, exclude: bool = False
) -> Reals:
    """Return the matrix of cubic convolution (Keys 1981) with coefficient `a`.

    Args:
        length: see `positions`.
        size: see `positions`.
        rule: see `positions`.
        scale: see `positions`.
        a: Keys's coefficient.
        exclude: leave elements outside out and scale the weights of the others to 1; else ends
            are repeated.
    """
    at = positions(length, size, rule, scale)
    first = np.floor(at).astype(np.int64)
    matrix = np.zeros((size, length))
    rows = np.arange(size)
    for tap in range(-1, 3):
        t = np.abs(at - (first + tap))
        inner = ((a + 2) * t - (a + 3)) * t * t + 1
        outer = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        weight = np.where(t <= 1, inner, np.where(t < 2, outer, 0.0))
        place = first + tap
        inside = (place >= 0) & (place < length)
        weight = np.where(inside | (not exclude), weight, 0.0)
        np.add.at(matrix, (rows, np.clip(place, 0, length - 1)), weight)
    return matrix / matrix.sum(1, keepdims=True) if exclude else matrix
