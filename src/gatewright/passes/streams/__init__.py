"""From a graph to a network of actors."""

from gatewright.passes.streams.beats import Port, from_beats, to_beats
from gatewright.passes.streams.find_loops import roll
from gatewright.passes.streams.forests import load_forest
from gatewright.passes.streams.fuse import fuse
from gatewright.passes.streams.lengths import marked, varied_input, with_lengths
from gatewright.passes.streams.loop import Loop, States
from gatewright.passes.streams.lower import Lowered, lower_streams
from gatewright.passes.streams.stateful import evaluate_stateful, stateful
from gatewright.passes.streams.weights import (
    Loaded,
    held_words,
    load_weights,
    register_rows,
    register_table,
)

__all__ = [
    "Loaded",
    "Loop",
    "Lowered",
    "Port",
    "States",
    "evaluate_stateful",
    "from_beats",
    "fuse",
    "held_words",
    "load_forest",
    "load_weights",
    "lower_streams",
    "marked",
    "register_rows",
    "register_table",
    "roll",
    "stateful",
    "to_beats",
    "varied_input",
    "with_lengths",
]
