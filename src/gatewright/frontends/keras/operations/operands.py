"""What calls of Keras's functions (`keras.ops`) hold: tensors, numbers, arrays, axes, slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends.keras.handler import Site, Value
from gatewright.frontends.recipes.reductions import constant
from gatewright.ir import Reals

ARRAYS = ("__numpy__", "__tensor__", "__ndarray__")


@dataclass(frozen=True)
class Truth(Value):
    """A tensor of truth values, on which arithmetic means something else."""


def truth(value: Value) -> Truth:
    """Mark a tensor of 0 and 1 as truth values."""
    return Truth(value.name, value.shape)


def like(given: Value, value: Value) -> Value:
    """Return a tensor that was moved, with what it was before."""
    return truth(value) if isinstance(given, Truth) else value


def argument(site: Site, index: int, name: str) -> Any:
    """Return an argument of a call, by position or name.

    Raises:
        ModelError: it is not there.
    """
    if index < len(site.arguments):
        return site.arguments[index]
    if name in site.options:
        return site.options[name]
    raise ModelError("a call lacks an argument", place=site.at(name))


def tensor(site: Site, index: int = 0, name: str = "x") -> Value:
    """Return an argument that is a tensor."""
    found = argument(site, index, name)
    if isinstance(found, Value):
        return found
    raise UnsupportedError(
        "an argument is no tensor computed from the model's inputs",
        place=site.at(name),
        found=repr(found)[:100],
        supported="a tensor",
        remedy="compute what does not depend on the input before the model",
    )


def array(site: Site, found: Any, name: str) -> Reals:
    """Return a number or array in a call, as the float32 that Keras makes of it.

    Raises:
        UnsupportedError: it is something else.
    """
    kind = np.float32
    if isinstance(found, Mapping) and found.get("class_name") in ARRAYS:
        settings = found.get("config")
        found = settings.get("value") if isinstance(settings, Mapping) else None
    try:
        values = np.asarray(found, np.float64).astype(kind).astype(np.float64)
    except (TypeError, ValueError):
        values = np.asarray(np.nan)
    if not np.isfinite(values).all() or values.size == 0:
        raise UnsupportedError(
            "an argument is no number and no array of finite numbers",
            place=site.at(name),
            found=repr(found)[:100],
            supported="tensors, numbers, arrays",
        )
    return values


def for_sample(site: Site, values: Reals, rank: int, name: str) -> Reals:
    """Return a constant that broadcasts against tensors with the batch, for one sample, in rank."""
    if values.ndim <= rank:
        return values.reshape((1,) * (rank - values.ndim) + values.shape)
    if values.ndim == rank + 1 and values.shape[0] == 1:
        return np.asarray(values[0])
    raise UnsupportedError(
        "a constant differs along the batch",
        place=site.at(name),
        found=f"shape {values.shape} with tensors of {rank} axes and the batch",
        supported="length 1 in place of the batch",
    )


def pair(site: Site, names: tuple[str, str] = ("x1", "x2")) -> list[Value | Reals]:
    """Return the two operands of a call: tensors of equal rank, or a constant and a tensor."""
    found: list[Value | Reals] = []
    given = [argument(site, i, name) for i, name in enumerate(names)]
    ranks = {len(v.shape) for v in given if isinstance(v, Value)}
    if len(ranks) != 1:
        raise UnsupportedError(
            "the tensors of a call meet with their batches on different axes",
            place=site.place,
            found=" and ".join(str(v.shape) for v in given if isinstance(v, Value)) or "constants",
            supported="tensors of equal rank",
            remedy="insert axes of length 1 by a reshape",
        )
    (rank,) = ranks
    for value, name in zip(given, names, strict=True):
        if isinstance(value, Value):
            found.append(value)
        else:
            found.append(for_sample(site, array(site, value, name), rank, name))
    return found


def as_values(site: Site, operands: list[Value | Reals]) -> list[Value]:
    """Make tensors of the constants among operands."""
    (first, *_) = (v for v in operands if isinstance(v, Value))
    return [v if isinstance(v, Value) else constant(site, first, v) for v in operands]


def integers(site: Site, name: str) -> list[int]:
    """Return an attribute that is a whole number, or a list of them, as a list.

    Raises:
        UnsupportedError: it is something else.
    """
    given = site.attributes[name]
    listed = list(given) if isinstance(given, list | tuple) else [given]
    if not all(isinstance(v, int) and not isinstance(v, bool) for v in listed):
        raise site.unsupported(
            "an argument is no whole number, nor a list of them", name, repr(given)[:100],
            "whole numbers", "correct the call",
        )  # fmt: skip
    return listed


def axis_of(site: Site, rank: int, name: str = "axis", value: Any = ...) -> int:
    """Return an axis of the sample; `rank` counts the sample's axes.

    Raises:
        UnsupportedError: it is the batch, or none.
    """
    axis = site.attributes[name] if value is ... else value
    whole = isinstance(axis, int) and not isinstance(axis, bool)
    if not whole or axis == 0 or not -rank <= axis <= rank:
        raise site.unsupported(
            "an operation works along an axis that is not handled",
            name,
            axis,
            f"1 to {rank}, or -1 to {-rank}: the batch comes first and stays as it is",
            "name an axis other than the batch",
        )
    return int(axis - 1 if axis > 0 else axis + rank)


def axes_of(site: Site, rank: int, name: str = "axis") -> tuple[int, ...]:
    """Return one or several axes of the sample, ascending."""
    given = site.attributes[name]
    listed = given if isinstance(given, list | tuple) else [given]
    return tuple(sorted({axis_of(site, rank, name, axis) for axis in listed}))
