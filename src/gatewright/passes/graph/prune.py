"""Remove operations that no output depends on."""

from __future__ import annotations

from gatewright.ir import Graph


def prune(graph: Graph) -> Graph:
    """Return the graph without nodes that no output needs; inputs stay, needed or not."""
    needed = {output.value for output in graph.outputs}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return graph.with_nodes(node for node in graph.nodes if node.name in needed)
