"""Recurrent layers that keep their state from event to event: what is built, and run on the host.

Events are then parts of one sequence without an end, in the order in which they come; a reset of
the circuit begins a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatewright.base import Place, UnsupportedError
from gatewright.flow.host import Data, answers, as_inputs, encode
from gatewright.flow.options import Options
from gatewright.flow.streams.reference import run_events
from gatewright.ir import Graph, Reals, describe
from gatewright.num import FixedArray
from gatewright.passes.streams import Loop, States, roll, stateful


def with_state(graph: Graph, options: Options) -> Graph:
    """Return the graph that is built, whose recurrent layers keep the state they are to keep.

    Args:
        graph: the integer model.
        options: `stateful` names the layers, `event_steps` the steps of an event.

    Raises:
        OptionError: a layer has no state, begins with a state that is computed, or others need the
            number of steps that the model was made for.
    """
    if not options.stateful:
        return graph
    layers = () if isinstance(options.stateful, bool) else options.stateful
    return stateful(graph, layers, options.event_steps or 0)


def kept_layers(graph: Graph) -> list[str]:
    """Return the layers of a graph that keep their state."""
    return list(
        dict.fromkeys(
            node.layer
            for node in graph.nodes
            if isinstance(node.op, Loop) and node.op.what.stateful
        )
    )


def least_interval(graph: Graph, cell: int) -> int:
    """Return the fewest cycles of an event where a layer's cell takes so many a step."""
    loops = [node.op.what for node in graph.nodes if isinstance(node.op, Loop)]
    return max((cell * what.steps for what in loops if what.stateful), default=1)


def as_events(graph: Graph, model: Graph, data: Mapping[str, Reals]) -> dict[str, Reals]:
    """Cut samples of a model into the shorter events of a graph made of it.

    Raises:
        UnsupportedError: events do not go into the model's number of steps.
    """
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
        states: of each layer that keeps its state, on integers, behind the last event.
    """

    graph: Graph
    states: dict[str, States] = field(default_factory=dict)

    def predict_codes(self, x: Data) -> dict[str, FixedArray]:
        """Return the firmware's integers for the next events, by output name."""
        inputs = encode(self.graph, as_inputs(self.graph, x))
        found, self.states = run_events(self.graph, inputs, self.states)
        return found

    def predict(self, x: Data) -> Reals | dict[str, Reals]:
        """Return the answers to the next events; see `Design.predict`."""
        return answers(self.graph, self.predict_codes(x))

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
