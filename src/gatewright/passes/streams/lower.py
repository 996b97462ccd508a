"""Turn a graph into a network of actors: each operation the way its plan says.

An operation is built by its own `Op.stream`; else on rows, where each row of its result depends on
that row of its operands alone (`Op.at_row`); else on parts of a row (`Op.at_part`); else its
operands are collected whole and it is built in parallel, once for an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from gatewright.base import Namer
from gatewright.hw import Bus, Module
from gatewright.ir import PARALLEL, Graph, Node, Op, Plan, infer, located
from gatewright.num import Intervals
from gatewright.passes.lower import Progress, live
from gatewright.passes.row_kinds import ops_at_rows, state_key
from gatewright.passes.streams.beats import Port
from gatewright.streams import Finish, Network, Stream, Streams


@dataclass(frozen=True, eq=False)
class Lowered:
    """A network, and how tensors enter and leave it.

    Attributes:
        network: actors and links.
        inputs, outputs: in the graph's order.
        beats: elements of a beat of each value, by the name of its node or input.
    """

    network: Network
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    beats: dict[str, int]


def lower_streams(
    graph: Graph,
    plans: Mapping[str, Plan],
    finish: Finish,
    progress: Progress | None = None,
) -> Lowered:
    """Return the network of a quantized graph.

    Args:
        graph: every input has a type.
        plans: by the name of a node or input, with the elements of a beat (`Plan.beat`); a node
            without one gives a whole row at once, an input the whole tensor.
        finish: optimises and pipelines the circuit of a kernel.
        progress: told of each layer.
    """
    types = infer(graph)
    graph = live(graph)
    to = Streams(Namer().name(graph.name, "model"), finish)
    values: dict[str, Stream] = {}
    names = Namer(("clk", "rst"))
    ports_in = []
    for i in graph.inputs:
        assert i.type is not None
        beat = plans.get(i.name, PARALLEL).beat or prod(i.shape)
        name = names.name(i.name, "x")
        values[i.name] = to.input(name, i.type, beat)
        ports_in.append(Port.of(name, i.name, values[i.name]))
    for number, node in enumerate(graph.nodes):
        to.layer = node.layer or node.name
        if progress:
            progress(to.layer, number, len(graph.nodes))
        with located(graph, node):
            operands = [values[name] for name in node.inputs]
            plan = plans.get(node.name, PARALLEL)
            values[node.name] = _build(to, node, operands, types, plan)
    ports_out = []
    for o in graph.outputs:
        name = names.name(o.name, "y")
        to.output(name, values[o.value])
        ports_out.append(Port.of(name, o.value, values[o.value]))
    beats = {name: stream.beat for name, stream in values.items()}
    return Lowered(to.network(), tuple(ports_in), tuple(ports_out), beats)


def _build(
    to: Streams, node: Node, x: Sequence[Stream], types: Mapping[str, Intervals], plan: Plan
) -> Stream:
    """Build one operation."""
    shape = types[node.name].shape
    found = node.op.stream(to, *x, plan=plan)
    if found is None and _keeps_order(node, x, shape):
        found = x[0].reshaped(shape)
    if found is None:
        found = _on_rows(to, node, x, shape, plan)
    if found is None:
        found = _on_parts(to, node, x, shape, plan)
    if found is None:
        found = _whole(to, node, x, shape)
    return found


def _keeps_order(node: Node, x: Sequence[Stream], shape: tuple[int, ...]) -> bool:
    """Whether an operation only moves elements, and leaves each in its place in C order."""
    if not node.op.wiring or len(x) != 1 or x[0].elements != prod(shape):
        return False
    numbers = np.arange(prod(shape), dtype=np.int64)
    move = getattr(node.op, "move", None)
    return move is not None and np.array_equal(move(numbers.reshape(x[0].shape)).ravel(), numbers)


def _on_rows(
    to: Streams, node: Node, x: Sequence[Stream], shape: tuple[int, ...], plan: Plan
) -> Stream | None:
    """Build some rows at once, the same circuit for each; None where rows are not alike."""
    leading, last = shape[:-1], shape[-1]
    beat = plan.beat or last
    if prod(leading) < 2 or beat % last or node.op.whole_operands:
        return None
    if any(s.shape[:-1] != leading for s in x) or node.op.at_row((0,) * len(leading)) is None:
        return None
    ops = ops_at_rows(node, leading)
    if len({state_key(op) for op in ops}) > 1:
        return None
    rows = beat // last
    inputs = [to.rebeat(s, rows * s.shape[-1]) for s in x]

    def build(m: Module, elements: list[list[int]], phase: int) -> list[list[int]]:
        found: list[int] = []
        for row in range(rows):
            buses = []
            for signals, s in zip(elements, x, strict=True):
                size = s.shape[-1]
                buses.append(Bus(np.asarray(signals[row * size : (row + 1) * size], np.int64)))
            found += ops[0].lower(m, *buses, plan=PARALLEL).flat
        return [found]

    (result,) = to.kernel(inputs, [shape], build, note=f"{node.op.kind}, {rows} rows a beat")
    return result


def _on_parts(
    to: Streams, node: Node, x: Sequence[Stream], shape: tuple[int, ...], plan: Plan
) -> Stream | None:
    """Build part of a row at once; the part's number chooses where constants differ."""
    last = shape[-1] if shape else 1
    beat = plan.beat or last
    if beat >= last and prod(shape[:-1]) > 1:
        return None
    if last % beat or beat == last or any(s.shape != shape for s in x):
        return None
    phases = last // beat
    parts = [node.op.at_part(slice(k * beat, (k + 1) * beat)) for k in range(phases)]
    known: dict[object, Op] = {}
    for op in parts:
        if op is None:
            return None
        known.setdefault(state_key(op), op)
    inputs = [to.rebeat(s, beat) for s in x]
    ops = [known[state_key(op)] for op in parts if op is not None]

    def build(m: Module, elements: list[list[int]], phase: int) -> list[list[int]]:
        buses = [Bus(np.asarray(signals, np.int64)) for signals in elements]
        variants = {id(op): op.lower(m, *buses, plan=PARALLEL).flat for op in known.values()}
        found = variants[id(ops[-1])]
        for k in reversed(range(phases - 1)):
            other = variants[id(ops[k])]
            if other is not found or len(known) > 1:
                here = m.equal(phase, m.constant(k))
                found = [m.select(here, a, b) for a, b in zip(other, found, strict=True)]
        return [found]

    count = phases if len(known) > 1 else 1
    note = f"{node.op.kind}, {beat} elements a beat"
    (result,) = to.kernel(inputs, [shape], build, count, note)
    return result


def _whole(to: Streams, node: Node, x: Sequence[Stream], shape: tuple[int, ...]) -> Stream:
    """Collect the operands whole and build the operation in parallel."""
    inputs = [to.rebeat(s, s.elements) for s in x]

    def build(m: Module, elements: list[list[int]], phase: int) -> list[list[int]]:
        buses = [
            Bus(np.asarray(signals, np.int64).reshape(s.shape))
            for signals, s in zip(elements, x, strict=True)
        ]
        return [node.op.lower(m, *buses, plan=PARALLEL).flat]

    (result,) = to.kernel(inputs, [shape], build, note=f"{node.op.kind}, whole")
    return result
