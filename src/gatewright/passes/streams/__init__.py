"""From a graph to a network of actors."""

from gatewright.passes.streams.beats import Port, from_beats, to_beats
from gatewright.passes.streams.find_loops import roll
from gatewright.passes.streams.loop import Loop, States
from gatewright.passes.streams.lower import Lowered, lower_streams
from gatewright.passes.streams.stateful import evaluate_stateful, stateful

__all__ = [
    "Loop",
    "Lowered",
    "Port",
    "States",
    "evaluate_stateful",
    "from_beats",
    "lower_streams",
    "roll",
    "stateful",
    "to_beats",
]
