"""What the host does around the firmware: real numbers to integers, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gatewright.base import DataError, Place
from gatewright.ir import Graph, Input, Output, Reals, infer
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops import FillMissing

EXACT = 2.0**53
"""From here on float64 no longer tells every integer from the next."""

PIECE = 1 << 15
"""Numbers that are converted at a time, so that what comes in between stays in the cache."""

Data = np.ndarray | Mapping[str, np.ndarray]
"""One array where a model has one input, else an array for each by name."""


def as_inputs(graph: Graph, data: Data) -> dict[str, Reals]:
    """Return float64 arrays by input name, checked: shape, number of samples, finite values.

    Raises:
        DataError: something is missing, unknown, of the wrong shape, or not a finite number.
    """
    arrays = as_arrays(graph, data, finite=True)
    return {name: array.astype(np.float64, copy=False) for name, array in arrays.items()}


def as_arrays(graph: Graph, data: Data, finite: bool = False) -> dict[str, np.ndarray]:
    """Return arrays of numbers by input name, checked: shape, number of samples.

    Args:
        graph: the model.
        data: as users give it.
        finite: check the values, too, which takes a float64 array of them; that is returned.

    Raises:
        DataError: something is missing, unknown or of the wrong shape.
    """
    names = [i.name for i in graph.inputs]
    if not isinstance(data, Mapping):
        if len(names) != 1:
            raise DataError(
                "the model has several inputs", found="one array", supported=f"arrays named {names}"
            )
        data = {names[0]: data}
    unknown = sorted(set(data) - set(names))
    missing = sorted(set(names) - set(data))
    if unknown or missing:
        raise DataError(
            "the inputs given are not those of the model", found=sorted(data), supported=names
        )
    arrays = {i.name: _shaped(graph, i, data[i.name]) for i in graph.inputs}
    if finite:
        arrays = {i.name: _finite(graph, i, _filled(i, arrays[i.name])) for i in graph.inputs}
    if len({len(a) for a in arrays.values()}) > 1:
        raise DataError(
            "the inputs differ in their number of samples",
            found={name: len(a) for name, a in arrays.items()},
        )
    return arrays


def _shaped(graph: Graph, i: Input, array: np.ndarray) -> np.ndarray:
    place = Place(graph.source, i.name)
    if np.ma.is_masked(array):
        raise DataError(
            "data hold masked values", place=place, remedy="fill or remove what is masked"
        )
    try:
        x = np.asarray(array)
    except ValueError:
        raise DataError(
            "data are not an array", place=place, found="rows of different lengths"
        ) from None
    if x.dtype.kind not in "fiub":
        raise DataError(
            "data are not numbers", place=place, found=x.dtype, supported="floats or integers"
        )
    if x.shape[1:] != i.shape or x.ndim != len(i.shape) + 1:
        raise DataError(
            "data have the wrong shape", place=place, found=x.shape, supported=("samples", *i.shape)
        )
    return x


def _filled(i: Input, array: np.ndarray) -> np.ndarray:
    """Return data with the code word of missing values in their place, where there is one."""
    fill = next((op for op in i.encode if isinstance(op, FillMissing)), None)
    return array if fill is None or array.dtype.kind != "f" else fill.real(array)


def _finite(graph: Graph, i: Input, array: np.ndarray) -> Reals:
    place = Place(graph.source, i.name)
    whole, x = array.dtype.kind in "iu", array.astype(np.float64)
    if whole and np.abs(x).max(initial=0.0) >= EXACT:
        raise DataError(
            "data hold integers too large to be exact in float64",
            place=place,
            found=f"{np.abs(x).max():.17g}",
            supported="integers below 2**53",
        )
    bad = ~np.isfinite(x)
    if bad.any():
        first = tuple(int(v) for v in np.argwhere(bad)[0])
        raise DataError(
            "data hold numbers that are not finite",
            place=place,
            found=f"{int(bad.sum())} of {x.size}, the first at index {first}",
            remedy="remove or replace NaN and infinite values; where a forest knows of missing "
            "values, give them a code word when it is compiled (missing)",
        )
    return x


def as_labels(labels: ArrayLike, samples: int) -> Ints:
    """Return the class of each sample, checked.

    Raises:
        DataError: they are not one whole number from 0 for each sample.
    """
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (samples,):
        raise DataError(
            "labels do not match the calibration data",
            found=f"shape {array.shape}",
            supported=f"shape ({samples},), a class number each",
            remedy="for one-hot labels give labels.argmax(1)" if array.ndim == 2 else "",
        )
    if array.dtype.kind not in "fiub" or not (np.isfinite(array) & (array == array // 1)).all():
        raise DataError(
            "labels are no class numbers", found=array.dtype, supported="integers from 0"
        )
    if array.size and array.min() < 0:
        raise DataError("a label is negative", found=array.min(), supported="classes from 0")
    return array.astype(np.int64)


def encode(graph: Graph, inputs: Mapping[str, Reals]) -> dict[str, FixedArray]:
    """Return the integers that the firmware receives for real inputs.

    Raises:
        DataError: an input without a quantizer gets a number off its grid or out of its range.
    """
    return {i.name: _encode_one(graph, i, inputs[i.name]) for i in graph.inputs}


def _encode_one(graph: Graph, i: Input, x: Reals) -> FixedArray:
    assert i.type is not None
    q = np.empty(x.shape, np.int64)
    step = max(PIECE // max(x[:1].size, 1), 1)
    for start in range(0, len(x), step):
        q[start : start + step] = _codes(graph, i, x[start : start + step], start)
    return FixedArray(q, i.type.frac)


def _codes(graph: Graph, i: Input, x: Reals, before: int) -> Reals:
    """Return the integers for some samples, as floats; `before` counts those before them."""
    assert i.type is not None
    for op in i.encode:
        x = op.real(x)
    with np.errstate(over="ignore"):  # infinite is out of range as well
        scaled = np.ldexp(x, np.broadcast_to(i.type.frac, x.shape).astype(np.int32))
    q = np.rint(scaled)
    off = (q != scaled) | (q < i.type.lo) | (q > i.type.hi)
    if off.any():
        first = tuple(int(v) for v in np.argwhere(off)[0])
        raise DataError(
            "an input value is not one of the firmware's input numbers",
            place=Place(graph.source, i.name),
            found=f"{float(x[first])!r} at index {(first[0] + before, *first[1:])}",
            supported=f"{i.type.fixed(*first[1:])} with values {i.type.low_value[first[1:]]} "
            f"to {i.type.high_value[first[1:]]}",
        )
    return q


def decode(output: Output, value: FixedArray) -> Reals:
    """Return the model's numbers for the firmware's, as near as float64 comes to them."""
    y = value.value
    for op in output.decode:
        y = op.real(y)
    return y


def answers(graph: Graph, values: Mapping[str, FixedArray]) -> Reals | dict[str, Reals]:
    """Return what a user is told: an array, or arrays by output name where there are several.

    Raises:
        DataError: float64 cannot hold an answer of the firmware.
    """
    numbers = {}
    for o in graph.outputs:
        q = values[o.name].q
        lost = np.asarray(False)
        if q.size and not -EXACT < q.min() <= q.max() < EXACT:
            lost = q != q.astype(np.float64).astype(np.int64)
        if lost.any():
            raise DataError(
                "the firmware's answer has more bits than float64 can hold",
                place=Place(graph.source, o.name),
                found=int(q[lost].flat[0]),
                supported="53 bits",
                remedy="take the integers: Design.predict_codes, or `gatewright predict --raw`",
            )
        numbers[o.name] = decode(o, values[o.name])
    return next(iter(numbers.values())) if len(numbers) == 1 else numbers


def corner_codes(kind: Intervals, rng: np.random.Generator, count: int) -> Ints:
    """Return samples at the ends of every element's range, and `count` random ones within it.

    Corners: all lowest, all highest, zero where it can be, alternating ends, and for each of up to
    64 elements that one alone at either end.
    """
    lo, hi = np.asarray(kind.lo), np.asarray(kind.hi)
    zero = np.clip(np.zeros_like(lo), lo, hi)
    parity = np.arange(lo.size).reshape(lo.shape) % 2 == 0
    rows = [lo, hi, zero, np.where(parity, lo, hi), np.where(parity, hi, lo)]
    for k in range(min(lo.size, 64)):
        index = np.unravel_index(k, lo.shape) if lo.ndim else ()
        for end in (lo, hi):
            row = np.array(zero)  # of a scalar, too, an array
            row[index] = end[index]
            rows.append(row)
    uniform = rng.integers(lo, hi + 1, (count, *lo.shape))
    return np.concatenate([np.stack(rows), uniform])


def input_vectors(
    graph: Graph, calibration: Mapping[str, FixedArray], random: int, seed: int
) -> dict[str, FixedArray]:
    """Return what a design is verified on: calibration, corners, random codes."""
    rng = np.random.default_rng(seed)
    corners = {}
    for i in graph.inputs:
        assert i.type is not None
        corners[i.name] = corner_codes(i.type, rng, random)
    # Inputs of several ports may differ in their number of corners: cut to the least.
    count = min(len(c) for c in corners.values())
    stacked = {}
    for i in graph.inputs:
        assert i.type is not None
        known = calibration.get(i.name)
        parts = [] if known is None else [known.q]
        q = np.concatenate([*parts, corners[i.name][:count]])
        stacked[i.name] = FixedArray(q, i.type.frac)
    return stacked


def output_types(graph: Graph) -> dict[str, Intervals]:
    """Return the type of each output."""
    types = infer(graph)
    return {o.name: types[o.value] for o in graph.outputs}
