"""Sequences without an end: recurrent layers that keep their state from event to event.

A time series is one long sequence that comes in events of some steps, often one. The circuit gives
an answer for each event, in the light of all that came before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass, replace

import numpy as np

from gatewright.base import OptionError
from gatewright.ir import Graph, Input, Node, Op, infer, located
from gatewright.num import FixedArray, Intervals
from gatewright.ops import Reshape
from gatewright.ops.elementwise import Unary
from gatewright.passes.lower import live
from gatewright.passes.streams.cell import joined
from gatewright.passes.streams.find_loops import SINGLE, find_loops, roll
from gatewright.passes.streams.loop import Loop, States


def stateful(graph: Graph, layers: Collection[str] = (), steps: int = 0) -> Graph:
    """Return a graph whose recurrent layers keep their state from event to event.

    `evaluate` takes the samples of a batch for events that follow each other in time, and begins
    with the model's initial state, as the circuit does after reset; `evaluate_stateful` goes on
    from where it was.

    Args:
        graph: quantized.
        layers: names of the layers that keep their state; none for all recurrent ones.
        steps: rows of an event; 0 for as many as the model was made for.

    Raises:
        OptionError: a layer is not recurrent, its first state is no constant, or other layers need
            the number of steps that the model was made for.
        FormatError: a state grows from step to step.
    """
    chosen = tuple(layers) or tuple(dict.fromkeys(loop.layer for loop in find_loops(graph)))
    if not chosen:
        raise OptionError(
            "a model without recurrent layers has no state to keep",
            place=graph.source,
            supported="models with a recurrent layer of 2 steps or more, all alike",
            remedy=SINGLE,
        )
    rolled = live(roll(graph, chosen))
    loops = [node.op for node in rolled.nodes if isinstance(node.op, Loop)]
    if not steps or all(op.what.steps == steps for op in loops):
        return rolled
    backwards = [n.name for n in rolled.nodes if n.name.endswith("_order")]
    if steps < 0 or backwards or any(not op.what.stateful for op in loops):
        raise OptionError(
            "the steps of an event cannot be changed",
            place=graph.source,
            found=f"{steps} steps" + (f", {', '.join(backwards)}" if backwards else ""),
            supported="1 step or more, where all recurrent layers keep their state and go forwards",
        )
    return _with_steps(rolled, loops[0].what.steps, steps)


def _with_steps(graph: Graph, before: int, steps: int) -> Graph:
    """Return a graph with another number of steps in its sequences."""
    inputs = tuple(_shortened(i, before, steps) for i in graph.inputs)
    types = {i.name: i.type for i in inputs if i.type is not None}
    changed = {i.name for i, old in zip(inputs, graph.inputs, strict=True) if i is not old}
    old, nodes = infer(graph), list[Node]()
    for node in graph.nodes:
        op, shape = node.op, old[node.name].shape
        if isinstance(op, Loop):
            kinds = tuple(types[name] for name in node.inputs)
            op = Loop(replace(op.what, steps=steps, kinds=kinds))
        elif changed.intersection(node.inputs):
            if isinstance(op, Reshape) and shape[0] % before == 0:
                op = Reshape((shape[0] // before * steps, *shape[1:]))
            elif (same := _for_each_step(op, node, shape, before, old, changed)) is not None:
                op = same
            else:
                raise OptionError(
                    "a layer works on all steps that the model was made for",
                    place=graph.place(node),
                    found=f"{op.kind}, for events of {steps} steps",
                    supported=f"events of {before} steps; layers that work on each step alone",
                )
        nodes.append(replace(node, op=op))
        with located(graph, node):
            types[node.name] = op.infer(*(types[name] for name in node.inputs))
        if types[node.name].shape != shape:
            changed.add(node.name)
    return replace(graph, inputs=inputs, nodes=tuple(nodes))


def _for_each_step(
    op: Op,
    node: Node,
    shape: tuple[int, ...],
    steps: int,
    types: Mapping[str, Intervals],
    changed: set[str],
) -> Op | None:
    """Return an operation that does the same at every step; None where steps differ."""
    if len(shape) != 2 or shape[0] != steps:
        return None
    for name in node.inputs:  # what does not change must not have a row for each step
        kept = types[name].shape
        if name not in changed and len(kept) == 2 and kept[0] != 1:
            return None
    row = op.at_row((0,))
    if row is op or row is None:
        return row
    alike = all(same_fields(row, op.at_row((k,))) for k in range(1, steps))
    return row if alike and isinstance(op, Unary) else None


def same_fields(a: object, b: object) -> bool:
    """Say whether two operations, or parts of them, hold the same."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return np.array_equal(a, np.asarray(b))
    if is_dataclass(a):
        return all(same_fields(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a == b)


def _shortened(port: Input, before: int, steps: int) -> Input:
    """Return an input with another number of steps; any row may come at any step."""
    kind = port.type
    if kind is None or len(port.shape) < 2 or port.shape[0] != before:
        return port
    row = joined([Intervals(kind.lo[k], kind.hi[k], kind.frac[k]) for k in range(before)])
    shape = (steps, *port.shape[1:])
    types = row.map(lambda v: np.broadcast_to(v, shape).copy())
    return replace(port, shape=shape, type=types)


def evaluate_stateful(
    graph: Graph, inputs: Mapping[str, FixedArray], states: Mapping[str, States] | None = None
) -> tuple[dict[str, FixedArray], dict[str, States]]:
    """Compute every value on integers, events one after another; return the states behind, too.

    Args:
        graph: from `stateful`.
        inputs: the batch counts events in the order of time.
        states: what an earlier call returned, to go on from there; by default as after reset.
    """
    types, left = infer(graph), dict(states or {})
    values = {i.name: inputs[i.name].fit(types[i.name]) for i in graph.inputs}
    for node in graph.nodes:
        x = [values[name] for name in node.inputs]
        if isinstance(node.op, Loop) and node.op.what.stateful:
            result, left[node.name] = node.op.advance(*x, states=left.get(node.name))
        else:
            result = node.op.evaluate(*x)
        values[node.name] = result.fit(types[node.name])
    return values, left
