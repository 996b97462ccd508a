"""Read a network of tables from a JSON file of our own: for tools that write their own tables.

```json
{"gatewright_tables": 1,
 "name": "tagger",
 "input": {"size": 16, "low": 0, "codes": 64, "frac": 0},
 "layers": [
   {"name": "first", "outputs": 8, "bias": [0, 0, 1, 0, 0, 0, 0, 0],
    "tables": [{"inputs": [0, 3], "output": 2, "values": [0, 1, null, 3]}],
    "saturate": {"signed": true, "width": 7, "frac": 0}}]}
```

A table's values stand in C order of its inputs' codes, the first input's slowest; `null` where the
input cannot occur. `bias` and `saturate` may be left out. What a layer reads are the codes of the
saturation before it, or the range of the sums where there is none.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import ModelError, Place
from gatewright.frontends.tables.document import integer, load
from gatewright.frontends.tables.layers import Layers, codes_input, saturate
from gatewright.frontends.tables.recognised import KEY
from gatewright.ir import Graph, Reals
from gatewright.num import Fixed, Intervals
from gatewright.ops import TableSpec, TableSum

VERSION = 1
MOST = 1 << 16
LAYER = {"name", "outputs", "bias", "tables", "saturate"}


def read_plain(path: Path) -> Graph:
    """Return the graph of a file.

    Raises:
        FileError: it cannot be read.
        ModelError: it is damaged, or a table does not fit.
    """
    data, source = load(path), str(path)
    place = Place(source)
    if data[KEY] != VERSION:
        raise ModelError("a file of tables has an unknown version", place=place,
                         found=repr(data[KEY]), supported=str(VERSION))  # fmt: skip
    _only(place, data, {KEY, "name", "input", "layers"})
    given = _object(place, data.get("input"), "input")
    _only(Place(source, "input"), given, {"size", "low", "codes", "frac"})
    at = Place(source, "input")
    codes = codes_input(
        "x",
        integer(at, given.get("size"), 1, MOST),
        integer(at, given.get("low", 0), -MOST, MOST),
        integer(at, given.get("codes"), 1, MOST),
        integer(at, given.get("frac", 0), -64, 64),
    )
    layers = data.get("layers")
    if not isinstance(layers, list) or not layers:
        raise ModelError("a file of tables has no layers", place=place, found=f"{layers!r:.60}")
    name = data.get("name", path.stem)
    facts = {"framework": "tables", "model": f"{len(layers)} layers of tables"}
    found = Layers(str(name), source, codes, facts)
    assert codes.type is not None
    kind: Intervals = codes.type
    reach = kind
    for number, layer in enumerate(layers):
        layer = _object(place, layer, f"layer {number}")
        label = str(layer.get("name", f"layer_{number}"))
        at = Place(source, label)
        _only(at, layer, LAYER)
        op = _tables(at, layer, kind)
        if layer.get("saturate") is None:
            kind, reach = _behind(op, reach, None)
            found.add(label, op)
            continue
        limit = _object(at, layer["saturate"], "saturate")
        _only(at, limit, {"signed", "width", "frac"})
        signed = limit.get("signed", False)
        if not isinstance(signed, bool):
            raise ModelError(
                "a format does not say whether it is signed",
                place=at,
                found=f"{signed!r:.60}",
                supported="true or false",
            )
        width, frac = (
            integer(at, limit.get("width"), 1, 32),
            integer(at, limit.get("frac", 0), -64, 64),
        )
        found.add(label, op, saturate(signed, width, frac))
        kind, reach = _behind(op, reach, Fixed(signed, width, frac))
    return found.graph()


def _behind(op: TableSum, reach: Intervals, limit: Fixed | None) -> tuple[Intervals, Intervals]:
    """Return the codes that the next layer's tables are given for, and those that can occur.

    Args:
        op: a layer's tables.
        reach: of its inputs, what can occur.
        limit: of its sums, if there is one.
    """
    reach = op.infer(reach)
    if limit is None:
        return reach, reach
    limited = saturate(limit.signed, limit.width, limit.frac).infer(reach)
    return Intervals.format(limit, reach.shape), limited


def _tables(place: Place, layer: dict[str, Any], kind: Intervals) -> TableSum:
    """Return a layer's tables on inputs of a type."""
    outputs = integer(place, layer.get("outputs"), 1, MOST)
    bias = layer.get("bias", [0] * outputs)
    if not isinstance(bias, list) or len(bias) != outputs or not all(map(_is_number, bias)):
        raise ModelError("a layer's bias does not fit", place=place, found=f"{bias!r:.60}",
                         supported=f"{outputs} numbers")  # fmt: skip
    codes = (kind.hi - kind.lo + 1).tolist()
    specs, tables = [], layer.get("tables")
    if not isinstance(tables, list):
        raise ModelError("a layer has no tables", place=place, found=f"{tables!r:.60}")
    for number, entry in enumerate(tables):
        at = Place(place.source, place.layer, f"table {number}")
        table = _object(at, entry, "a table")
        _only(at, table, {"inputs", "output", "values"})
        inputs = table.get("inputs")
        if not isinstance(inputs, list):
            raise ModelError("a table has no list of inputs", place=at, found=f"{inputs!r:.60}")
        reads = [integer(at, i, 0, len(codes) - 1) for i in inputs]
        values, shape = table.get("values"), [codes[i] for i in reads]
        if not isinstance(values, list) or len(values) != prod(shape):
            size = f"{len(values)} entries" if isinstance(values, list) else type(values).__name__
            raise ModelError("a table has the wrong length", place=at, found=size,
                             supported=f"{prod(shape)} entries, for codes {shape}")  # fmt: skip
        if not all(v is None or _is_number(v) for v in values):
            raise ModelError("a table holds what is no number", place=at,
                             supported="numbers, and null where an input cannot occur")  # fmt: skip
        numbers = np.asarray([np.nan if v is None else v for v in values], np.float64)
        target = integer(at, table.get("output"), 0, outputs - 1)
        specs.append(TableSpec(reads, target, numbers.reshape(shape)))
    return TableSum.of(specs, kind.lo, codes, kind.frac, bias)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 2**40


