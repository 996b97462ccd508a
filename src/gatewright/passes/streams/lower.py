"""Turn a graph into a network of actors: each operation the way its plan says.

An operation is built by its own `Op.stream`; else on slabs, where each slab of its result depends
on that of its operands alone (`Op.at_row`, `Op.at_slab`); else on parts of a row (`Op.at_part`);
else its operands are collected whole and it is built in parallel, once for an event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from gatewright.base import Namer, OptionError
from gatewright.blocks.phased import chosen
from gatewright.hw import Bus, Module
from gatewright.ir import PARALLEL, Graph, Node, Op, Plan, infer, located
from gatewright.num import Intervals
from gatewright.ops import OPERATIONS
from gatewright.passes.lower import Progress, live
from gatewright.passes.row_kinds import state_key
from gatewright.passes.streams.beats import Port
from gatewright.passes.streams.domain import refusal, require_domain
from gatewright.passes.streams.find_loops import roll
from gatewright.passes.streams.fuse import fuse
from gatewright.passes.streams.slabs import slab_of
from gatewright.streams import Finish, Network, Registers, Stream, Streams, union
from gatewright.streams.serve import ANYTHING


@dataclass(frozen=True, eq=False)
class Lowered:
    """A network, and how tensors enter and leave it.

    Attributes:
        network: actors and links.
        inputs, outputs: in the graph's order.
        beats: elements of a beat of each value, by the name of its node or input.
        registers: what the bus of weights writes, by the name of the node.
    """

    network: Network
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    beats: dict[str, int]
    registers: dict[str, Registers] = field(default_factory=dict)


def lower_streams(
    graph: Graph,
    plans: Mapping[str, Plan],
    finish: Finish,
    progress: Progress | None = None,
    most_steps: int = 1 << 30,
) -> Lowered:
    """Return the network of a quantized graph.

    Args:
        graph: every input has a type.
        plans: by the name of a node or input, with the elements of a beat (`Plan.beat`); a node
            without one gives a whole row at once, an input the whole tensor.
        finish: optimises and pipelines the circuit of a kernel.
        progress: told of each layer.
        most_steps: steps of an event that the plan allows an actor.
    """
    graph = live(roll(graph))
    types = infer(graph)
    graph = fuse(graph)
    to = Streams(Namer().name(graph.name, "model"), finish, most_steps)
    values: dict[str, Stream] = {}
    names = Namer(("clk", "rst"))
    reads = Counter(name for node in graph.nodes for name in node.inputs)
    reads.update(o.value for o in graph.outputs)
    registers: dict[str, Registers] = {}
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
            to.light = node.op.wiring or node.op.at_part(slice(0, 1)) is not None
            alone = reads[node.name] == 1
            values[node.name] = _build(to, node, operands, types, plan, alone)
            if not alone:  # what keeps the order passes its operand's own stream on
                to.share(values[node.name])
            if plan.writable:
                registers[node.name] = _writable(to, node, len(registers))
    ports_out = []
    for o in graph.outputs:
        name = names.name(o.name, "y")
        to.output(name, values[o.value])
        ports_out.append(Port.of(name, o.value, values[o.value]))
    beats = {name: stream.beat for name, stream in values.items()}
    return Lowered(to.network(), tuple(ports_in), tuple(ports_out), beats, registers)


def _writable(to: Streams, node: Node, known: int) -> Registers:
    """Return what the bus writes in the operation that was just built."""
    if len(to.registers) > known:
        return to.registers[known]
    able = sorted(op.__name__ for op in OPERATIONS if op.writable)
    raise OptionError(
        "this operation has no weights that could be written",
        found=node.op.kind,
        supported=f"{', '.join(able)} (convolutions are windows and a dense operation)",
        remedy="leave `writable` out of its plan",
    )


def _build(
    to: Streams,
    node: Node,
    x: Sequence[Stream],
    types: Mapping[str, Intervals],
    plan: Plan,
    alone: bool,
) -> Stream:
    """Build one operation; `alone` says that its result has one reader."""
    shape = types[node.name].shape
    to.alone = False
    found = node.op.stream(to, *x, plan=plan)
    to.alone = alone
    if found is None and _keeps_order(node, x, shape):
        found = x[0].reshaped(shape)
    if found is None:
        found = _on_slabs(to, node, x, shape, plan)
    if found is None:
        found = _on_parts(to, node, x, shape, plan)
    if found is None:
        found = _served(to, node, x, shape, plan)
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


def _on_slabs(
    to: Streams, node: Node, x: Sequence[Stream], shape: tuple[int, ...], plan: Plan
) -> Stream | None:
    """Build some slabs at once, the same circuit for each; None where there are none."""
    beat = plan.beat or shape[-1]
    found = slab_of(node, [s.shape for s in x], shape, beat)
    if found is None:
        return None
    op, axes = found
    if refusal(op, x, [s.shape[axes:] for s in x]) is not None:
        return None
    copies = beat // prod(shape[axes:])
    inputs = [to.rebeat(s, copies * prod(s.shape[axes:])) for s in x]

    def build(m: Module, elements: list[list[int]], phase: int) -> list[list[int]]:
        sizes = [prod(s.shape[axes:]) for s in x]
        if copies == 1 or op.wiring:
            found: list[int] = []
            for copy in range(copies):
                own = [e[copy * n : (copy + 1) * n] for e, n in zip(elements, sizes, strict=True)]
                buses = [_bus(signals, s.shape[axes:]) for signals, s in zip(own, x, strict=True)]
                found += op.lower(m, *buses, plan=PARALLEL).flat
            return [found]
        return [_copies(m, op, elements, [s.shape[axes:] for s in x], copies)]

    note = f"{node.op.kind}, {copies} at once" if copies > 1 else node.op.kind
    (result,) = to.kernel(inputs, [shape], build, note=note)
    return result


def _copies(
    m: Module, op: Op, elements: list[list[int]], shapes: Sequence[tuple[int, ...]], copies: int
) -> list[int]:
    """Build an operation once, and use that circuit side by side; types hold all copies."""
    inner = Module(f"{m.name}_one", m.origin, f"{op.kind}, one of {copies}")
    feeds, buses = [], []
    for number, (signals, shape) in enumerate(zip(elements, shapes, strict=True)):
        rows = np.asarray(signals, np.int64).reshape(copies, -1)
        kinds = [union(m, column.tolist()) for column in rows.T]
        moving = np.asarray([lo != hi for lo, hi, _ in kinds])
        types = Intervals.of(*np.asarray(kinds, np.int64).T)
        own = np.empty(len(kinds), np.int64)
        name = "x" if number == 0 else f"x{number + 1}"
        own[moving] = inner.input(
            name, Intervals(types.lo[moving], types.hi[moving], types.frac[moving])
        )
        for i in np.flatnonzero(~moving).tolist():
            own[i] = inner.constant(kinds[i][0], kinds[i][2])
        feeds.append(rows[:, moving])
        buses.append(_bus(own.tolist(), shape))
    inner.output("y", op.lower(inner, *buses, plan=PARALLEL).flat)
    return m.instances_of(inner, np.concatenate(feeds, axis=1)).ravel().tolist()


def _bus(signals: Sequence[int], shape: tuple[int, ...]) -> Bus:
    return Bus(np.asarray(signals, np.int64).reshape(shape))


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
    # One row keeps its axes: an operation's constants may have them all.
    part = (beat,) if prod(shape[:-1]) > 1 else (*shape[:-1], beat)
    if any(refusal(op, x, [part] * len(x)) is not None for op in known.values()):
        return None
    inputs = [to.rebeat(s, beat) for s in x]
    ops = [known[state_key(op)] for op in parts if op is not None]

    def build(m: Module, elements: list[list[int]], phase: int) -> list[list[int]]:
        buses = [_bus(signals, part) for signals in elements]
        if len(known) > 1:
            found = node.op.lower_phases(m, *buses, phase=phase, parts=ops)
            if found is not None:
                return [found]
        variants = {id(op): op.lower(m, *buses, plan=PARALLEL).flat for op in known.values()}
        lanes = zip(*(variants[id(op)] for op in ops), strict=True)
        return [[chosen(m, phase, lane) for lane in lanes]]

    count = phases if len(known) > 1 else 1
    note = f"{node.op.kind}, {beat} elements a beat"
    (result,) = to.kernel(inputs, [shape], build, count, note)
    return result


def _served(
    to: Streams, node: Node, x: Sequence[Stream], shape: tuple[int, ...], plan: Plan
) -> Stream | None:
    """Collect a tensor whole and give its elements in another order, a beat after the other."""
    move = getattr(node.op, "move", None)
    size = prod(shape)
    if move is None or len(x) != 1 or not 0 < plan.beat < size:
        return None
    index = np.full(-(-size // plan.beat) * plan.beat, ANYTHING, np.int64)
    numbers = np.arange(x[0].elements, dtype=np.int64).reshape(x[0].shape)
    index[:size] = move(numbers).ravel()
    whole = to.rebeat(x[0], x[0].elements)
    return to.served(whole, index.reshape(-1, plan.beat), shape, node.op.kind)


def _whole(to: Streams, node: Node, x: Sequence[Stream], shape: tuple[int, ...]) -> Stream:
    """Collect the operands whole and build the operation in parallel."""
    require_domain(node.op, x)
    inputs = [to.rebeat(s, s.elements) for s in x]

    def build(m: Module, elements: list[list[int]], phase: int) -> list[list[int]]:
        buses = [_bus(signals, s.shape) for signals, s in zip(elements, x, strict=True)]
        return [node.op.lower(m, *buses, plan=PARALLEL).flat]

    (result,) = to.kernel(inputs, [shape], build, note=f"{node.op.kind}, whole")
    return result
