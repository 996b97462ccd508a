"""Recurrent layers that keep their state from event to event: what is built, and run on the host.

Events are then parts of one sequence without an end, in the order in which they come; a reset of
the circuit begins a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from gatewright.base import DataError, OptionError, Place, UnsupportedError
from gatewright.flow.host import Data, answers, as_inputs, encode
from gatewright.flow.options import Options
from gatewright.flow.streams.reference import run_events
from gatewright.ir import Graph, Plan, Reals, describe
from gatewright.num import FixedArray
from gatewright.passes.streams import (
    Loop,
    States,
    marked,
    roll,
    stateful,
    varied_input,
    with_lengths,
)


def with_state(graph: Graph, options: Options) -> Graph:
    """Return the graph that is built, whose recurrent layers keep the state they are to keep.

    Args:
        graph: the integer model.
        options: `stateful` names the layers, `event_steps` the steps of an event; by
            `varied_length`, rows say which steps there are.

    Raises:
        OptionError: a layer has no state, begins with a state that is computed, or others need the
            number of steps that the model was made for.
    """
    if options.varied_length:
        graph = with_lengths(graph)
    if not options.stateful:
        return graph
    layers = () if isinstance(options.stateful, bool) else options.stateful
    return stateful(graph, layers, options.event_steps or 0)


def least_interval(graph: Graph, cell: int) -> int:
    """Return the fewest cycles of an event with one cell, where a layer's state asks for one.

    Args:
        graph: what is built.
        cell: cycles of a step.
    """
    loops = [node.op.what for node in roll(graph).nodes if isinstance(node.op, Loop)]
    varied = varied_input(graph) is not None
    return max((cell * what.steps for what in loops if what.stateful or varied), default=1)


def varied_rows(graph: Graph, plans: Mapping[str, Plan]) -> dict[str, Plan]:
    """Return the plan of an input whose events vary in length: a row a beat.

    Args:
        graph: what is built.
        plans: what a user asks for.

    Raises:
        OptionError: a plan asks for other beats: a frame could end within a row.
    """
    name = varied_input(graph)
    if name is None:
        return {}
    row = next(i.shape[1] for i in graph.inputs if i.name == name)
    if name in plans and plans[name].beat not in (0, row):
        raise OptionError(
            "events of varied length come row by row",
            place=Place(graph.source, name),
            found=f"beat {plans[name].beat}",
            supported=f"beat {row}: the features, and whether the event has the row",
        )
    return {name: Plan(beat=row)}


def as_events(graph: Graph, model: Graph, data: Mapping[str, Reals]) -> dict[str, Reals]:
    """Cut samples of a model into the shorter events of a graph made of it.

    Raises:
        UnsupportedError: events do not go into the model's number of steps.
    """
    if varied_input(graph) is not None:
        return dict(data)
    steps = [
        (own.shape[0], old.shape[0])
        for own, old in zip(graph.inputs, model.inputs, strict=True)
        if own.shape != old.shape
    ]
    if not steps:
        return dict(data)
    own, old = steps[0]
    if old % own:
        raise UnsupportedError(
            "calibration samples cannot be cut into events",
            place=Place(graph.source, graph.inputs[0].name),
            found=f"samples of {old} steps, events of {own}",
            supported="a number of steps that divides that of the samples",
        )
    found = {}
    for i, before in zip(graph.inputs, model.inputs, strict=True):
        x = data[i.name]
        cut = i.shape != before.shape
        found[i.name] = x.reshape(-1, *i.shape) if cut else np.repeat(x, old // own, 0)
    return found


def encoded(
    graph: Graph, model: Graph, x: Data, lengths: ArrayLike | None = None
) -> dict[str, FixedArray]:
    """Return the integers that the firmware receives.

    Args:
        graph: what is built.
        model: the integer model that it was made of.
        x: real inputs as the model takes them.
        lengths: steps of each event, where they vary; by default all.

    Raises:
        DataError: the data do not fit the model's inputs, or the lengths the data.
        OptionError: lengths were given for events that do not vary.
    """
    name = varied_input(graph)
    if name is None:
        if lengths is not None:
            raise OptionError(
                "lengths were given for a design whose events all have the same number of steps",
                place=graph.source,
                supported="a design compiled with varied_length = True",
            )
        return encode(graph, as_inputs(graph, x))
    codes = encode(model, as_inputs(model, x))
    own = codes[name]
    samples, steps = own.q.shape[:2]
    try:
        given = np.full(samples, steps) if lengths is None else np.asarray(lengths)
    except ValueError:
        given = np.asarray("rows of different lengths")
    whole = given.dtype.kind in "iu" and given.shape == (samples,)
    if not whole or not ((given >= 0) & (given <= steps)).all():
        raise DataError(
            "the lengths of events do not fit the data",
            place=Place(graph.source, name),
            found=f"shape {given.shape}, {given.dtype}"
            + (f", {given.min()} to {given.max()}" if whole and given.size else ""),
            supported=f"a whole number from 0 to {steps} for each of {samples} events",
        )
    types = next(i.type for i in graph.inputs if i.name == name)
    assert types is not None
    return {**codes, name: FixedArray(marked(own.q, given), types.frac)}


def state_rows(graph: Graph) -> list[dict[str, object]]:
    """Return a row for each state in registers: what it holds, and what clears it."""
    rows: list[dict[str, object]] = []
    for node in roll(graph).nodes:
        if not isinstance(node.op, Loop):
            continue
        what = node.op.what
        for name in what.cell.states:
            kind = what.types[name]
            rows.append({
                "layer": node.layer, "state": name.removeprefix("state:").rsplit("/")[-1],
                "elements": kind.size, "bits": int(kind.width.sum()), "format": describe(kind),
                "steps": what.steps, "kept": what.stateful,
                "cleared": "by rst alone" if what.stateful else "behind each event, and by rst",
            })  # fmt: skip
    return rows


@dataclass(eq=False)
class Session:
    """A run of the firmware between two resets, emulated: each call goes on where the last ended.

    Attributes:
        graph: what is computed.
        model: the integer model that it was made of.
        states: of each layer that keeps its state, on integers, behind the last event.
    """

    graph: Graph
    model: Graph
    states: dict[str, States] = field(default_factory=dict)

    def predict_codes(self, x: Data, *, lengths: ArrayLike | None = None) -> dict[str, FixedArray]:
        """Return the firmware's integers for the next events, by output name."""
        inputs = encoded(self.graph, self.model, x, lengths)
        found, self.states = run_events(self.graph, inputs, self.states)
        return found

    def predict(self, x: Data, *, lengths: ArrayLike | None = None) -> Reals | dict[str, Reals]:
        """Return the answers to the next events; see `Design.predict`."""
        return answers(self.graph, self.predict_codes(x, lengths=lengths))

    def reset(self) -> None:
        """Begin a new sequence, as `rst` does."""
        self.states = {}

    @property
    def state(self) -> dict[str, Reals]:
        """The states behind the last event as numbers, `LAYER/STATE`; none before the first."""
        layers = {node.name: node.layer for node in self.graph.nodes}
        return {
            f"{layers[node]}/{name.removeprefix('state:').rsplit('/')[-1]}": value.value[0]
            for node, states in self.states.items()
            for name, value in states.items()
        }
