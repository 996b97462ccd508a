"""Builds the network of a graph of dense convolutions anew, on the first active pixels."""

from __future__ import annotations

from dataclasses import replace

from gatewright.frontends.recipes.sparse_pixels import (
    convolve_pixels,
    densify,
    keep_first,
    pool_pixels,
)
from gatewright.frontends.scores import Extension, Tensor
from gatewright.ir import Graph, Output


class Step(Extension):
    """Appends operations as layer after layer."""

    def of(self, layer: str) -> Step:
        self.layer = layer
        return self


def sparse_network(graph: Graph, pixels: int, threshold: float = 0.0, first=None) -> Graph:
    """Return the sparse form of the published neutrino network, read as plain layers.

    `first` is an operation on the kept values, such as a quantizer.
    """
    nodes = {node.name: node for node in graph.nodes}
    step = Step(replace(graph, nodes=(), outputs=()), "input_reduce")
    x = graph.inputs[0]
    image = keep_first(step, Tensor(x.name, x.shape), pixels, threshold)
    if first is not None:
        image = image.with_values(step.emit(first, image.values, suffix="format"))
    for number in (1, 2):
        conv, layer = nodes[f"conv{number}"].op, f"conv{number}"
        side = graph.nodes[[n.name for n in graph.nodes].index(f"conv{number}_windows")].op.kernel
        channels = image.values.shape[1]
        kernel = conv.weight.reshape(*side, channels, -1)
        image = convolve_pixels(step.of(layer), image, kernel, conv.bias)
        values = step.of(f"relu{number}").emit(nodes[f"relu{number}_q"].op, image.values)
        image = image.with_values(values)
    image = pool_pixels(step.of("pool1"), image, (7, 7), "average")
    value = densify(step.of("flatten"), image)
    for name in ("flatten", "dense1", "relu3_q", "dense2", "sigmoid_function"):
        value = step.of(name).emit(nodes[name].op, value)
    return replace(graph, nodes=tuple(step.nodes), outputs=(Output("y", value.name),))
