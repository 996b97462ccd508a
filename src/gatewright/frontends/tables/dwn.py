"""Read differentiable weightless networks: thermometer bits, layers of lookup tables, counts.

The rules are those of `torch-dwn` (`LUTLayer`, its CUDA kernel, `LearnableMapping`, `GroupSum`,
`Thermometer`): a bit of the thermometer is `x > threshold`, all bits of a feature side by side; bit
`l` of a table's index is the input `mapping[j, l]`; a learnt mapping takes the largest weight of a
column; an entry above 0 answers 1; the last layer's tables are counted in groups of equal size,
one after the other. It computes on a GPU alone, so that a network is read from its tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewright.base import ModelError, OptionError, Place, UnsupportedError
from gatewright.frontends.tables.layers import codes_input
from gatewright.ir import Graph, Input, Node, Output, Reals
from gatewright.num import Ints
from gatewright.ops import Compare, Constant, Reshape, TableSpec, TableSum

LAYER = re.compile(r"(?:(?P<prefix>.*)\.)?(?P<name>luts|mapping|mapping\.weights)")
DUMMY = "_LUTLayer__dummy_mapping"
"""Under this key a layer with a learnt mapping holds numbers that mean nothing."""

MOST_INPUTS = 12


def read_dwn(state: Any, classes: int, thresholds: Any = None, name: str = "dwn") -> Graph:
    """Return the graph of a weightless network.

    Args:
        state: the state dict of the layers, in their order (tensors or arrays by name), or a live
            module with a `state_dict`. A `.pt` file is a pickle: load it with
            `torch.load(path, weights_only=True)`.
        classes: groups that the last layer's tables are counted in (`GroupSum`'s `k`). The outputs
            are the counts; `GroupSum` divides them by its `tau`, which changes no order.
        thresholds: of the thermometer, (features, bits), or None where the network takes bits.
        name: of the model.

    Raises:
        OptionError: `state` is a path, or `classes` is impossible.
        ModelError: tensors are missing, or do not fit.
        UnsupportedError: the state dict holds something else.
    """
    if classes < 1:
        raise OptionError("a DWN needs classes", found=classes, supported="1 or more")
    layers = _layers(_arrays(state))
    size = _inputs_of(layers[0], thresholds)
    bits = "x"
    nodes: list[Node] = []
    if thresholds is not None:
        limits = _finite(thresholds, "thresholds", 2)
        bits = _thermometer(nodes, limits)
        size = limits.size
        inputs: tuple[Input, ...] = (Input("x", (len(limits),)),)
    else:
        inputs = (codes_input("x", size, 0, 2),)
    for number, (label, mapping, luts) in enumerate(layers):
        last = number == len(layers) - 1
        op = _layer(label, mapping, luts, size, classes if last else len(luts))
        node = f"{label.replace('.', '_') or 'layer'}_{number}_tables"
        nodes.append(Node(node, op, (bits,), label or f"layer {number}"))
        bits, size = node, len(luts)
    facts = {"framework": "DWN", "model": f"{sum(len(luts) for *_, luts in layers)} tables"}
    return Graph(name, inputs, tuple(nodes), (Output("y", bits),), name, facts)


def _thermometer(nodes: list[Node], limits: Reals) -> str:
    """Append the comparisons with the thresholds; return the name of the bits."""
    layer = "thermometer"
    nodes += [
        Node("thermometer_column", Reshape((len(limits), 1)), ("x",), layer),
        Node("thermometer_thresholds", Constant(limits), ("x",), layer),
        Node("thermometer_compare", Compare("greater"),
             ("thermometer_column", "thermometer_thresholds"), layer),
        Node("thermometer_bits", Reshape((limits.size,)), ("thermometer_compare",), layer),
    ]  # fmt: skip
    return nodes[-1].name


def _arrays(state: Any) -> dict[str, np.ndarray]:
    """Return a state dict as arrays by name."""
    if isinstance(state, str) or hasattr(state, "__fspath__"):
        raise OptionError(
            "a DWN is read from its tensors, not from a file",
            found=str(state),
            supported="a state dict, or a live module",
            remedy="torch.load(path, weights_only=True) reads tensors and runs nothing; "
            "safetensors.torch.load_file and numpy.load do, too",
        )
    if hasattr(state, "state_dict"):
        state = state.state_dict()
    if not isinstance(state, Mapping):
        raise OptionError("a DWN is read from its tensors", found=type(state).__name__,
                          supported="a state dict, or a live module")  # fmt: skip
    return {
        str(key): np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        for key, value in state.items()
    }


def _layers(arrays: Mapping[str, np.ndarray]) -> list[tuple[str, Ints, Reals]]:
    """Return name, mapping and tables of each layer, in the order of the state dict."""
    parts: dict[str, dict[str, np.ndarray]] = {}
    for key, value in arrays.items():
        if key.rpartition(".")[2] == DUMMY:
            continue
        match = LAYER.fullmatch(key)
        if match is None:
            raise UnsupportedError(
                "a DWN's state dict holds something unknown", place=Place(layer=key), found=key,
                supported="`luts`, and `mapping` or `mapping.weights`, of LUT layers",
            )  # fmt: skip
        parts.setdefault(match["prefix"] or "", {})[match["name"]] = value
    if not parts:
        raise ModelError("a DWN's state dict holds no layer of lookup tables", found="no tensors")
    found = []
    for label, part in parts.items():
        place = Place(layer=label or "luts")
        if "luts" not in part or len(part) != 2:
            raise ModelError("a layer of lookup tables is not complete", place=place,
                             found=", ".join(sorted(part)),
                             supported="`luts`, and `mapping` or `mapping.weights`")  # fmt: skip
        luts = _finite(part["luts"], f"{label}.luts".lstrip("."), 2)
        count = luts.shape[1].bit_length() - 1
        if luts.shape[1] != 1 << count or not 1 <= count <= MOST_INPUTS:
            raise ModelError(
                "a lookup table has an impossible number of entries",
                place=place,
                found=luts.shape[1],
                supported=f"a power of two up to {1 << MOST_INPUTS}",
            )
        found.append((label, _mapping(place, part, len(luts), count), luts))
    return found


def _mapping(place: Place, part: Mapping[str, np.ndarray], tables: int, count: int) -> Ints:
    """Return the inputs of each table, (tables, inputs)."""
    if "mapping" in part:
        mapping = part["mapping"]
        if mapping.dtype.kind not in "iu" or mapping.shape != (tables, count):
            raise ModelError("a mapping does not fit its tables", place=place,
                             found=f"{mapping.dtype} of shape {mapping.shape}",
                             supported=f"integers of shape {(tables, count)}")  # fmt: skip
        return mapping.astype(np.int64)
    weights = _finite(part["mapping.weights"], "mapping.weights", 2)
    if weights.shape[1] != tables * count:
        raise ModelError("a learnt mapping does not fit its tables", place=place,
                         found=f"shape {weights.shape}",
                         supported=f"(inputs, {tables * count})")  # fmt: skip
    return np.asarray(weights.argmax(0).reshape(tables, count), np.int64)


def _inputs_of(layer: tuple[str, Ints, Reals], thresholds: Any) -> int:
    return 0 if thresholds is not None else int(layer[1].max()) + 1


def _layer(label: str, mapping: Ints, luts: Reals, size: int, outputs: int) -> TableSum:
    """Return a layer; its tables are counted in `outputs` groups."""
    place = Place(layer=label or "luts")
    if mapping.min() < 0 or mapping.max() >= size:
        raise ModelError("a mapping names an input that is not there", place=place,
                         found=f"{int(mapping.min())} to {int(mapping.max())}",
                         supported=f"0 to {size - 1}")  # fmt: skip
    if len(luts) % outputs:
        raise ModelError("the tables do not divide into groups", place=place,
                         found=f"{len(luts)} tables, {outputs} classes")  # fmt: skip
    group, count = len(luts) // outputs, mapping.shape[1]
    specs = []
    for j, reads in enumerate(mapping):
        # The first element of a table varies slowest here, the index's highest bit there.
        cube = (luts[j] > 0).astype(np.float64).reshape((2,) * count)
        specs.append(TableSpec(reads[::-1].tolist(), j // group, cube))
    return TableSum.of(specs, [0] * size, [2] * size, 0, np.zeros(outputs))


def _finite(values: Any, what: str, axes: int) -> Reals:
    """Return an array of finite numbers."""
    value = values.detach().cpu() if hasattr(values, "detach") else values
    array = np.asarray(value, np.float64)
    if array.ndim != axes or not array.size or not np.isfinite(array).all():
        finite = "finite" if np.isfinite(array).all() else "with NaN or infinity"
        raise ModelError("a tensor of a DWN cannot be used", place=Place(layer=what),
                         found=f"shape {array.shape}, {finite}",
                         supported=f"finite numbers on {axes} axes")  # fmt: skip
    return array
