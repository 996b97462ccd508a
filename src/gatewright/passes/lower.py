"""Turn a graph of operations into a circuit: a module per layer, wired up in a top module."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.base import Namer
from gatewright.hw import NONE, VALID_IN, VALID_OUT, Bus, Module
from gatewright.ir import PARALLEL, Graph, Node, Plan, infer, located
from gatewright.num import Intervals, Ints
from gatewright.ops import Quantize
from gatewright.passes.row_kinds import Key, Segment, segments
from gatewright.passes.rows import Job, Rows

Progress = Callable[[str, int, int], None]
"""Called with what is worked on, how much is done, how much there is."""


@dataclass(frozen=True, eq=False)
class Group:
    """Neighbouring operations of one layer, to become one module.

    Attributes:
        part: which of the layer's repeated parts they are; see `Node.part`.
    """

    layer: str
    nodes: tuple[Node, ...]
    plan: Plan
    part: str = ""

    @property
    def is_wiring(self) -> bool:
        """Whether no operation of the group needs logic."""
        return all(node.op.wiring for node in self.nodes)


def group_nodes(graph: Graph, plans: Mapping[str, Plan]) -> list[Group]:
    """Split the nodes, in order, into runs of one layer and part; a folded operation stands alone.

    A run of neighbours in an order of computation is convex: no path leaves it and comes back.
    A quantizer in front of a layer joins the layer before where it is the only reader of what it
    quantizes, so that the registers between the two hold the narrow numbers.
    """
    readers = graph.readers()
    runs: list[tuple[tuple[str, str], Plan, dict[str, Node]]] = []
    for node in graph.nodes:
        plan = plans.get(node.name, PARALLEL)
        layer = (node.layer or node.name, node.part)
        if runs and plan.is_parallel and runs[-1][1].is_parallel:
            last, _, members = runs[-1]
            other_part = last[0] == layer[0] and last[1] != layer[1]
            if last == layer or (not other_part and _narrows(node, members, readers)):
                members[node.name] = node
                continue
        runs.append((layer, plan, {node.name: node}))
    groups: list[Group] = []
    for (name, part), plan, members in runs:
        ahead = _wiring_ahead(members) if part else []
        if ahead:
            groups.append(Group(name, tuple(ahead), plan, part))
        rest = [node for node in members.values() if node not in ahead]
        if rest:
            groups.append(Group(name, tuple(rest), plan, part))
    return groups


def _wiring_ahead(members: Mapping[str, Node]) -> list[Node]:
    """Return the operations of a part that only pick what it reads: they differ from part to part.

    Outside of its module they leave the parts of a layer equal, such as the steps of a sequence.
    """
    ahead: dict[str, Node] = {}
    for node in members.values():
        if node.op.wiring and all(n in ahead or n not in members for n in node.inputs):
            ahead[node.name] = node
    return list(ahead.values())


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
        self.modules: dict[Key, _Built] = {}
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
        """Instance a group's module, which is built unless an equal group has one already."""
        own = {node.name for node in group.nodes}
        outside = list(
            dict.fromkeys(n for node in group.nodes for n in node.inputs if n not in own)
        )
        ports = [_Port.of(self.top, self.values[name]) for name in outside]
        results = results_of(group.nodes, self.readers, self.outputs)
        name = self.namer.name(group.layer, "layer")
        key = self._key(group, outside, results, ports)
        if key not in self.modules:
            self.modules[key] = self._built(name, group, dict(zip(outside, ports, strict=True)))
        built = self.modules[key]
        feeds = {_numbered("x", count): port.feeds for count, port in enumerate(ports)}
        valid = max(self.values[name].valid for name in outside)
        if not group.plan.is_parallel:
            feeds = {VALID_IN: [valid], **feeds}
        found = self.top.instance(built.module, feeds, instance_name(name))
        if VALID_OUT in found:
            (valid,) = found[VALID_OUT]
        for count, (node, shape) in enumerate(zip(results, built.shapes, strict=True)):
            signals = _constants_as_such(self.top, found[_numbered("y", count)])
            self.values[node.name] = Bus(signals.reshape(shape), valid)

    def _key(
        self, group: Group, outside: Sequence[str], results: Sequence[Node], ports: Sequence[_Port]
    ) -> Key:
        """Return all that a group's module is made of, and the layer that it is reported as.

        A layer's parts share modules; layers of two names do not, so that each has its figures.
        """
        numbers = {name: i for i, name in enumerate([*outside, *(n.name for n in group.nodes)])}
        return (
            group.layer,
            group.plan,
            tuple(self.plans.get(node.name, PARALLEL) for node in group.nodes),
            tuple(self.rows.state(node.op) for node in group.nodes),
            tuple(tuple(numbers[name] for name in node.inputs) for node in group.nodes),
            tuple(numbers[node.name] for node in results),
            tuple(port.key for port in ports),
        )

    def _built(self, name: str, group: Group, ports: Mapping[str, _Port]) -> _Built:
        """Build a group as a module of its own."""
        kinds = " + ".join(dict.fromkeys(node.op.kind for node in group.nodes))
        module = Module(name, group.layer, note=f"{kinds}, {self._shape(group)}")
        valid = NONE
        if not group.plan.is_parallel:
            (valid,) = module.input(VALID_IN, Intervals.of([0], [1], 0))
        inner = {
            value: port.add(module, _numbered("x", count), valid)
            for count, (value, port) in enumerate(ports.items())
        }
        self._fill(module, group, inner)
        results = results_of(group.nodes, self.readers, self.outputs)
        if not group.plan.is_parallel:
            module.output(VALID_OUT, [inner[results[-1].name].valid])
        for count, node in enumerate(results):
            module.output(_numbered("y", count), inner[node.name].flat)
        return _Built(module, [inner[node.name].shape for node in results])

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


