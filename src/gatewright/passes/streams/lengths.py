"""Events of varied length: a bit in each row says whether the event still has that step.

The schedule stays that of the longest event, so the cycles of an event do not depend on its data,
and what was proven of FIFOs holds as it is. A step that an event does not have leaves the states of
recurrent layers, and what they give, as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gatewright.base import Namer, OptionError
from gatewright.ir import Graph, Input, Node, Op, infer
from gatewright.num import Intervals
from gatewright.ops import Concatenate, Constant, Gather, Reshape, Where
from gatewright.passes.lower import live
from gatewright.passes.streams.find_loops import Found, find_loops

PRESENT = "present"
"""Mark (`Node.tie`) of the node that picks the bits out of the input."""

ALONE = "layers that treat each row alone, then recurrent ones of which the last step is read"


def varied_input(graph: Graph) -> str | None:
    """Return the input whose rows say whether their event has them, if there is one."""
    return next((node.inputs[0] for node in graph.nodes if node.tie == PRESENT), None)


def with_lengths(graph: Graph) -> Graph:
    """Return a graph whose events may end before the last step.

    The rows of the sequence get one element more, the last: 1 where the event has that step. Rows
    without it are skipped, wherever they stand; what else is in them does not matter.

    Args:
        graph: quantized, recurrent layers unrolled.

    Raises:
        OptionError: there is no recurrent layer, or a layer would see the rows that an event does
            not have.
    """
    return _Lengths(graph).run()


@dataclass(eq=False)
class _Lengths:
    graph: Graph
    loops: list[Found] = field(init=False)
    at: dict[str, tuple[Found, int, str]] = field(init=False)
    new: list[Node] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    kept: dict[tuple[str, int], str] = field(default_factory=dict)
    bits: dict[tuple[str, str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph = self.graph
        self.types = infer(graph)
        self.namer = Namer([*(n.name for n in graph.nodes), *(i.name for i in graph.inputs)])
        self.loops = find_loops(graph)
        self.at = {
            node.name: (loop, k, tie)
            for loop in self.loops
            for k, part in enumerate(loop.parts)
            for tie, node in part.items()
        }

    def run(self) -> Graph:
        port = self._port()
        self._check(port)
        features = port.shape[1]
        rows = self._emit(Gather.of(np.arange(features), 1), (port.name,), f"{port.name}_rows")
        present = self._emit(Gather.of([features], 1), (port.name,), f"{port.name}_present")
        self.new[-1] = replace(self.new[-1], tie=PRESENT)
        self.renamed[port.name] = rows
        for node in self.graph.nodes:
            own = self.at.get(node.name)
            names = [self.renamed.get(name, name) for name in node.inputs]
            if own is not None and own[1]:
                names = [self.kept.get((name, own[1]), name) for name in names]
            elif own is None and not self._joins(node):
                last = [self.at[n][1] if n in self.at else 0 for n in node.inputs]
                pairs = zip(names, last, strict=True)
                names = [self.kept.get((name, k + 1), name) for name, k in pairs]
            self.new.append(replace(node, inputs=tuple(names)))
            if own is not None and own[0].initial:
                self._keep(node, *own, present)
        outputs = []
        for o in self.graph.outputs:
            step = self.at[o.value][1] + 1 if o.value in self.at else 0
            value = self.kept.get((o.value, step), self.renamed.get(o.value, o.value))
            outputs.append(replace(o, value=value))
        inputs = tuple(_counted(i) if i is port else i for i in self.graph.inputs)
        new = replace(self.graph, inputs=inputs, nodes=tuple(self.new), outputs=tuple(outputs))
        return live(new)

    def _emit(
        self, op: Op, names: tuple[str, ...], name: str, layer: str = "", part: str = "",
        tie: str = "",
    ) -> str:  # fmt: skip
        node = Node(self.namer.name(name, "row"), op, names, layer, part, tie)
        self.new.append(node)
        return node.name

    def _keep(self, node: Node, loop: Found, k: int, tie: str, present: str) -> None:
        """Give a state, and what is read behind the layer, as it was where the step is none."""
        state = f"state:{tie}"
        if state not in loop.initial and not self._is_result(loop, tie):
            return
        before = self.kept.get((loop.parts[k - 1][tie].name, k)) if k else loop.initial.get(state)
        before = self.renamed.get(before or "", before or "")
        prefix = f"{node.layer}/{loop.prefix}"
        if not before:  # no state: what is given of an event without steps
            zeros = np.zeros(self.types[node.name].shape)
            before = self._emit(Constant(zeros), (present,), f"{node.name}_none", loop.layer)
        there = self._bit(node, loop, k, present)
        self.kept[node.name, k + 1] = self._emit(
            Where(), (there, node.name, before), f"{node.name}_kept", node.layer, node.part,
            f"{prefix}{tie} kept",
        )  # fmt: skip

    def _bit(self, node: Node, loop: Found, k: int, present: str) -> str:
        """Return the bit of a step's row."""
        key = loop.prefix, loop.layer, k
        if key not in self.bits:
            (rows,) = set(loop.orders.values())
            stem = "_".join(filter(None, (loop.layer.split("/")[-1], loop.label, str(k))))
            self.bits[key] = self._emit(
                Gather.of(rows[k], 0), (present,), f"{stem}_{PRESENT}", node.layer, node.part,
                f"{node.layer}/{loop.prefix}{PRESENT}",
            )  # fmt: skip
        return self.bits[key]

    def _is_result(self, loop: Found, tie: str) -> bool:
        """Whether what the last step makes of a value is read behind the layer."""
        last = loop.parts[-1].get(tie)
        if last is None:
            return False
        readers = [n for n in self.graph.nodes if last.name in n.inputs and n.name not in self.at]
        given = any(o.value == last.name for o in self.graph.outputs)
        return given or any(not self._joins(node) for node in readers)

    def _joins(self, node: Node) -> bool:
        """Whether a node joins a value of all steps of a layer."""
        where = [self.at.get(name) for name in node.inputs]
        known = [w for w in where if w is not None]
        return (
            isinstance(node.op, Concatenate)
            and len(known) == len(where) > 1
            and len({(id(loop), tie) for loop, _, tie in known}) == 1
            and sorted(k for _, k, _ in known) == list(range(len(known[0][0].parts)))
        )

    # ---- what can be

    def _port(self) -> Input:
        """Return the input that is the sequence."""
        recurrent = [loop for loop in self.loops if loop.initial]
        if not recurrent:
            raise OptionError(
                "a model without recurrent layers has no steps to be left out",
                place=self.graph.source,
                supported="models with a recurrent layer of 2 steps or more, all alike",
            )
        nodes = {node.name: node for node in self.graph.nodes}
        wanted, found = [name for loop in recurrent for name in loop.orders], set[str]()
        seen = set[str]()
        while wanted:
            name = wanted.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in nodes:
                wanted += nodes[name].inputs
            else:
                found.add(name)
        ports = [i for i in self.graph.inputs if i.name in found and len(i.shape) == 2]
        steps = {len(loop.parts) for loop in self.loops}
        if len(ports) != 1 or len(found) != 1 or steps != {ports[0].shape[0]}:
            raise OptionError(
                "it is not clear which input's rows are the steps that an event may leave out",
                place=self.graph.source,
                found=", ".join(sorted(found)),
                supported="one input of shape (steps, features) in front of all recurrent layers",
            )
        return ports[0]

    def _check(self, port: Input) -> None:
        """Refuse what would see the rows that an event does not have."""
        rows, flat = {port.name}, set[str]()
        steps = port.shape[0]
        for loop in self.loops:
            if len(set(loop.orders.values())) != 1 or not set(loop.orders) <= self._rows(rows):
                self._refuse(next(iter(loop.parts[0].values())))
        rows = self._rows(rows)
        for node in self.graph.nodes:
            if node.name in self.at or node.name in rows or isinstance(node.op, Constant):
                continue
            if self._joins(node):
                flat.add(node.name)
                continue
            early = [n for n in node.inputs if n in self.at and self.at[n][1] + 1 < steps]
            early += [n for n in node.inputs if n in self.at and not self.at[n][0].initial]
            if early or not (rows | flat).isdisjoint(node.inputs):
                self._refuse(node)
        for o in self.graph.outputs:
            own = self.at.get(o.value)
            if o.value in rows | flat or (own and (own[1] + 1 < steps or not own[0].initial)):
                self._refuse(next(n for n in self.graph.nodes if n.name == o.value))

    def _rows(self, known: set[str]) -> set[str]:
        """Return the values that have a row for each step, made of that row alone."""
        found, flat = set(known), set[str]()
        steps = next(i.shape[0] for i in self.graph.inputs if i.name in known)
        for node in self.graph.nodes:
            shape = self.types[node.name].shape
            if node.name in self.at:
                continue
            if self._joins(node):
                flat.add(node.name)
            elif isinstance(node.op, Reshape) and flat.issuperset(node.inputs):
                if len(shape) == 2 and shape[0] == steps:
                    found.add(node.name)
            elif not found.isdisjoint(node.inputs):
                whole = [self.types[n].shape for n in node.inputs if n not in found]
                beside = isinstance(node.op, Concatenate) and found.issuperset(node.inputs)
                alone = beside or node.op.at_row((0,)) is not None
                alone = alone and len(shape) == 2 and shape[0] == steps
                if alone and not any(len(s) > 1 for s in whole):
                    found.add(node.name)
        return found

    def _refuse(self, node: Node) -> None:
        raise OptionError(
            "a layer sees all steps, also those that an event does not have",
            place=self.graph.place(node),
            found=node.op.kind,
            supported=ALONE,
        )


def _counted(port: Input) -> Input:
    """Return an input whose rows say whether they are there."""
    assert port.type is not None
    more = np.ones((port.shape[0], 1), np.int64)
    ends = ((port.type.lo, 0), (port.type.hi, 1), (port.type.frac, 0))
    parts = [np.concatenate([old, more * last], 1) for old, last in ends]
    shape = (port.shape[0], port.shape[1] + 1)
    return replace(port, shape=shape, type=Intervals.of(*parts), encode=())


def marked(codes: np.ndarray, lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return rows with the bits that say which of them are there.

    Args:
        codes: of shape (samples, steps, features).
        lengths: steps of each sample.
    """
    there = np.arange(codes.shape[1]) < np.asarray(lengths)[:, None]
    return np.concatenate([codes, there[..., None].astype(np.int64)], 2)
