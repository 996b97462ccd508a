"""What no output needs goes."""

from gatewright import ops
from gatewright.ir import Graph, Input, Node, Output
from gatewright.passes.graph import prune


def test_dead_nodes_go_and_order_stays():
    edges = [("a", "x"), ("dead", "a"), ("b", "a"), ("gone", "dead")]
    nodes = tuple(Node(name, ops.Relu(), (source,)) for name, source in edges)
    graph = Graph("g", (Input("x", (1,)), Input("unused", (1,))), nodes, (Output("y", "b"),))
    pruned = prune(graph)
    assert [n.name for n in pruned.nodes] == ["a", "b"]
    assert len(pruned.inputs) == 2
