"""Find the steps of recurrent layers in a graph, and make one operation of each layer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np

from gatewright.base import Namer, OptionError
from gatewright.ir import Graph, Node, infer
from gatewright.ops import Concatenate, Constant, Gather, Reshape
from gatewright.passes.lower import live
from gatewright.passes.row_kinds import state_key
from gatewright.passes.streams.cell import Cell, Recurrence
from gatewright.passes.streams.loop import Loop

NUMBERED = re.compile(r"(.*?)(\d+)$")

SINGLE = (
    "of one step alone it is not known how it goes on from another: build the model for 2 steps, "
    "with the same weights, and give event_steps = 1"
)

Part = dict[str, Node]
"""The nodes of a step, by their tie."""


@dataclass(frozen=True, eq=False)
class Found:
    """The steps of a recurrent layer.

    Attributes:
        layer: the user's.
        prefix: what the names of the steps begin with.
        parts: the nodes of each step, by their tie.
        template: nodes of one step in order; their operands are ties, `row:SOURCE`, `held:VALUE`
            and `state:TIE`.
        orders: of each sequence, which of its rows the steps read.
        initial: of each state, by its tie, the value before the first step.
    """

    layer: str
    prefix: str
    parts: tuple[Part, ...]
    template: tuple[Node, ...]
    orders: Mapping[str, tuple[int, ...]]
    initial: Mapping[str, str]

    @property
    def label(self) -> str:
        """What tells this run of steps from others in the layer."""
        return re.sub(r"step $", "", self.prefix).strip(" _")


def find_loops(graph: Graph) -> list[Found]:
    """Return the layers whose steps are alike, recurrent or the same for each row of a sequence."""
    owner: dict[str, tuple[str, str, int]] = {}
    parts: dict[tuple[str, str, int], list[Node]] = {}
    for node in graph.nodes:
        match = NUMBERED.match(node.part)
        if match:
            key = (node.layer, match[1], int(match[2]))
            owner[node.name] = key
            parts.setdefault(key, []).append(node)
    found = []
    for layer, prefix, number in parts:
        if number:
            continue
        run: list[list[Node]] = []
        while (layer, prefix, len(run)) in parts:
            run.append(parts[layer, prefix, len(run)])
        if len(run) > 1:
            found.append(_Matcher(layer, prefix, run).match())
    return [loop for loop in found if loop is not None]


class _Matcher:
    """Compares the steps of a layer."""

    def __init__(self, layer: str, prefix: str, run: Sequence[Sequence[Node]]) -> None:
        self.layer, self.prefix, self.run = layer, prefix, run
        self.parts: list[Part] = [{node.tie: node for node in nodes} for nodes in run]
        self.at = {n.name: (k, n.tie) for k, nodes in enumerate(run) for n in nodes}
        self.orders: dict[str, list[int]] = {}
        self.initial: dict[str, str] = {}

    def match(self) -> Found | None:
        """Return the steps if they are alike; None otherwise."""
        named = all(
            "" not in part and len(part) == len(nodes)
            for part, nodes in zip(self.parts, self.run, strict=True)
        )
        if not named:
            return None
        template = tuple(self._own(node) for node in self.run[1] if not self._row(node))
        states = {n for node in template for n in node.inputs if n.startswith("state:")}
        steps = [self._same(k, template) for k in range(len(self.run))]
        if not self.orders or not all(steps) or not self._whole(template, states):
            return None
        orders = {source: self._completed(rows) for source, rows in self.orders.items()}
        if any(len(rows) != len(self.run) for rows in orders.values()):
            return None
        return Found(
            self.layer, self.prefix, tuple(self.parts), template, orders, dict(self.initial)
        )

    def _completed(self, rows: Sequence[int]) -> tuple[int, ...]:
        """Return which rows the steps read; what only a state needs, the last one need not read."""
        left = set(range(len(self.run))) - set(rows)
        return (*rows, *left) if len(rows) + 1 == len(self.run) and len(left) == 1 else tuple(rows)

    def _row(self, node: Node) -> bool:
        """Whether a node picks a row of a sequence."""
        op = node.op
        picks = isinstance(op, Gather) and op.axis == 0 and op.indices.ndim == 0
        return picks and node.inputs[0] not in self.at

    def _operand(self, k: int, name: str) -> str:
        """Return how step `k` sees a value."""
        if name not in self.at:
            return f"held:{name}"
        step, tie = self.at[name]
        if step == k and self._row(self.parts[k][tie]):
            return f"row:{self.parts[k][tie].inputs[0]}"
        if step == k:
            return tie
        return f"state:{tie}" if step == k - 1 else f"?{name}"

    def _own(self, node: Node) -> Node:
        names = tuple(self._operand(1, name) for name in node.inputs)
        return replace(node, name=node.tie, inputs=names, part="", tie="")

    def _same(self, k: int, template: Sequence[Node]) -> bool:
        """Whether step `k` does what the template does; note its rows and initial states."""
        part = self.parts[k]
        for node in self.run[k]:
            if self._row(node) and node.tie in self.parts[1]:
                op = node.op
                assert isinstance(op, Gather)
                self.orders.setdefault(node.inputs[0], []).append(int(op.indices))
        for own in template:
            if own.name not in part:
                if k + 1 < len(self.run):
                    return False
                continue  # the last step need not prepare the state for another one
            node = part[own.name]
            if state_key(node.op) != state_key(own.op) or len(node.inputs) != len(own.inputs):
                return False
            for name, wanted in zip(node.inputs, own.inputs, strict=True):
                if k == 0 and wanted.startswith("state:"):
                    if self.initial.setdefault(wanted, name) != name:
                        return False
                elif self._operand(k, name) != wanted:
                    return False
        return True

    def _whole(self, template: Sequence[Node], states: Collection[str]) -> bool:
        """Whether the template gives all states, and no step does more than it says."""
        own = {node.name for node in template}
        rows = {tie for tie, node in self.parts[1].items() if self._row(node)}
        more = any(set(part) - own - rows for part in self.parts[1:])
        return not more and all(name.removeprefix("state:") in own for name in states)


def roll(graph: Graph, stateful: Collection[str] = ()) -> Graph:
    """Return the graph with each recurrent layer as one operation, a `Loop`.

    The operation is called `LAYER_loop` (with the direction, or whatever tells several runs of one
    layer apart). Every value that was read keeps its name and its type.

    Args:
        graph: quantized.
        stateful: layers whose state lives on from event to event.

    Raises:
        OptionError: a layer named in `stateful` is not recurrent, or begins with a state that is
            no constant.
    """
    if not stateful and graph in _ROLLED:
        return _ROLLED[graph]
    found, rolled = find_loops(graph), graph
    _check_stateful(graph, found, stateful)
    for loop in found:
        rolled = _Rolled(rolled, loop, bool(loop.initial) and loop.layer in stateful).graph()
    if not stateful:
        _ROLLED[graph] = rolled
    return rolled


_ROLLED: WeakKeyDictionary[Graph, Graph] = WeakKeyDictionary()
"""Planner, lowering and plan files all ask."""


def _check_stateful(graph: Graph, found: Sequence[Found], stateful: Collection[str]) -> None:
    known = sorted({loop.layer for loop in found if loop.initial})
    for name in stateful:
        if name not in known:
            raise OptionError(
                "a layer that is to keep its state is not recurrent",
                place=graph.source,
                found=name,
                supported=", ".join(known)
                or "none: the model has no recurrent layer of 2 steps or more, all alike",
                remedy=SINGLE,
            )


class _Rolled:
    """Puts one operation in place of a layer's steps."""

    def __init__(self, old: Graph, loop: Found, stateful: bool) -> None:
        self.old, self.loop, self.stateful = old, loop, stateful
        self.types = infer(old)
        self.namer = Namer([*(n.name for n in old.nodes), *(i.name for i in old.inputs)])
        own = {node.name for node in loop.template}
        self.at = {
            node.name: (k, tie)
            for k, part in enumerate(loop.parts)
            for tie, node in part.items()
            if tie in own
        }
        self.new: list[Node] = []

    def name(self, stem: str) -> str:
        """Return a new name in the layer."""
        words = filter(None, (self.loop.layer, self.loop.label, stem))
        return self.namer.name("_".join(words), "loop")

    def graph(self) -> Graph:
        """Return the new graph; the old one where only the last of steps without state is read."""
        read = self._read()
        steps = len(self.loop.parts)
        each = any(k != steps - 1 for k, _ in read)
        if not each and not self.loop.initial:
            return self.old
        results = tuple(dict.fromkeys(tie for _, tie in read))
        loop = self._loop(each, results)
        kept = [node for node in self.old.nodes if node.name not in self.at]
        kept = [self._sequence(node, loop, results) or node for node in kept]
        left = {n for node in kept for n in node.inputs} | {o.value for o in self.old.outputs}
        for name in [name for name in self.at if name in left]:
            k, tie = self.at[name]
            self._value(name, loop, results, tie, k if each else None)
        return live(self.old.with_nodes(_ordered([*kept, *self.new], self.old)))

    def _read(self) -> list[tuple[int, str]]:
        """Return what is read of the steps from outside."""
        names = [n for node in self.old.nodes if node.name not in self.at for n in node.inputs]
        names += [o.value for o in self.old.outputs]
        return sorted({self.at[name] for name in names if name in self.at})

    def _loop(self, each: bool, results: tuple[str, ...]) -> Node:
        """Append the operation, with its sequences in the order in which the steps read them."""
        loop, steps = self.loop, len(self.loop.parts)
        operands, kinds = [], []
        for source, order in loop.orders.items():
            kind = self.types[source].map(lambda v, o=order: v[list(o)])  # type: ignore[misc]
            if order != tuple(range(self.types[source].shape[0])):
                node = Node(self.name("order"), Gather.of(order, 0), (source,), loop.layer)
                self.new.append(node)
                source = node.name
            operands.append(source)
            kinds.append(kind)
        rows = tuple(f"row:{source}" for source in loop.orders)
        read = dict.fromkeys(n for node in loop.template for n in node.inputs)
        still, held = self._held([name for name in read if name.startswith("held:")], rows[0])
        operands += [name.removeprefix("held:") for name in held]
        states, initial = tuple(loop.initial), []
        for state in states:
            kind = self.types[loop.initial[state]]
            constant = bool((kind.lo == kind.hi).all())
            initial.append(kind.low_value if constant else None)
            if not constant:
                operands.append(loop.initial[state])
        kinds += [self.types[name] for name in operands[len(kinds) :]]
        if self.stateful and any(value is None for value in initial):
            raise OptionError(
                "a layer that is to keep its state gets it from another one",
                place=self.old.source,
                found=loop.layer,
                supported="a state that begins as a constant",
            )
        following = tuple(state.removeprefix("state:") for state in states)
        cell = Cell((*still, *loop.template), rows, held, states, following, results)
        what = Recurrence(cell, steps, tuple(kinds), tuple(initial), each, self.stateful)
        self.new.append(Node(self.name("loop"), Loop(what), tuple(operands), loop.layer))
        return self.new[-1]

    def _held(self, names: Sequence[str], row: str) -> tuple[list[Node], tuple[str, ...]]:
        """Return nodes for those of the values that are constant, and the names of the others."""
        still, held = [], []
        for name in names:
            kind = self.types[name.removeprefix("held:")]
            if bool((kind.lo == kind.hi).all()):
                still.append(Node(name, Constant(kind.low_value), (row,), self.loop.layer))
            else:
                held.append(name)
        return still, tuple(held)

    def _columns(self, results: Sequence[str], tie: str) -> slice:
        """Return where a value stands in the loop's rows."""
        sizes = [self.types[self.loop.parts[0][name].name].size for name in results]
        start = sum(sizes[: results.index(tie)])
        return slice(start, start + sizes[results.index(tie)])

    def _value(
        self, name: str, loop: Node, results: Sequence[str], tie: str, step: int | None
    ) -> None:
        """Append the nodes that give a value its old name: it is part of a row of the loop's."""
        source = loop.name
        if step is not None:
            source = self._append(Gather.of(step, 0), source)
        if len(results) > 1:
            columns = self._columns(results, tie)
            source = self._append(Gather.of(np.arange(columns.start, columns.stop), 0), source)
        self.new.append(Node(name, Reshape(self.types[name].shape), (source,), self.loop.layer))

    def _append(self, op: Gather | Reshape, source: str) -> str:
        self.new.append(Node(self.name("result"), op, (source,), self.loop.layer))
        return self.new[-1].name

    def _sequence(self, node: Node, loop: Node, results: Sequence[str]) -> Node | None:
        """Return what stands for a node that joins a value of all steps; None for other nodes."""
        where = [self.at.get(name, (-1, "")) for name in node.inputs]
        ties = {tie for _, tie in where}
        joins = isinstance(node.op, Concatenate) and len(ties) == 1 and "" not in ties
        steps = [k for k, _ in where]
        what = loop.op
        assert isinstance(what, Loop)
        if not joins or not what.what.each or sorted(steps) != list(range(len(self.loop.parts))):
            return None
        if self.types[node.inputs[0]].shape != (self.types[node.inputs[0]].size,):
            return None
        source = loop.name
        if steps != sorted(steps):
            source = self._append(Gather.of(steps, 0), source)
        if len(results) > 1:
            columns = self._columns(results, next(iter(ties)))
            source = self._append(Gather.of(np.arange(columns.start, columns.stop), 1), source)
        return replace(node, op=Reshape(self.types[node.name].shape), inputs=(source,))


def _ordered(nodes: Iterable[Node], old: Graph) -> list[Node]:
    """Return nodes in an order of computation, as close to the given one as it can be."""
    left = {node.name: node for node in nodes}
    place = {node.name: i for i, node in enumerate(old.nodes)}
    found: list[Node] = []
    for first in sorted(left, key=lambda name: place.get(name, len(place))):
        todo = [first]
        while todo:
            node = left.get(todo[-1])
            before = [] if node is None else [name for name in node.inputs if name in left]
            todo += before
            if node is None:
                todo.pop()
            elif not before:
                found.append(left.pop(todo.pop()))
    return found
