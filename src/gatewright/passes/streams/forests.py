"""Another forest for a design whose nodes and leaves can be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gatewright.base import ModelError, OptionError
from gatewright.blocks.tree_walk import ForestRegisters
from gatewright.ir import Graph
from gatewright.num import Intervals
from gatewright.ops import Forest
from gatewright.ops.forest_walk import forest_words
from gatewright.passes.streams.weights import Loaded, node_of
from gatewright.streams import Registers


def load_forest(
    graph: Graph, registers: Mapping[str, Registers], layer: str, forest: Forest | Graph
) -> Loaded:
    """Bring another forest into a layer.

    Args:
        graph: the integer model as it is now.
        registers: of its design, by node (`Lowered.registers`).
        layer: name of the layer, or of its node.
        forest: its leaves are numbers of the format that the hardware holds; or a whole integer
            model of a forest, which is fed the same inputs. Then what the host makes of the sums
            is that model's, too.

    Raises:
        OptionError: the layer's nodes cannot be written, no layer has this name, or what is given
            is no forest.
        ModelError: the forest does not fit.
    """
    node = node_of(graph, registers, layer)
    own = registers[node.name]
    if not isinstance(own, ForestRegisters):
        raise OptionError(
            "this layer is no forest", place=layer, found=node.op.kind,
            remedy="use `load_weights`",
        )  # fmt: skip
    if not isinstance(forest, Forest | Graph):
        raise OptionError(
            "what is to be loaded is no forest", place=layer, found=type(forest).__name__,
            supported="a design, its integer model, or a forest operation",
            remedy="compile the trained model with the same formats, and give the design",
        )  # fmt: skip
    model = forest if isinstance(forest, Graph) else None
    op = forest if isinstance(forest, Forest) else _forest_of(forest, graph, layer)
    writes = forest_words(op, own)
    nodes = tuple(replace(n, op=op) if n is node else n for n in graph.nodes)
    outputs = graph.outputs
    if model is not None:
        decodes = [output.decode for output in model.outputs]
        outputs = tuple(replace(o, decode=d) for o, d in zip(outputs, decodes, strict=True))
    return Loaded(writes, replace(graph, nodes=nodes, outputs=outputs))


def _forest_of(model: Graph, graph: Graph, layer: str) -> Forest:
    """Return the forest of a model that could take a graph's place.

    Raises:
        ModelError: it has other operations, or is fed other integers.
    """

    def kinds(g: Graph) -> list[type]:
        return [type(node.op) for node in g.nodes]

    if kinds(model) != kinds(graph) or len(model.outputs) != len(graph.outputs):
        raise ModelError(
            "a model has other operations than the design that a forest is loaded into",
            place=layer,
            found=", ".join(kind.__name__ for kind in kinds(model)),
            supported=", ".join(kind.__name__ for kind in kinds(graph)),
            remedy="give its forest alone, if the rest is the same",
        )
    same = [_same(a.type, b.type) for a, b in zip(model.inputs, graph.inputs, strict=True)]
    if not all(same):
        raise ModelError(
            "a model is fed other integers than the design that a forest is loaded into",
            place=layer,
            found="another format of a feature",
            supported="the formats of the design's input",
            remedy="compile both with the same `input_format`",
        )
    (forest,) = (node.op for node in model.nodes if isinstance(node.op, Forest))
    return forest


def _same(a: Intervals | None, b: Intervals | None) -> bool:
    """Whether two types are the same."""
    if a is None or b is None:
        return a is b
    return all(np.array_equal(*v) for v in ((a.lo, b.lo), (a.hi, b.hi), (a.frac, b.frac)))
