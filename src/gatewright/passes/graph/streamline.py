"""Turn a graph of real numbers and quantizers of any scale into one of integers.

The method is FINN's streamlining (Umuroglu and Jahre, arXiv:1709.04060): scales and offsets move
behind the products and into the next quantizer, which becomes a set of thresholds. Unlike there,
thresholds are found by the source's exact rule, ties included.
"""

from __future__ import annotations

from dataclasses import replace

from gatewright.base import DataError, Diagnostics, Place
from gatewright.ir import Graph, Op, Output, located
from gatewright.num import Intervals
from gatewright.ops import Affine, DivideConstant, ScaledQuantize
from gatewright.passes.graph.host_input import host_input
from gatewright.passes.graph.prune import prune
from gatewright.passes.graph.rules import turn
from gatewright.passes.graph.scaled import Scaled, all_equal, reals
from gatewright.passes.graph.weave import Weaver


def streamline(graph: Graph) -> Graph:
    """Return the graph with every `ScaledQuantize` turned into exact integer thresholds.

    Before: quantizers behind whatever enters a product; inputs that take real numbers reach a
    quantizer first. After: no `ScaledQuantize` is left, inputs have types, every node computes on
    integers with a binary point, and what remains of scales at an output is done by the host
    (`Output.decode`). A graph that `needs_streamlining` not comes back unchanged.

    Raises:
        UnsupportedError: a value needs a quantizer that is not there, or operands of a sum have
            different scales; all such places are gathered.
        DataError: an input takes real numbers and is not quantized.
    """
    if not needs_streamlining(graph):
        return graph
    graph = host_input(graph)
    values: dict[str, Scaled | None] = {}
    types: dict[str, Intervals] = {}
    for i in graph.inputs:
        if i.type is None:
            raise DataError(
                "the model quantizes its layers but not its input",
                place=Place(graph.source, i.name),
                found="an input of real numbers that reaches no quantizer first",
                remedy="quantize the input in the model, or give an input format",
            )
        types[i.name] = i.type
        values[i.name] = Scaled.of_plain(i.name, i.type)
    weaver = Weaver(graph, types)
    diagnostics = Diagnostics()
    for node in graph.nodes:
        values[node.name] = None
        inputs = [values[name] for name in node.inputs]
        known = [value for value in inputs if value is not None]
        if len(known) == len(inputs):
            weaver.node = node
            with diagnostics.gather(), located(graph, node):
                values[node.name] = turn(weaver, node, known)
    diagnostics.raise_if_any()
    outputs = tuple(_output(o, values[o.value]) for o in graph.outputs)
    return prune(replace(graph, nodes=tuple(weaver.nodes), outputs=outputs))


def needs_streamlining(graph: Graph) -> bool:
    """Whether a quantized graph has numbers on no binary grid: odd scales, or averages over 3."""
    if any(isinstance(node.op, ScaledQuantize) for node in graph.nodes):
        return True
    divides = any(isinstance(n.op, DivideConstant) and not n.op.is_shift for n in graph.nodes)
    return divides and host_input(graph).is_fixed


def _output(output: Output, value: Scaled | None) -> Output:
    """Return the output, with what remains of scale, offset and activations for the host."""
    assert value is not None
    if value.plain:
        return replace(output, value=value.plain)
    decode: tuple[Op, ...] = value.pending
    if not all_equal(value.scale, 1) or not all_equal(value.offset, 0):
        decode = (Affine(reals(value.scale), reals(value.offset)), *decode)
    return replace(output, value=value.code, decode=(*decode, *output.decode))
