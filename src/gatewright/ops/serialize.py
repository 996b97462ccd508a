"""Write a graph as plain data and arrays, and read it back: no pickle, every type named.

An operation is a frozen dataclass, so its fields are its whole state. JSON holds the structure,
a flat dictionary of arrays the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from gatewright.base import ModelError
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import OPERATIONS
from gatewright.ops.normalize import NormalizeFormats
from gatewright.ops.softmax import SoftmaxFormats

Arrays = dict[str, np.ndarray]

LARGEST = 1 << 62
"""Beyond every integer that a graph is made of."""

RECORDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *OPERATIONS,
        Graph,
        Input,
        Node,
        Output,
        Intervals,
        NormalizeFormats,
        SoftmaxFormats,
    )
}
ENUMS: dict[str, type[Enum]] = {kind.__name__: kind for kind in (Rounding, Overflow)}


def dump(graph: Graph) -> tuple[Any, Arrays]:
    """Return a graph as JSON-able data and the arrays it refers to."""
    arrays: Arrays = {}
    return _dump(graph, arrays), arrays


def _dump(value: Any, arrays: Arrays) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, np.generic):
        return _dump(value.item(), arrays)
    if isinstance(value, Enum):
        return {"enum": [type(value).__name__, value.name]}
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, tuple | list):
        return [_dump(part, arrays) for part in value]
    if is_dataclass(value) and type(value).__name__ in RECORDS:
        state = {f.name: _dump(getattr(value, f.name), arrays) for f in fields(value)}
        return {"record": type(value).__name__, "fields": state}
    if isinstance(value, dict):
        return {"map": {str(key): _dump(part, arrays) for key, part in value.items()}}
    raise AssertionError(f"cannot write a {type(value).__name__}")


def load(data: Any, arrays: Arrays) -> Graph:
    """Return the graph that `dump` wrote.

    Every field must have the type that its record declares, and every number be finite: what
    comes from a disk may have been changed by anyone.

    Raises:
        ModelError: the data are damaged or from another version.
    """
    try:
        graph = _load(data, arrays)
    except RecursionError:
        raise _damaged("data nested too deeply") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _damaged(repr(error)) from error
    if not isinstance(graph, Graph):
        raise _damaged(f"a {type(graph).__name__}")
    return graph


def _damaged(found: str) -> ModelError:
    return ModelError(
        "a saved design is damaged, or was written by another version",
        found=found,
        remedy="compile the model again",
    )


def _load(data: Any, arrays: Arrays) -> Any:
    if data is None or isinstance(data, bool | int | str):
        return data
    if isinstance(data, list):
        return tuple(_load(part, arrays) for part in data)
    if "float" in data:
        return float.fromhex(data["float"])
    if "enum" in data:
        kind, name = data["enum"]
        return ENUMS[kind][name]
    if "array" in data:
        return arrays[data["array"]]
    if "map" in data:
        return {key: _load(part, arrays) for key, part in data["map"].items()}
    return _record(data["record"], {k: _load(part, arrays) for k, part in data["fields"].items()})


def _record(name: str, state: dict[str, Any]) -> Any:
    """Make a record of fields that are known, and each of the type that is declared."""
    kind = RECORDS[name]
    hints = _hints(kind)
    if set(state) != set(hints):
        raise _damaged(f"{name} with fields {sorted(state)}")
    for field, value in state.items():
        if not _fits(value, hints[field]):
            raise _damaged(f"{name}.{field} is {_described(value)}")
    if kind is Intervals:
        return _intervals(**state)
    return kind(**state)


def _intervals(lo: np.ndarray, hi: np.ndarray, frac: np.ndarray) -> Intervals:
    """Make a type again, whose three arrays must have one shape and no empty range."""
    if not lo.shape == hi.shape == frac.shape or (lo > hi).any():
        raise _damaged("Intervals that are empty, or of different shapes")
    return Intervals.of(lo, hi, frac)


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the declared type of each field."""
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind)}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a declared type, and finite."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if parts[-1:] == (Ellipsis,):
            return all(_fits(v, parts[0]) for v in value)
        return len(value) == len(parts) and all(map(_fits, value, parts))
    if origin is Callable:
        return False  # code is never saved: a field for it must be None
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(v, parts[1]) for v in value.values())
    if origin is np.ndarray or hint is np.ndarray:
        if isinstance(value, float):  # what NumPy makes of arrays without axes
            value = np.asarray(value)
        return isinstance(value, np.ndarray) and _array_fits(value, hint)
    if hint is int:
        return type(value) is int and abs(value) <= LARGEST
    if hint is float:
        return isinstance(value, float) and bool(np.isfinite(value))
    return isinstance(value, NoneType if hint is None else hint)


def _array_fits(value: np.ndarray, hint: Any) -> bool:
    """Whether an array has the declared kind of elements, all of them numbers in range."""
    wanted = get_args(get_args(hint)[1])[0] if get_args(hint) else None
    if value.dtype.kind not in "bif" or (wanted is not None and value.dtype != np.dtype(wanted)):
        return False
    if value.dtype.kind == "f":
        return bool(np.isfinite(value).all())
    return value.dtype.kind == "b" or bool((np.abs(value.astype(float)) <= LARGEST).all())


def _described(value: Any) -> str:
    """Say briefly what a value is."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, or of numbers out of range"
    return f"{value!r:.60} ({type(value).__name__})"
