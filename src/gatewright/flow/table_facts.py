"""What the report says of a design's tables, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewright.ir import Graph, Node, describe
from gatewright.num import Intervals
from gatewright.ops import TableSum

MOST_TABLES = 128
"""Tables of one element whose entries are told, of a layer; all tables are counted."""

MOST_ENTRIES = 1 << 10
"""Entries of a table that are told."""


def table_facts(graph: Graph, types: Mapping[str, Intervals]) -> list[dict[str, Any]]:
    """Return each sum of tables: what it reads, how many tables it has, and what they hold.

    Args:
        graph: of integers.
        types: of its values, by name.
    """
    return [
        _facts(node, node.op, graph, types) for node in graph.nodes if isinstance(node.op, TableSum)
    ]


def _facts(
    node: Node, op: TableSum, graph: Graph, types: Mapping[str, Intervals]
) -> dict[str, Any]:
    """Return the facts of one operation."""
    kind, name = types[node.inputs[0]], node.name
    for reader in graph.nodes:  # what limits the sums stands behind them, in the same layer
        if reader.layer == node.layer and reader.inputs == (name,):
            name = reader.name
    width = kind.width.reshape(-1, kind.shape[-1]).max(0)
    drawn: list[dict[str, Any]] = []
    tables, entries, widest = list(op.tables), 0, 0
    for reads, target, values, given in tables:
        entries += values.size
        widest = max(widest, int(width[list(dict.fromkeys(reads.tolist()))].sum()))
        if len(reads) == 1 and len(drawn) < MOST_TABLES and values.size <= MOST_ENTRIES:
            known = np.where(given, values, np.nan)
            drawn.append({
                "input": int(reads[0]), "output": target,
                "values": [None if np.isnan(v) else float(v) for v in known],
            })  # fmt: skip
    return {
        "layer": node.layer, "name": node.name, "reads": describe(kind),
        "gives": describe(types[name]),
        "inputs": len(op.codes), "outputs": len(op.bias), "tables": len(tables),
        "entries": entries, "address_bits": widest,
        "drawn": drawn,
    }  # fmt: skip
