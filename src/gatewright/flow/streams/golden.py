"""Golden vectors of a stream design, in beats."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gatewright.flow.streams.circuit import StreamCircuit
from gatewright.flow.streams.simulate import Beats
from gatewright.flow.streams.verify import reference
from gatewright.ir import Graph
from gatewright.num import FixedArray

VECTORS = 200
"""Events whose beats are written with a design, unless they are long."""

MOST_BEATS = 20_000
"""Beats on the longest stream beyond which fewer events are written, two at least."""


def golden_count(circuit: StreamCircuit) -> int:
    """Return how many events are written."""
    longest = max(port.beats for port in (*circuit.inputs, *circuit.outputs))
    return max(min(VECTORS, MOST_BEATS // longest), 2)


def golden_beats(graph: Graph, circuit: StreamCircuit, inputs: Mapping[str, FixedArray]) -> Beats:
    """Return the beats that each output port must give; what fills up the last one is zero."""
    found = {}
    wanted = reference(graph, circuit, inputs)
    for port in circuit.outputs:
        flat = wanted[port.name]
        room = np.zeros((len(flat), port.beats * port.beat), np.int64)
        room[:, : flat.shape[1]] = flat
        found[port.name] = room.reshape(-1, port.beat)
    return found
