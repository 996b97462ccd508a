"""Join operations that make one actor on streams: padding and windows, windows and what joins them.

The graph computes the same. A joined operation bears the name of its last one, and so has its plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gatewright.ir import Graph, Node, Op, infer
from gatewright.num import Intervals
from gatewright.ops import Gather, Pad, Reshape, Sum, Windows
from gatewright.ops.movement import Movement
from gatewright.ops.reduce import Reduction
from gatewright.passes.streams.chains import Chain, MovedChain
from gatewright.passes.streams.reductions import ReducedChain


def fuse(graph: Graph) -> Graph:
    """Return a quantized graph whose movements are joined as far as one actor does them."""
    return _Fusion(graph, infer(graph)).run()


@dataclass(eq=False)
class _Fusion:
    graph: Graph
    types: Mapping[str, Intervals]
    reads: Counter[str] = field(default_factory=Counter)
    nodes: dict[str, Node] = field(default_factory=dict)
    readers: dict[str, list[Node]] = field(default_factory=dict)
    joined: dict[str, Node] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def run(self) -> Graph:
        """Join, the last operations first."""
        self.nodes = {node.name: node for node in self.graph.nodes}
        self.readers = self.graph.readers()
        self.reads.update(name for node in self.graph.nodes for name in node.inputs)
        self.reads.update(o.value for o in self.graph.outputs)
        for node in reversed(self.graph.nodes):
            if isinstance(node.op, Sum | Reduction):
                self._reduction(node)
        for node in reversed(self.graph.nodes):
            if isinstance(node.op, Movement) and node.name not in self.gone | set(self.joined):
                self._movements(node)
        nodes = (self.joined.get(n.name, n) for n in self.graph.nodes if n.name not in self.gone)
        return self.graph.with_nodes(nodes)

    def _source(self, node: Node, *kinds: type[Op]) -> Node | None:
        """Return what a node reads, if it is of some kinds, and nothing else reads it."""
        source = self.nodes.get(node.inputs[0])
        if source is None or self.reads[source.name] != 1 or not isinstance(source.op, kinds):
            return None
        return None if source.name in self.gone or source.name in self.joined else source

    def _before(self, node: Node) -> list[Node]:
        """Return the movements in front of a node that nothing else reads, the first one first.

        Behind windows nothing but padding: what else stands in front of them comes pixel by pixel.
        """
        found: list[Node] = []
        while True:
            cuts = isinstance(node.op, Windows)
            source = self._source(node, *((Pad,) if cuts else (Movement, Pad)))
            if source is None:
                return found
            found.insert(0, source)
            if isinstance(source.op, Pad):
                return found
            node = source

    def _reduction(self, node: Node) -> None:
        """Join a reduction with the movements in front, and a reshape behind."""
        behind = self.readers[node.name]
        alone = self.reads[node.name] == 1 and len(behind) == 1
        tail = [r for r in behind if alone and isinstance(r.op, Reshape)]
        before = self._before(node)
        if before and isinstance(before[0].op, Windows):
            before = [*self._borders(before[0]), *before]
        for start in range(len(before) + 1):
            nodes = [*before[start:], node, *tail]
            chain = ReducedChain(tuple(n.op for n in nodes))
            if chain.usable(self.types[nodes[0].inputs[0]].shape):
                self._join(nodes, chain)
                return

    def _borders(self, node: Node) -> list[Node]:
        """Return the gathers in front of a node."""
        found: list[Node] = []
        source = self._source(node, Gather)
        while source is not None:
            found.insert(0, source)
            source = self._source(source, Gather)
        return found

    def _movements(self, node: Node) -> None:
        """Join movements that follow each other."""
        nodes = [*self._before(node), node]
        while nodes and isinstance(nodes[0].op, Reshape):
            nodes = nodes[1:]
        if len(nodes) > 1:
            self._join(nodes, MovedChain(tuple(n.op for n in nodes)))

    def _join(self, nodes: list[Node], chain: Chain) -> None:
        last = nodes[-1]
        self.gone.update(n.name for n in nodes[:-1])
        self.joined[last.name] = replace(last, op=chain, inputs=nodes[0].inputs)
