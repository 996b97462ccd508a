"""Read the truth tables that KANELÉ writes for a Kolmogorov-Arnold network, and its configuration.

The tables of an edge stand under `LAYER_INPUT_OUTPUT`: whether it is active (spelt `acive`) and its
integers for all codes of the input, the lowest code first. A layer adds the edges of an output up
and clips the sum to its bits (Duchstf/KANELE, `src/KANQuant.py` and the RTL's templates; checked
against the simulation vectors published with the models). Codes of the first layer count from 0,
those of the others are signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import FileError, ModelError, Place
from gatewright.frontends.tables.document import MOST_INTEGER, integer, integers, load
from gatewright.frontends.tables.layers import Layers, codes_input, saturate
from gatewright.frontends.tables.recognised import EDGE
from gatewright.ir import Graph, Reals
from gatewright.ops import TableSpec, TableSum

MOST_BITS = 16
MOST_WIDTH = 1 << 14
MOST_LAYERS = 100


def config_of(path: Path) -> Path:
    """Return the configuration that belongs to a file of truth tables.

    Raises:
        FileError: there is none beside it.
    """
    stem = path.stem.removesuffix("truth_tables").rstrip("_")
    names = [f"{stem}_config.json", "config.json"] if stem else ["config.json"]
    for name in names:
        if path.with_name(name).is_file():
            return path.with_name(name)
    raise FileError(
        "a KAN's truth tables do not say how many bits its layers have",
        place=str(path),
        found=f"no {' and no '.join(names)} beside it",
        supported="KANELÉ's configuration, with `layers` and `layers_bitwidth`",
        remedy=f"put the model's config.json beside the tables, as {names[0]}, or pass both to "
        "gatewright.frontends.tables.kanele_graph",
    )


def read_kanele(path: Path) -> Graph:
    """Return the graph of a file of truth tables, with the configuration beside it."""
    return kanele_graph(load(path), load(config_of(path)), path.stem, str(path))


def kanele_graph(
    tables: Mapping[str, Any], config: Mapping[str, Any], name: str = "kan", source: str = ""
) -> Graph:
    """Return the graph of truth tables and a configuration, both as JSON gives them.

    Raises:
        ModelError: a table or a layer is missing or does not fit.
    """
    sizes, bits = _shape(config, source)
    place = Place(source)
    edges: dict[tuple[int, int, int], list[int]] = {}
    for key, entry in tables.items():
        match = EDGE.fullmatch(key)
        if match is None:
            raise ModelError("a KAN's edge has an unknown name", place=place, found=key,
                             supported="LAYER_INPUT_OUTPUT")  # fmt: skip
        layer, i, j = (int(part) for part in match.groups())
        inside = layer < len(sizes) - 1 and i < sizes[layer] and j < sizes[layer + 1]
        if not inside:
            raise ModelError(
                "a KAN's edge lies outside of its layers", place=Place(source, key), found=key,
                supported=f"layers of {sizes} nodes",
            )  # fmt: skip
        active, values = _edge(Place(source, key), entry, bits[layer])
        if active:
            edges[layer, i, j] = values
        elif any(values):
            raise ModelError(
                "a KAN's edge is not active and has values all the same",
                place=Place(source, key),
                found=f"{sum(map(bool, values))} entries that are not zero",
                remedy="write the tables again from the trained model",
            )
    found = Layers(name, source, codes_input("x", sizes[0], 0, 1 << bits[0]), _facts(sizes, edges))
    for layer in range(len(sizes) - 1):
        specs = [
            TableSpec((i,), j, np.asarray(values, np.float64))
            for (at, i, j), values in sorted(edges.items()) if at == layer
        ]  # fmt: skip
        low = 0 if layer == 0 else -(1 << (bits[layer] - 1))
        size, outputs = sizes[layer], np.zeros(sizes[layer + 1])
        op = TableSum.of(specs, [low] * size, [1 << bits[layer]] * size, 0, outputs)
        found.add(f"layer_{layer}", op, saturate(True, bits[layer + 1]))
    return found.graph()


def _facts(sizes: list[int], edges: Mapping[tuple[int, int, int], list[int]]) -> dict[str, str]:
    """Return what the report says of the model."""
    shape = "-".join(map(str, sizes))
    total = sum(a * b for a, b in pairwise(sizes))
    return {"framework": "KANELÉ", "model": f"KAN {shape}, {len(edges)} of {total} edges"}


def _shape(config: Mapping[str, Any], source: str) -> tuple[list[int], list[int]]:
    """Return the nodes and the bits of each layer, the input's first."""
    place = Place(source, attribute="layers")
    sizes, bits = config.get("layers"), config.get("layers_bitwidth")
    if not isinstance(sizes, list) or not isinstance(bits, list) or len(sizes) != len(bits):
        raise ModelError(
            "a KAN's configuration does not say its layers",
            place=place,
            found=f"layers {sizes!r:.80}, layers_bitwidth {bits!r:.80}",
            supported="lists of the same length: nodes and bits of each layer",
        )
    if not 2 <= len(sizes) <= MOST_LAYERS:
        raise ModelError("a KAN has an impossible number of layers", place=place, found=len(sizes))
    checked = [integer(place, n, 1, MOST_WIDTH) for n in sizes]
    return checked, [
        integer(Place(source, attribute="layers_bitwidth"), b, 1, MOST_BITS) for b in bits
    ]


def _edge(place: Place, entry: Any, bits: int) -> tuple[bool, list[int]]:
    """Return whether an edge is active, and its integers."""
    if not isinstance(entry, dict) or "values_int" not in entry:
        raise ModelError(
            "a KAN's edge has no table", place=place, found=f"{entry!r:.80}",
            supported="an object with `acive` and `values_int`",
        )  # fmt: skip
    active = entry.get("acive", entry.get("active"))
    if active not in (0, 1):
        raise ModelError(
            "a KAN's edge does not say whether it is active", place=place, found=repr(active),
            supported="`acive`: 0 or 1",
        )  # fmt: skip
    unknown = sorted(set(entry) - {"acive", "active", "values_int"})
    if unknown:
        raise ModelError(
            "a KAN's edge holds something unknown", place=place, found=", ".join(unknown),
            supported="`acive` and `values_int`",
        )  # fmt: skip
    values = integers(
        place, entry["values_int"], 1 << bits, -MOST_INTEGER, MOST_INTEGER, "an edge's table"
    )
    return bool(active), values.tolist()


def run_kanele(path: Path, x: Reals) -> Reals:
    """Compute a file's network on codes, edge by edge as the file has it: a second opinion."""
    tables, config = load(path), load(config_of(path))
    value = np.asarray(x, np.int64)
    for layer, width in enumerate(config["layers_bitwidth"][1:]):
        total = np.zeros((len(value), config["layers"][layer + 1]), np.int64)
        start = 0 if layer == 0 else 1 << (config["layers_bitwidth"][layer] - 1)
        for key, entry in tables.items():
            at, i, j = (int(part) for part in key.split("_"))
            if at == layer:
                total[:, j] += np.asarray(entry["values_int"])[value[:, i] + start]
        value = np.clip(total, -(1 << (width - 1)), (1 << (width - 1)) - 1)
    return value.astype(np.float64)
