"""Layers of tables as a graph: each a sum of tables and the quantizer behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.base import Namer
from gatewright.ir import Graph, Input, Node, Op, Output
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Quantize


@dataclass
class Layers:
    """A chain of layers under construction.

    Attributes:
        name: of the model.
        source: where it came from.
        input: what the first layer reads.
        facts: for the report.
    """

    name: str
    source: str
    input: Input
    facts: dict[str, str]
    nodes: list[Node] = field(default_factory=list)
    namer: Namer = field(default_factory=Namer)

    def add(self, layer: str, *ops: Op) -> None:
        """Append the operations of a layer, each on the result of the one before it."""
        for op in ops:
            last = self.nodes[-1].name if self.nodes else self.input.name
            name = self.namer.name(f"{layer}_{op.kind}", "layer")
            self.nodes.append(Node(name, op, (last,), layer))

    def graph(self) -> Graph:
        """Return the graph; its output is the last layer's."""
        last = self.nodes[-1].name if self.nodes else self.input.name
        output = Output("y", last)
        return Graph(
            self.name, (self.input,), tuple(self.nodes), (output,), self.source, self.facts
        )


def codes_input(name: str, size: int, low: int, codes: int, frac: int = 0) -> Input:
    """Return an input of codes: the integers that the first tables are given for."""
    return Input(name, (size,), Intervals.of([low] * size, [low + codes - 1] * size, frac))


def saturate(signed: bool, width: int, frac: int = 0) -> Quantize:
    """Return the quantizer that brings a sum into a format by its limits."""
    return Quantize.to_format(Fixed(signed, width, frac), Rounding.RND_CONV, Overflow.SAT)
