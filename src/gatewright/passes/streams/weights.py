"""Other weights for a design whose weights can be written: for the hardware and the emulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from gatewright.base import OptionError
from gatewright.blocks.mac_store import MacRegisters
from gatewright.ir import Graph, Node
from gatewright.num import Ints
from gatewright.ops import Dense, GroupedDense


@dataclass(frozen=True, eq=False)
class Loaded:
    """Other weights.

    Attributes:
        writes: (writes, 2) int64, address and 32 bits of data of each write on the bus, in an order
            that does not matter.
        graph: the model with these weights, for the emulator.
    """

    writes: Ints
    graph: Graph


def load_weights(
    graph: Graph,
    registers: Mapping[str, MacRegisters],
    layer: str,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
) -> Loaded:
    """Bring other weights into a layer.

    Args:
        graph: the integer model as it is now.
        registers: of its design, by node (`Lowered.registers`).
        layer: name of the layer, or of its node.
        weight: real numbers of the format that the hardware holds, in the shape of the layer's.
        bias: likewise; None keeps the one there is.

    Raises:
        OptionError: the layer's weights cannot be written, or no layer has this name.
        ModelError: shapes are not the layer's, or a number is not one of the format's.
    """
    node = _node(graph, registers, layer)
    op = node.op
    assert isinstance(op, Dense | GroupedDense)
    weight = np.asarray(weight, np.float64)
    bias = op.bias if bias is None else np.asarray(bias, np.float64)
    writes = registers[node.name].load(weight, bias)
    other = replace(op, weight=weight.reshape(op.weight.shape), bias=bias.reshape(op.bias.shape))
    nodes = tuple(replace(n, op=other) if n is node else n for n in graph.nodes)
    return Loaded(writes, replace(graph, nodes=nodes))


def _node(graph: Graph, registers: Mapping[str, MacRegisters], layer: str) -> Node:
    """Return the node of a layer."""
    nodes = {node.name: node for node in graph.nodes if node.name in registers}
    found = [n for n in nodes.values() if layer in (n.name, n.layer)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{n.layer or n.name} (node {n.name})" for n in nodes.values())
    if found:
        raise OptionError(
            "several products of this layer have weights that can be written",
            found=layer,
            supported=", ".join(n.name for n in found),
            remedy="name the node",
        )
    raise OptionError(
        "there are no weights of this name that can be written",
        found=layer,
        supported=known or "none: no layer was planned with `writable`",
        remedy="plan the layer with `writable`, and build the design again",
    )


def register_table(registers: Mapping[str, MacRegisters]) -> str:
    """Return the address map of the bus, a line for each bank, for people."""
    rows = [("layer", "bank", "address", "words", "a word holds, lowest bits first")]
    for own in registers.values():
        rows += [
            (name, bank, f"0x{base:06x}", str(words), fields)
            for name, bank, base, words, fields in own.table()
        ]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
