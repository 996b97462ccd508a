"""From an integer graph to a design on streams, first or again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gatewright.flow.options import Options
from gatewright.flow.steps import Steps
from gatewright.flow.streams.circuit import StreamCircuit, stream_circuit
from gatewright.flow.streams.design import StreamDesign
from gatewright.flow.streams.plans import GivenPlans, read_plan
from gatewright.flow.streams.state import with_state
from gatewright.ir import Graph


def build_streams(
    graph: Graph, options: Options, steps: Steps, given: GivenPlans | None
) -> StreamDesign:
    """Plan, build and emit a network of actors, by a user's plan where there is one.

    Args:
        graph: the integer model.
        options: how to build; they say which layers keep their state.
        steps: told what is done.
        given: plans of some operations, of the graph `with_state` gives.
    """
    built = with_state(graph, options)
    return _design(graph, built, options, steps, stream_circuit(built, options, steps, given))


def rebuild_streams(
    graph: Graph, options: Options, steps: Steps, kept: Mapping[str, Any]
) -> StreamDesign:
    """Build a design again by the plan that it was saved with."""
    built = with_state(graph, options)
    given = replace(read_plan(kept["plans"], built), interval=kept["interval"])
    circuit = stream_circuit(built, options, steps, given, kept["depths"])
    reasons = kept["reasons"]
    choices = tuple(
        replace(c, reason=reasons.get(c.node, c.reason)) for c in circuit.planned.choices
    )
    circuit = replace(circuit, planned=replace(circuit.planned, choices=choices))
    return _design(graph, built, options, steps, circuit)


def _design(
    model: Graph, built: Graph, options: Options, steps: Steps, circuit: StreamCircuit
) -> StreamDesign:
    design = StreamDesign.of(built, circuit, options, steps.timings, steps.progress)
    design.stateless = None if built is model else model
    steps.begin("emit")
    design.emit()
    steps.end()
    return design
