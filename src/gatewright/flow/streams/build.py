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
from gatewright.ir import Graph


def build_streams(
    graph: Graph, options: Options, steps: Steps, given: GivenPlans | None
) -> StreamDesign:
    """Plan, build and emit a network of actors, by a user's plan where there is one."""
    return _design(graph, options, steps, stream_circuit(graph, options, steps, given))


def rebuild_streams(
    graph: Graph, options: Options, steps: Steps, kept: Mapping[str, Any]
) -> StreamDesign:
    """Build a design again by the plan that it was saved with."""
    given = replace(read_plan(kept["plans"], graph), interval=kept["interval"])
    circuit = stream_circuit(graph, options, steps, given, kept["depths"])
    reasons = kept["reasons"]
    choices = tuple(
        replace(c, reason=reasons.get(c.node, c.reason)) for c in circuit.planned.choices
    )
    circuit = replace(circuit, planned=replace(circuit.planned, choices=choices))
    return _design(graph, options, steps, circuit)


def _design(graph: Graph, options: Options, steps: Steps, circuit: StreamCircuit) -> StreamDesign:
    design = StreamDesign.of(graph, circuit, options, steps.timings, steps.progress)
    steps.begin("emit")
    design.emit()
    steps.end()
    return design
