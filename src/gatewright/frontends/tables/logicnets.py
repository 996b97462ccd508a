"""Read LogicNets-style modules: sparse neurons with quantized inputs and outputs, enumerated.

What is recognised is the public structure of `logicnets.nn` (Xilinx/logicnets, also of PolyLUT's
and others' forks): modules of the class `SparseLinearNeq` with `in_features`, `out_features`,
`fc.mask()`, `input_quant` and `output_quant`, whose quantizers give their states
(`get_state_space`, `get_bin_state_space`) and switch to integers (`bin_output`, `float_output`).
Every neuron is run on all states of the inputs that its mask names. The network is then run as a
whole on random codes and compared: whatever else the modules do shows there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from gatewright.base import ModelError, Namer, Place, UnsupportedError, VerificationError
from gatewright.frontends.listed import Listed
from gatewright.frontends.tables.layers import Layers
from gatewright.frontends.tables.recognised import NEURONS as LAYER
from gatewright.ir import Graph, Input, run_real
from gatewright.num import Intervals, Ints
from gatewright.ops import TableSpec, TableSum

QUANTIZER = ("get_state_space", "get_bin_state_space", "bin_output", "float_output")
PARTS = ("in_features", "out_features", "fc", "input_quant", "output_quant")
CONTAINERS = ("Sequential", "ModuleList")
MOST_STATES = 1 << 16
SAMPLES = 64


def list_logicnets(model: Any) -> list[Listed]:
    """Return each layer by name and class."""
    return [Listed(name, type(layer).__name__) for name, layer in _layers(model)]


def read_logicnets(model: Any) -> Graph:
    """Return the graph of a live module; its inputs and outputs are the quantizers' integers.

    Raises:
        UnsupportedError: it holds something besides such layers, or a neuron reads too much.
        ModelError: a layer's parts do not fit.
        VerificationError: the tables differ from the module.
    """
    layers = _layers(model)
    training = model.training
    model.eval()
    try:
        graph, first = _graph(type(model).__name__, layers)
        _compare(graph, [layer for _, layer in layers], first)
    finally:
        model.train(training)
    return graph


def _layers(model: Any) -> list[tuple[str, Any]]:
    """Return the layers in order, having refused whatever else there is."""
    if type(model).__name__ == LAYER:
        return [("layer", model)]
    found: list[tuple[str, Any]] = []
    for name, child in model.named_children():
        kind = type(child).__name__
        if kind == LAYER:
            found.append((name, child))
        elif kind in CONTAINERS:
            found += [(f"{name}.{inner}", layer) for inner, layer in _layers(child)]
        else:
            raise UnsupportedError(
                "a network of enumerated neurons holds another module",
                place=Place(type(model).__name__, name),
                found=kind,
                supported=f"{LAYER} one after the other, in {' or '.join(CONTAINERS)}",
                remedy="pass the part of the model that holds these layers alone",
            )
    for name, layer in found:
        missing = [part for part in PARTS if not hasattr(layer, part)]
        missing += [
            f"{part}.{wanted}" for part in ("input_quant", "output_quant") for wanted in QUANTIZER
            if hasattr(layer, part) and not hasattr(getattr(layer, part), wanted)
        ]  # fmt: skip
        if missing or not callable(getattr(layer.fc, "mask", None)):
            raise UnsupportedError(
                "a layer of enumerated neurons lacks what it is enumerated by",
                place=Place(type(model).__name__, name),
                found=f"no {', '.join(missing) or 'fc.mask'}",
                supported=f"LogicNets' {LAYER}",
            )
    return found


def _states(quantizer: Any, place: Place) -> tuple[Ints, np.ndarray]:
    """Return the integers of a quantizer and the floats that they stand for, in order."""
    codes = np.asarray(quantizer.get_bin_state_space().detach().cpu(), np.int64).ravel()
    floats = np.asarray(quantizer.get_state_space().detach().cpu(), np.float32).ravel()
    apart = len(codes) != len(floats) or (np.diff(codes) != 1).any()
    if apart or not len(codes) or not np.isfinite(floats).all():
        raise ModelError(
            "a quantizer's states cannot be enumerated",
            place=place,
            found=f"{len(codes)} integers, {len(floats)} numbers",
            supported="consecutive integers, each with a finite number",
        )
    return codes, floats


def _graph(name: str, layers: Sequence[tuple[str, Any]]) -> tuple[Graph, tuple[Ints, np.ndarray]]:
    """Return the graph, and the states of its input."""
    first = _states(layers[0][1].input_quant, Place(name, layers[0][0], "input_quant"))
    size, (codes, floats) = int(layers[0][1].in_features), first
    kind = Intervals.of([codes[0]] * size, [codes[-1]] * size, 0)
    neurons = sum(int(layer.out_features) for _, layer in layers)
    facts = {"framework": "LogicNets", "model": f"{neurons} neurons in {len(layers)} layers"}
    found = Layers(name, name, Input("x", (size,), kind), facts)
    labels = Namer()
    for number, (label, layer) in enumerate(layers):
        place = Place(name, label)
        specs = _neurons(layer, floats, place, number == 0)
        if int(layer.in_features) != size:
            raise ModelError("a layer does not fit the one before it", place=place,
                             found=f"{layer.in_features} inputs", supported=f"{size}")  # fmt: skip
        op = TableSum.of(
            specs, [codes[0]] * size, [len(codes)] * size, 0, np.zeros(int(layer.out_features))
        )
        found.add(labels.name(label.replace(".", "_"), "layer"), op)
        codes, floats = _states(layer.output_quant, Place(name, label, "output_quant"))
        size = int(layer.out_features)
    return found.graph(), first


def _neurons(layer: Any, floats: np.ndarray, place: Place, is_first: bool) -> list[TableSpec]:
    """Return the table of each neuron: its integers for all states of its inputs."""
    import torch

    mask = np.asarray(layer.fc.mask().detach().cpu()) != 0
    if mask.shape != (int(layer.out_features), int(layer.in_features)):
        raise ModelError("a layer's mask does not fit it", place=place, found=f"shape {mask.shape}")
    flags = layer.apply_input_quant, layer.apply_output_quant
    binary = layer.output_quant.is_bin_output
    layer.apply_input_quant, layer.apply_output_quant = flags[0] and not is_first, True
    layer.output_quant.bin_output()
    specs = []
    try:
        for neuron in range(len(mask)):
            reads = np.flatnonzero(mask[neuron])
            if len(floats) ** len(reads) > MOST_STATES:
                raise UnsupportedError(
                    "a neuron reads too much to be enumerated", place=place,
                    found=f"neuron {neuron}: {len(reads)} inputs of {len(floats)} states",
                    supported=f"up to {MOST_STATES} states together",
                )  # fmt: skip
            states = np.asarray(list(product(floats, repeat=len(reads))), np.float32)
            x = np.zeros((len(states), mask.shape[1]), np.float32)
            x[:, reads] = states.reshape(len(states), len(reads))
            with torch.no_grad():
                y = np.asarray(layer(torch.from_numpy(x)).detach().cpu(), np.float64)[:, neuron]
            specs.append(TableSpec(reads.tolist(), neuron, y.reshape((len(floats),) * len(reads))))
    finally:
        layer.apply_input_quant, layer.apply_output_quant = flags
        if not binary:
            layer.output_quant.float_output()
    return specs


def _compare(graph: Graph, layers: Sequence[Any], states: tuple[Ints, np.ndarray]) -> None:
    """Run layers and graph on random codes.

    Raises:
        VerificationError: they differ.
    """
    import torch

    codes, floats = states
    rng = np.random.default_rng(0)
    index = rng.integers(0, len(codes), (SAMPLES, int(layers[0].in_features)))
    ours = run_real(graph, {"x": codes[index].astype(np.float64)})[graph.outputs[0].value]
    quantizer, binary = layers[-1].output_quant, layers[-1].output_quant.is_bin_output
    flags = layers[0].apply_input_quant
    layers[0].apply_input_quant = False  # these are its states already
    x = torch.from_numpy(floats[index])
    try:
        with torch.no_grad():
            for layer in layers[:-1]:
                layer.output_quant.float_output()
                x = layer(x)
            quantizer.bin_output()
            theirs = np.asarray(layers[-1](x).detach().cpu(), np.float64)
    finally:
        layers[0].apply_input_quant = flags
        if not binary:
            quantizer.float_output()
    wrong = np.argwhere(ours != theirs)
    if len(wrong):
        at = tuple(map(int, wrong[0]))
        raise VerificationError(
            "the enumerated neurons differ from the module",
            place=graph.source,
            found=f"output {at[1]}: {ours[at]} and not {theirs[at]}, at a random input",
            supported="neurons that depend on the inputs that their mask names alone",
        )
