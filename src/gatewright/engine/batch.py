"""The user's arrays: what is accepted, and the error for a value outside its range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.base import DataError
from gatewright.engine.layout import Port
from gatewright.engine.text import ALIGN
from gatewright.hw import Module

Array = NDArray[Any]


def accept(module: Module, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return an array for each input port, in its own integer type, its rows without gaps.

    Raises:
        DataError: ports or shapes are not those of the module, or the values are no integers.
    """
    if set(inputs) != set(module.inputs):
        raise DataError(
            "the inputs do not match the circuit's ports",
            place=module.origin or module.name,
            found=", ".join(map(str, inputs)) or "no port",
            supported=", ".join(module.inputs) or "no port",
        )
    arrays = {name: _accept(module, name, np.asarray(inputs[name])) for name in module.inputs}
    if len({len(a) for a in arrays.values()}) > 1:
        sizes = ", ".join(f"{name}: {len(a)}" for name, a in arrays.items())
        raise DataError(
            "the ports hold different numbers of samples",
            place=module.origin or module.name,
            found=sizes,
        )
    return arrays


def _accept(module: Module, name: str, array: Array) -> Array:
    count = len(module.inputs[name])
    if array.ndim != 2 or array.shape[1] != count or array.dtype.kind not in "iub":
        raise DataError(
            "an input array has the wrong shape or type",
            place=_place(module, name),
            found=f"{array.dtype} of shape {array.shape}",
            supported=f"integers of shape (samples, {count})",
            remedy="give the integers q of the numbers q * 2**-frac, a row for each sample",
        )
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if not all(_overlaps(module, s, array.dtype) for s in module.inputs[name]):
        top = np.iinfo(np.int64).max
        array = (np.minimum(array, top) if array.dtype == np.uint64 else array).astype(np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    gaps = count > 1 and array.strides[1] != array.itemsize
    return np.ascontiguousarray(array) if gaps or not array.flags.aligned else array


def _overlaps(module: Module, s: int, dtype: np.dtype[Any]) -> bool:
    """Whether a type holds any value of an element's range."""
    info = np.iinfo(dtype)
    return module.lo[s] <= info.max and module.hi[s] >= info.min


def limits_in(module: Module, port: Port, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return the smallest value of each element and how far the range goes up, in an array's type.

    The distance is for unsigned comparison, also where the type is signed.
    """
    info = np.iinfo(dtype)
    low = [max(module.lo[s], info.min) for s in port.signals]
    high = [min(module.hi[s], info.max) for s in port.signals]
    span = [top - bottom for bottom, top in zip(low, high, strict=True)]
    return np.array(low, dtype), np.array(span, f"u{dtype.itemsize}")


def explain(
    module: Module, arrays: Mapping[str, Array], first: int, end: int, offset: int
) -> DataError:
    """Return the error for the first bad sample among `first` to `end - 1`.

    `offset` is the number of samples before the arrays.
    """
    worst: tuple[int, str, int] | None = None
    for name, array in arrays.items():
        for element, s in enumerate(module.inputs[name]):
            column = array[first:end, element]
            bad = np.flatnonzero((column < module.lo[s]) | (column > module.hi[s]))
            if bad.size and (worst is None or first + int(bad[0]) < worst[0]):
                worst = (first + int(bad[0]), name, element)
    assert worst is not None, "the compiled check and this one disagree"
    sample, name, element = worst
    s = module.inputs[name][element]
    return DataError(
        "an input value is outside the range of its element",
        place=_place(module, f"{name}, element {element}, sample {sample + offset}"),
        found=int(arrays[name][sample, element]),
        supported=f"{module.lo[s]}..{module.hi[s]} (units of 2**{-module.frac[s]})",
        remedy="quantize the input to its format (wrap or clip) before the circuit",
    )


def _place(module: Module, what: str) -> str:
    return f"{module.origin or module.name}: input port {what}"


def aligned(size: int) -> NDArray[np.uint8]:
    """Return a buffer that starts at a cache line."""
    raw = np.zeros(size + 2 * ALIGN, np.uint8)
    start = -raw.ctypes.data % ALIGN
    return raw[start : start + max(size, 1)]
