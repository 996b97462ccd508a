"""Read LogicNets-style modules: sparse neurons with quantized inputs and outputs, enumerated.

What a layer is recognised by stands in `neurons.py`. Every neuron is run on all states of the
inputs that it is said to read, whatever it computes: batch normalisations, monomials (PolyLUT), an
inner network of floats (NeuraLUT). The network is then run as a whole on random codes and compared:
a neuron that looks past its inputs shows there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from gatewright.base import ModelError, Place, UnsupportedError, VerificationError
from gatewright.frontends.listed import Listed
from gatewright.frontends.tables.layers import Layers
from gatewright.frontends.tables.neurons import Neurons, neurons_of, states_of
from gatewright.frontends.tables.recognised import NEURONS
from gatewright.ir import Graph, Input, run_real
from gatewright.num import Intervals, Ints
from gatewright.ops import TableSpec, TableSum

CONTAINERS = ("Sequential", "ModuleList")
MOST_STATES = 1 << 16
SAMPLES = 64

States = tuple[Ints, np.ndarray]
"""The integers of a quantizer, and the floats that they stand for."""


def list_logicnets(model: Any) -> list[Listed]:
    """Return each layer by name and class."""
    return [Listed(name, type(layer).__name__) for name, layer in _modules(model)]


def read_logicnets(model: Any) -> Graph:
    """Return the graph of a live module; its inputs and outputs are the quantizers' integers.

    Raises:
        UnsupportedError: it holds something besides such layers, or a neuron reads too much.
        ModelError: a layer's parts do not fit.
        VerificationError: the tables differ from the module.
    """
    name = type(model).__name__
    layers = [neurons_of(label, layer, name) for label, layer in _modules(model)]
    training = model.training
    model.eval()
    try:
        graph, first = _graph(name, layers)
        _compare(graph, layers, first)
    finally:
        model.train(training)
    return graph


def _modules(model: Any) -> list[tuple[str, Any]]:
    """Return the layers in order, having refused whatever else there is."""
    if type(model).__name__ in NEURONS:
        return [("layer", model)]
    found: list[tuple[str, Any]] = []
    for name, child in model.named_children():
        kind = type(child).__name__
        if kind in NEURONS:
            found.append((name, child))
        elif kind in CONTAINERS:
            found += [(f"{name}.{inner}", layer) for inner, layer in _modules(child)]
        else:
            raise UnsupportedError(
                "a network of enumerated neurons holds another module",
                place=Place(type(model).__name__, name),
                found=kind,
                supported=f"{', '.join(NEURONS)} one after the other, in {' or '.join(CONTAINERS)}",
                remedy="pass the part of the model that holds these layers alone",
            )
    return found


def _graph(name: str, layers: Sequence[Neurons]) -> tuple[Graph, States]:
    """Return the graph, and the states of its input."""
    first = states_of(layers[0].module.input_quant, Place(name, layers[0].label, "input_quant"))
    size, (codes, floats) = layers[0].inputs, first
    kind = Intervals.of([codes[0]] * size, [codes[-1]] * size, 0)
    count = sum(len(layer.reads) for layer in layers)
    facts = {"framework": "LogicNets", "model": f"{count} neurons in {len(layers)} layers"}
    found = Layers(name, name, Input("x", (size,), kind), facts)
    for layer in layers:
        place = Place(name, layer.label)
        if layer.inputs != size:
            raise ModelError("a layer does not fit the one before it", place=place,
                             found=f"{layer.inputs} inputs", supported=f"{size}")  # fmt: skip
        specs, size = _tables(layer, floats, place), len(layer.reads)
        op = TableSum.of(
            specs, [codes[0]] * layer.inputs, [len(codes)] * layer.inputs, 0, np.zeros(size)
        )
        found.add(layer.label, op)
        codes, floats = states_of(
            layer.module.output_quant, Place(name, layer.label, "output_quant")
        )
    return found.graph(), first


def _tables(layer: Neurons, floats: np.ndarray, place: Place) -> list[TableSpec]:
    """Return the table of each neuron: its integers for all states of its inputs."""
    specs = []
    with layer.answering(integers=True):
        for number, reads in enumerate(layer.reads):
            if len(floats) ** len(reads) > MOST_STATES:
                raise UnsupportedError(
                    "a neuron reads too much to be enumerated", place=place,
                    found=f"neuron {number}: {len(reads)} inputs of {len(floats)} states",
                    supported=f"up to {MOST_STATES} states together",
                )  # fmt: skip
            states = np.asarray(list(product(floats, repeat=len(reads))), np.float32)
            x = np.full((len(states), layer.inputs), floats[0], np.float32)
            x[:, reads] = states.reshape(len(states), len(reads))
            y = layer.run(x)[:, number]
            specs.append(TableSpec(reads.tolist(), number, y.reshape((len(floats),) * len(reads))))
    return specs


def _compare(graph: Graph, layers: Sequence[Neurons], states: States) -> None:
    """Run layers and graph on random codes.

    Raises:
        VerificationError: they differ.
    """
    codes, floats = states
    rng = np.random.default_rng(0)
    index = rng.integers(0, len(codes), (SAMPLES, layers[0].inputs))
    ours = run_real(graph, {"x": codes[index].astype(np.float64)})[graph.outputs[0].value]
    x = floats[index]
    for number, layer in enumerate(layers):
        with layer.answering(integers=number == len(layers) - 1):
            x = layer.run(x.astype(np.float32))
    wrong = np.argwhere(ours != x)
    if len(wrong):
        at = tuple(map(int, wrong[0]))
        raise VerificationError(
            "the enumerated neurons differ from the module",
            place=graph.source,
            found=f"output {at[1]}: {ours[at]} and not {x[at]}, at a random input",
            supported="neurons that depend on the inputs that their mask names alone",
        )
