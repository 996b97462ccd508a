"""Turn a graph of operations into a circuit: a module per layer, wired up in a top module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.base import Namer
from gatewright.hw import NONE, VALID_IN, VALID_OUT, Bus, Module
from gatewright.ir import PARALLEL, Graph, Node, Plan, infer, located
from gatewright.num import Intervals
from gatewright.ops import Quantize
from gatewright.passes.row_kinds import Segment, segments
from gatewright.passes.rows import Job, Rows

Progress = Callable[[str, int, int], None]
"""Called with what is worked on, how much is done, how much there is."""


@dataclass(frozen=True, eq=False)
class Group:
    """Neighbouring operations of one layer, to become one module."""

    layer: str
    nodes: tuple[Node, ...]
    plan: Plan

    @property
    def is_wiring(self) -> bool:
        """Whether no operation of the group needs logic."""
        return all(node.op.wiring for node in self.nodes)


def group_nodes(graph: Graph, plans: Mapping[str, Plan]) -> list[Group]:
    """Split the nodes, in order, into runs of one layer; a folded operation stands alone.

    A run of neighbours in an order of computation is convex: no path leaves it and comes back.
    A quantizer in front of a layer joins the layer before where it is the only reader of what it
    quantizes, so that the registers between the two hold the narrow numbers.
    """
    readers = graph.readers()
    runs: list[tuple[str, Plan, dict[str, Node]]] = []
    for node in graph.nodes:
        plan = plans.get(node.name, PARALLEL)
        layer = node.layer or node.name
        if runs and plan.is_parallel and runs[-1][1].is_parallel:
            last, _, members = runs[-1]
            if last == layer or _narrows(node, members, readers):
                members[node.name] = node
                continue
        runs.append((layer, plan, {node.name: node}))
    return [Group(layer, tuple(members.values()), plan) for layer, plan, members in runs]


def _narrows(node: Node, members: Mapping[str, Node], readers: Mapping[str, list[Node]]) -> bool:
    """Whether a node is a quantizer that alone reads a result of the run before it."""
    if not isinstance(node.op, Quantize):
        return False
    (source,) = node.inputs
    alone = source in members and len(readers[source]) == 1
    return alone and not all(member.op.wiring for member in members.values())


def lower(
    graph: Graph, plans: Mapping[str, Plan] | None = None, progress: Progress | None = None
) -> Module:
    """Return the top module of a quantized graph, before registers are placed.

    Args:
        graph: every input has a type.
        plans: the plan of each node that is not parallel, by node name.
        progress: told of each layer.

    What no output depends on is left out. The top module has ports `valid_in`, one per input,
    `valid_out`, one per output.
    """
    types = infer(graph)  # every error of the graph at once, before any work
    return _Lowering(live(graph), types, plans or {}, progress).run()


def live(graph: Graph) -> Graph:
    """Return the graph without operations that no output depends on."""
    read = {o.value for o in graph.outputs}
    for node in reversed(graph.nodes):
        if node.name in read:
            read.update(node.inputs)
    return graph.with_nodes(node for node in graph.nodes if node.name in read)


def results_of(
    nodes: Sequence[Node], readers: Mapping[str, list[Node]], outputs: Collection[str]
) -> list[Node]:
    """Return the nodes of a run of operations whose values leave it, in order.

    Args:
        nodes: of the run.
        readers: the graph's `readers()`.
        outputs: values that are outputs of the graph.
    """
    own = {node.name for node in nodes}
    return [
        n
        for n in nodes
        if n.name in outputs or any(reader.name not in own for reader in readers[n.name])
    ]


class _Lowering:
    def __init__(
        self,
        graph: Graph,
        types: Mapping[str, Intervals],
        plans: Mapping[str, Plan],
        progress: Progress | None,
    ) -> None:
        self.graph, self.types, self.plans, self.progress = graph, types, plans, progress
        self.namer = Namer()
        self.rows = Rows(graph, self.namer, types)
        self.top = Module(
            self.namer.name(graph.name, "model"), graph.source, note=f"model {graph.name}"
        )
        self.values: dict[str, Bus] = {}
        self.readers = graph.readers()
        self.outputs = {o.value for o in graph.outputs}

    def run(self) -> Module:
        """Build inputs, layers and outputs."""
        top, ports = self.top, Namer(("clk", "rst", VALID_IN, VALID_OUT))
        (valid,) = top.input(VALID_IN, Intervals.of([0], [1], 0))
        for i in self.graph.inputs:
            assert i.type is not None
            signals = _constants_as_such(top, top.input(ports.name(i.name, "x"), i.type))
            self.values[i.name] = Bus(signals.reshape(i.shape), valid)
        groups = group_nodes(self.graph, self.plans)
        for number, group in enumerate(groups):
            if self.progress:
                self.progress(group.layer, number, len(groups))
            if group.is_wiring:
                self._wire(group)
            else:
                self._module(group)
        valids = [self.values[o.value].valid for o in self.graph.outputs]
        top.output(VALID_OUT, [max(valids)])
        for o in self.graph.outputs:
            top.output(ports.name(o.name, "y"), self.values[o.value].flat)
        children = [instance.module for instance in top.instances]
        top.interval = max([child.interval for child in children], default=1)
        return top

    def _wire(self, group: Group) -> None:
        """Place operations without logic right in the top module."""
        for node in group.nodes:
            with located(self.graph, node):
                buses = [self.values[name] for name in node.inputs]
                self.values[node.name] = node.op.lower(self.top, *buses, plan=group.plan)

    def _module(self, group: Group) -> None:
        """Build a group as a module of its own and instance it."""
        kinds = " + ".join(dict.fromkeys(node.op.kind for node in group.nodes))
        module = Module(
            self.namer.name(group.layer, "layer"),
            group.layer,
            note=f"{kinds}, {self._shape(group)}",
        )
        own = {node.name for node in group.nodes}
        outside = dict.fromkeys(n for node in group.nodes for n in node.inputs if n not in own)
        feeds: dict[str, list[int]] = {}
        valid = NONE
        if not group.plan.is_parallel:
            (valid,) = module.input(VALID_IN, Intervals.of([0], [1], 0))
            feeds[VALID_IN] = [max(self.values[name].valid for name in outside)]
        inner: dict[str, Bus] = {}
        for count, name in enumerate(outside):
            port = "x" if count == 0 else f"x{count + 1}"
            inner[name] = self._port(module, port, self.values[name], feeds, valid)
        self._fill(module, group, inner)
        results = results_of(group.nodes, self.readers, self.outputs)
        if not group.plan.is_parallel:
            module.output(VALID_OUT, [inner[results[-1].name].valid])
        for count, node in enumerate(results):
            module.output("y" if count == 0 else f"y{count + 1}", inner[node.name].flat)
        found = self.top.instance(module, feeds)
        self._collect(found, results, inner, list(outside))

    def _shape(self, group: Group) -> str:
        """Return how a group is built, for the header of its module."""
        plans = (self.plans.get(node.name, group.plan) for node in group.nodes)
        return str(next((plan for plan in plans if plan.offload is not None), group.plan))

    def _fill(self, module: Module, group: Group, inner: dict[str, Bus]) -> None:
        """Build the operations of a group, those on rows as instances of one row's module."""
        parts = [Segment((node,)) for node in group.nodes]
        if group.plan.is_parallel:
            parts = segments(group.nodes, self.types)
        for part in parts:
            plans = [self.plans.get(node.name, PARALLEL) for node in part.nodes]
            if part.leading:
                read = results_of(part.nodes, self.readers, self.outputs)
                inner |= self.rows.lower(Job(module, part, read, tuple(plans)), inner)
                continue
            (node,), (plan,) = part.nodes, plans
            with located(self.graph, node):
                buses = [inner[name] for name in node.inputs]
                inner[node.name] = node.op.lower(module, *buses, plan=plan)

    def _port(
        self, module: Module, port: str, bus: Bus, feeds: dict[str, list[int]], valid: int
    ) -> Bus:
        """Add a port for a bus of the top module; what is constant needs no wire."""
        outer, first, number = np.unique(bus.signals, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")  # elements in order of where they come first
        kinds = self.top.intervals(outer)
        moving = order[(kinds.lo != kinds.hi)[order]]
        inner = np.empty(len(outer), np.int64)
        inner[moving] = module.input(port, kinds.map(lambda v: v[moving]))
        feeds[port] = outer[moving].tolist()
        for i in order[(kinds.lo == kinds.hi)[order]].tolist():
            inner[i] = module.constant(int(kinds.lo[i]), int(kinds.frac[i]))
        return Bus(inner[number].reshape(bus.shape), valid, bus.layout)

    def _collect(
        self,
        found: dict[str, list[int]],
        results: list[Node],
        inner: Mapping[str, Bus],
        outside: list[str],
    ) -> None:
        """Make the instance's outputs known in the top module."""
        valid = max(self.values[name].valid for name in outside)
        if VALID_OUT in found:
            (valid,) = found[VALID_OUT]
        for count, node in enumerate(results):
            signals = _constants_as_such(self.top, found["y" if count == 0 else f"y{count + 1}"])
            shape = inner[node.name].shape
            self.values[node.name] = Bus(signals.reshape(shape), valid)


def _constants_as_such(m: Module, signals: list[int]) -> np.ndarray:
    """Replace signals that can only have one value by constants."""
    result, kinds = np.asarray(signals, np.int64), m.intervals(signals)
    for i in np.flatnonzero(kinds.lo == kinds.hi).tolist():
        result[i] = m.constant(int(kinds.lo[i]), int(kinds.frac[i]))
    return result
