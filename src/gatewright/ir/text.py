"""Print a graph, a line per operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from gatewright.ir.graph import Graph
from gatewright.num import Fixed, Intervals


def describe(kind: Intervals, most: int = 3) -> str:
    """Return the formats of a tensor in short: `16 x fixed<8,4>`, or a few kinds and a count."""
    triples = np.stack([kind.lo.ravel(), kind.hi.ravel(), kind.frac.ravel()], axis=1)
    different, numbers = np.unique(triples, axis=0, return_counts=True)
    counts: Counter[str] = Counter()
    for triple, number in zip(different.tolist(), numbers.tolist(), strict=True):
        counts[str(Fixed.holding(*triple))] += number
    shape = "x".join(map(str, kind.shape)) or "scalar"
    common = counts.most_common(most)
    if len(common) == 1:
        return f"{shape} {common[0][0]}"
    names = ", ".join(f"{count} {name}" for name, count in common)
    rest = len(counts) - len(common)
    return f"{shape} [{names}{f', {rest} more kinds' if rest else ''}]"


def print_graph(graph: Graph, types: Mapping[str, Intervals] | None = None) -> str:
    """Return the graph as text, with types where they are known."""
    types = types or {}
    lines = [f"graph {graph.name}"]
    for i in graph.inputs:
        kind = describe(i.type) if i.type is not None else f"{i.shape} real"
        lines.append(f"  input {i.name}: {kind}")
    for node in graph.nodes:
        kind = f": {describe(types[node.name])}" if node.name in types else ""
        layer = f"  # {node.layer}" if node.layer else ""
        lines.append(f"  {node.name} = {node.op.kind}({', '.join(node.inputs)}){kind}{layer}")
    lines += [f"  output {o.name} = {o.value}" for o in graph.outputs]
    return "\n".join(lines)
