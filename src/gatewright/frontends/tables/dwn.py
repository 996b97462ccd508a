"""Read differentiable weightless networks: thermometer bits, layers of lookup tables, counts.

The rules are those of `torch-dwn` (`LUTLayer`, its CUDA kernel, `LearnableMapping`, `GroupSum`,
`Thermometer`): a bit of the thermometer is `x > threshold`, all bits of a feature side by side, and
one row of thresholds serves all features (`feature_wise=False`); bit `l` of a table's index is the
input `mapping[j, l]`; a learnt mapping takes the largest weight of a column; an entry above 0
answers 1; the last layer's tables are counted in groups of equal size, one after the other. It
computes on a GPU alone, so that a network is read from its tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

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
MOST_BITS = 1 << 24


class _Layer(NamedTuple):
    """A layer's tensors.

    Attributes:
        label: its name in the state dict.
        mapping: (tables, inputs) bit that each input of a table is.
        luts: (tables, 2**inputs).
        size: bits that the layer reads, where its tensors say so; 0: they do not.
    """

    label: str
    mapping: Ints
    luts: Reals
    size: int


def read_dwn(
    state: Any, classes: int, thresholds: Any = None, name: str = "dwn", inputs: int | None = None
) -> Graph:
    """Return the graph of a weightless network.

    Args:
        state: the state dict of the layers, in their order (tensors or arrays by name), or a live
            module with a `state_dict`. A `.pt` file is a pickle: load it with
            `torch.load(path, weights_only=True)`.
        classes: groups that the last layer's tables are counted in (`GroupSum`'s `k`). The outputs
            are the counts; `GroupSum` divides them by its `tau`, which changes no order.
        thresholds: of the thermometer, (features, bits), or (1, bits) for all features alike; None
            where the network takes bits.
        name: of the model.
        inputs: bits that the first layer reads (its `input_size`). A learnt mapping and thresholds
            of every feature say it themselves; a mapping of indices does not.

    Raises:
        OptionError: `state` is a path, `classes` is impossible, or `inputs` is needed.
        ModelError: tensors are missing, or do not fit.
        UnsupportedError: the state dict holds something else.
    """
    if not isinstance(classes, int | np.integer) or classes < 1:
        raise OptionError("a DWN needs classes", found=repr(classes), supported="1 or more")
    layers = _layers(_arrays(state))
    nodes: list[Node] = []
    limits = None if thresholds is None else _finite(thresholds, "thresholds", 2)
    size = _size_of(layers[0], limits, inputs)
    if limits is not None:
        if len(limits) == 1:  # torch-dwn broadcasts them
            limits = np.repeat(limits, size // limits.size, axis=0)
        bits = _thermometer(nodes, limits)
        given: tuple[Input, ...] = (Input("x", (len(limits),)),)
    else:
        bits, given = "x", (codes_input("x", size, 0, 2),)
    for number, layer in enumerate(layers):
        last = number == len(layers) - 1
        op = _tables(layer, size, classes if last else len(layer.luts))
        node = f"{layer.label.replace('.', '_') or 'layer'}_{number}_tables"
        nodes.append(Node(node, op, (bits,), layer.label or f"layer {number}"))
        bits, size = node, len(layer.luts)
    facts = {"framework": "DWN", "model": f"{sum(len(layer.luts) for layer in layers)} tables"}
    return Graph(name, given, tuple(nodes), (Output("y", bits),), name, facts)


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


def _layers(arrays: Mapping[str, np.ndarray]) -> list[_Layer]:
    """Return the layers in the order of the state dict."""
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
        size = len(part["mapping.weights"]) if "mapping.weights" in part else 0
        found.append(_Layer(label, _mapping(place, part, len(luts), count), luts, size))
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
                         found=f"shape {weights.shape}, {tables} tables of {count} inputs",
                         supported=f"(inputs, {tables * count})")  # fmt: skip
    return np.asarray(weights.argmax(0).reshape(tables, count), np.int64)


def _size_of(layer: _Layer, limits: Reals | None, inputs: int | None) -> int:
    """Return how many bits the first layer reads: what is given, and what tensors say, agree.

    Raises:
        OptionError: nothing says it, or `inputs` is impossible.
        ModelError: two of them differ.
    """
    if inputs is not None and (type(inputs) is not int or not 1 <= inputs <= MOST_BITS):
        raise OptionError("a DWN cannot have so many inputs", found=repr(inputs),
                          supported=f"an integer from 1 to {MOST_BITS}")  # fmt: skip
    found = {}
    if inputs is not None:
        found["inputs"] = inputs
    if layer.size:
        found[f"{layer.label}.mapping.weights".lstrip(".")] = layer.size
    alike = bool(found) and limits is not None and len(limits) == 1
    if limits is not None and not alike:
        found["thresholds"] = limits.size
    if not found:
        raise OptionError(
            "a DWN does not say how many bits it takes",
            found=f"a mapping of indices up to {int(layer.mapping.max())}, no thresholds",
            supported="thresholds, a learnt mapping, or inputs",
            remedy="give inputs=, the first layer's input_size",
        )
    size = next(iter(found.values()))
    if alike and limits is not None and size % limits.size:
        found["thresholds of all features"] = limits.size
    if len(set(found.values())) > 1:
        raise ModelError(
            "the bits that a DWN's first layer reads do not agree",
            place=Place(layer=layer.label or "luts"),
            found=", ".join(f"{key}: {value}" for key, value in found.items()),
            supported="features times thresholds, the first layer's input_size",
        )
    return size


def _tables(layer: _Layer, size: int, outputs: int) -> TableSum:
    """Return a layer; its tables are counted in `outputs` groups."""
    place, mapping, luts = Place(layer=layer.label or "luts"), layer.mapping, layer.luts
    if layer.size and layer.size != size:
        raise ModelError("a learnt mapping does not fit the layer before it", place=place,
                         found=f"weights of {layer.size} inputs", supported=f"{size}")  # fmt: skip
    if mapping.min() < 0 or mapping.max() >= size:
        raise ModelError("a mapping names an input that is not there", place=place,
                         found=f"{int(mapping.min())} to {int(mapping.max())}",
                         supported=f"0 to {size - 1}")  # fmt: skip
    if len(luts) % outputs:
        raise ModelError("the tables do not divide into groups", place=place,
                         found=f"{len(luts)} tables, {outputs} classes",
                         supported="a multiple of the classes")  # fmt: skip
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
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ModelError("a tensor of a DWN holds no numbers", place=Place(layer=what),
                         found=f"{value!r:.60}",
                         supported=f"finite numbers on {axes} axes")  from None  # fmt: skip
    if array.ndim != axes or not array.size or not np.isfinite(array).all():
        finite = "finite" if np.isfinite(array).all() else "with NaN or infinity"
        raise ModelError("a tensor of a DWN cannot be used", place=Place(layer=what),
                         found=f"shape {array.shape}, {finite}",
                         supported=f"finite numbers on {axes} axes")  # fmt: skip
    return array