@dataclass(frozen=True, eq=False)
class _Built:
    """A module of the top, and the shapes of its results."""

    module: Module
    shapes: list[tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class _Port:
    """How a bus of the top goes into a module: each signal once; a constant needs no wire.

    Attributes:
        bus: in the top.
        feeds: its signals that are not constant, in order of where they come first.
        kinds: types of its distinct signals, lowest number first.
        moving, still: which of these are fed, and which are constants, in the same order.
        number: of the distinct signal at each element.
    """

    bus: Bus
    feeds: list[int]
    kinds: Intervals
    moving: Ints
    still: Ints
    number: Ints

    @classmethod
    def of(cls, top: Module, bus: Bus) -> _Port:
        """Sort out the signals of a bus."""
        outer, first, number = np.unique(bus.signals, return_index=True, return_inverse=True)
        order, kinds = np.argsort(first, kind="stable"), top.intervals(outer)
        fed = (kinds.lo != kinds.hi)[order]
        moving = order[fed]
        return cls(bus, outer[moving].tolist(), kinds, moving, order[~fed], number.reshape(-1))

    @property
    def key(self) -> Key:
        """What the module inside depends on."""
        rank = np.empty(len(self.kinds.lo), np.int64)
        order = np.concatenate([self.moving, self.still])
        rank[order] = np.arange(len(order))
        digest = hashlib.blake2b(digest_size=20)
        for part in (self.kinds.lo, self.kinds.hi, self.kinds.frac):
            digest.update(part[order].tobytes())
        digest.update(rank[self.number].tobytes())
        return self.bus.shape, self.bus.layout, len(self.feeds), digest.digest()

    def add(self, module: Module, name: str, valid: int) -> Bus:
        """Add the port to a module; return the bus inside."""
        inner = np.empty(len(self.kinds.lo), np.int64)
        inner[self.moving] = module.input(name, self.kinds.map(lambda v: v[self.moving]))
        for i in self.still.tolist():
            inner[i] = module.constant(int(self.kinds.lo[i]), int(self.kinds.frac[i]))
        return Bus(inner[self.number].reshape(self.bus.shape), valid, self.bus.layout)


def instance_name(module: str) -> str:
    """Return how the instance of a group is called whose module is, or would be, called so."""
    return f"u_{module}"


def _numbered(stem: str, count: int) -> str:
    return stem if count == 0 else f"{stem}{count + 1}"


def _constants_as_such(m: Module, signals: list[int]) -> np.ndarray:
    """Replace signals that can only have one value by constants."""
    result, kinds = np.asarray(signals, np.int64), m.intervals(signals)
    for i in np.flatnonzero(kinds.lo == kinds.hi).tolist():
        result[i] = m.constant(int(kinds.lo[i]), int(kinds.frac[i]))
    return result
