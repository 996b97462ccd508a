"""Write a graph as plain data and arrays, and read it back: no pickle, every type named.

An operation is a frozen dataclass, so its fields are its whole state. JSON holds the structure,
a flat dictionary of arrays the numbers.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import OPERATIONS
from gatewright.ops.softmax import SoftmaxFormats

Arrays = dict[str, np.ndarray]

RECORDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (*OPERATIONS, Graph, Input, Node, Output, Intervals, SoftmaxFormats)
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

    Raises:
        ModelError: the data are damaged or from another version.
    """
    try:
        graph = _load(data, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(repr(error)) from None
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
    kind = RECORDS[data["record"]]
    state = {name: _load(part, arrays) for name, part in data["fields"].items()}
    known = {f.name for f in fields(kind)}
    if set(state) != known:
        raise _damaged(f"{data['record']} with fields {sorted(state)}")
    return kind(**state)