def _object(place: Place, value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{what} must be a JSON object", place=place, found=f"{value!r:.60}")
    return value


def _only(place: Place, value: dict[str, Any], known: set[str]) -> None:
    """Refuse keys that nobody would read."""
    unknown = sorted(set(value) - known)
    if unknown:
        raise ModelError(
            "a file of tables holds something unknown",
            place=place,
            found=", ".join(map(str, unknown)),
            supported=", ".join(sorted(known)),
        )


def run_plain(path: Path, x: Reals) -> Reals:
    """Compute a file's network, table by table as the file has it: a second opinion."""
    data = load(path)
    given = data["input"]
    low = np.full(given["size"], given.get("low", 0)) * 2.0 ** -given.get("frac", 0)
    step, value = np.full(len(low), 2.0 ** -given.get("frac", 0)), np.asarray(x, np.float64)
    kind = codes_input(
        "x", len(low), given.get("low", 0), given["codes"], given.get("frac", 0)
    ).type
    assert kind is not None
    reach = kind
    for number, layer in enumerate(data["layers"]):
        codes = (kind.hi - kind.lo + 1).tolist()
        code = np.rint((value - low) / step).astype(np.int64)
        total = np.tile(
            np.asarray(layer.get("bias", [0] * layer["outputs"]), np.float64), (len(value), 1)
        )
        for table in layer["tables"]:
            index = np.zeros(len(value), np.int64)
            for i in table["inputs"]:
                index = index * codes[i] + code[:, i]
            entries = [np.nan if v is None else v for v in table["values"]]
            total[:, table["output"]] += np.asarray(entries, np.float64)[index]
        limit, fmt = layer.get("saturate"), None
        if limit is not None:
            fmt = Fixed(bool(limit.get("signed", False)), limit["width"], limit.get("frac", 0))
            scaled = np.clip(np.rint(np.ldexp(total, fmt.frac)), fmt.low, fmt.high)
            total = np.ldexp(scaled, -fmt.frac)
        op = _tables(Place(str(path), str(number)), layer, kind)
        kind, reach = _behind(op, reach, fmt)
        value, low, step = total, kind.low_value, 2.0 ** -kind.frac.astype(np.float64)
    return value
