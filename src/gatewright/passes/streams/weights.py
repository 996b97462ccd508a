"""Other weights for a design whose weights can be written: for the hardware and the emulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gatewright.base import ModelError, OptionError
from gatewright.blocks.mac_store import MacRegisters
from gatewright.blocks.table_store import TableRegisters
from gatewright.blocks.tree_walk import ForestRegisters
from gatewright.ir import Graph, Node, Op, Reals
from gatewright.num import Ints
from gatewright.ops import Dense, Embedding, Forest, Function, GroupedDense, Lookup
from gatewright.ops.forest_walk import forest_words
from gatewright.streams import Registers


@dataclass(frozen=True, eq=False)
class Loaded:
    """Other weights.

    Attributes:
        writes: (writes, 2) int64, address and 32 bits of data of each write on the bus, in an order
            that does not matter. What is read there afterwards is the same data.
        graph: the model with these weights, for the emulator.
    """

    writes: Ints
    graph: Graph


def load_weights(
    graph: Graph,
    registers: Mapping[str, Registers],
    layer: str,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
) -> Loaded:
    """Bring other weights into a layer.

    Args:
        graph: the integer model as it is now.
        registers: of its design, by node (`Lowered.registers`).
        layer: name of the layer, or of its node.
        weight: real numbers of the format that the hardware holds, in the shape of the layer's: a
            matrix (of a convolution the kernel's positions and channels by filters), a matrix for
            each group, or the values of a table.
        bias: likewise; None keeps the one there is. A table has none.

    Raises:
        OptionError: the layer's weights cannot be written, or no layer has this name.
        ModelError: shapes are not the layer's, or a number is not one of the format's.
    """
    node = node_of(graph, registers, layer)
    op, own = node.op, registers[node.name]
    if isinstance(own, ForestRegisters):
        raise OptionError(
            "a forest is loaded as a whole", place=layer, found="weights",
            remedy="use `load_forest`",
        )  # fmt: skip
    weight = _numbers(weight, layer)
    if isinstance(own, TableRegisters):
        if bias is not None:
            raise ModelError(
                "a table has no bias", place=layer, found="a bias",
                remedy="add it to the values of the table",
            )  # fmt: skip
        writes = own.load(weight)
        other: Op = (
            Embedding(weight)
            if isinstance(op, Embedding)
            else Lookup.of_values(weight, own.low, own.frac)
        )
    else:
        assert isinstance(own, MacRegisters)
        assert isinstance(op, Dense | GroupedDense)
        bias = op.bias if bias is None else _numbers(bias, layer)
        writes = own.load(weight, bias)
        other = replace(
            op, weight=weight.reshape(op.weight.shape), bias=bias.reshape(op.bias.shape)
        )
    nodes = tuple(replace(n, op=other) if n is node else n for n in graph.nodes)
    return Loaded(writes, replace(graph, nodes=nodes))


def _numbers(values: ArrayLike, layer: str) -> Reals:
    """Return what a user gave as an array.

    Raises:
        ModelError: it is none, or not of real numbers.
    """
    try:
        given = np.asarray(values)
    except ValueError:
        given = np.asarray("rows of different lengths")
    if given.dtype.kind not in "fiub":
        raise ModelError(
            "weights are not an array of real numbers",
            place=layer,
            found=f"an array of {given.dtype}",
            supported="floats or integers",
        )
    return given.astype(np.float64)


def held_words(graph: Graph, registers: Mapping[str, Registers]) -> Ints:
    """Return the words of all registers, (words, 2) address and data, for a model's weights."""
    parts = []
    for node in graph.nodes:
        own, op = registers.get(node.name), node.op
        if isinstance(own, MacRegisters):
            assert isinstance(op, Dense | GroupedDense)
            parts.append(own.load(op.weight, op.bias))
        elif isinstance(own, TableRegisters):
            parts.append(own.load(table_values(op, own)))
        elif isinstance(own, ForestRegisters):
            assert isinstance(op, Forest)
            parts.append(forest_words(op, own))
    return np.concatenate(parts) if parts else np.zeros((0, 2), np.int64)


def table_values(op: Op, own: TableRegisters) -> np.ndarray:
    """Return the values of a table that can be written, as a model has them."""
    if isinstance(op, Embedding):
        return op.table
    if isinstance(op, Lookup):
        return op.values
    assert isinstance(op, Function)
    return op.rows(own.low, own.low + own.shape[0] - 1, own.frac).values[:, 0]


def node_of(graph: Graph, registers: Mapping[str, Registers], layer: str) -> Node:
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


def register_rows(registers: Mapping[str, Registers]) -> list[dict[str, Any]]:
    """Return the address map as plain data: a row for each run of words of one layout."""
    return [{"node": node, **row} for node, own in registers.items() for row in own.rows()]


def _runs(formats: list[str]) -> str:
    """Return formats in short."""
    return ", ".join(f"{len(list(same))} x {fmt}" for fmt, same in groupby(formats))


def register_table(registers: Mapping[str, Registers]) -> str:
    """Return the address map at the AXI4-Lite slave, a line for each bank, for people."""
    heads = ("layer", "registers", "byte address", "words", "access")
    rows = [(*heads, "a word holds, lowest bits first")]
    for row in register_rows(registers):
        access = "read, write" if row["readable"] else "write only: a read answers SLVERR"
        rows.append((
            row["layer"], row["name"], f"0x{row['address']:07x}", str(row["words"]), access,
            _runs(row["formats"]),
        ))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
