"""Streams: tensors that travel in beats between actors, with `valid` and `ready`.

An *actor* works off a cyclic list of steps. At a step it takes a beat from some of its inputs,
gives a beat on some of its outputs, or neither. A step fires when all beats that it takes are there
and the actor's output registers are free; then the actor's pipeline moves on by one cycle.
`shell` builds the control of an actor, `actor` says what is known of its timing, `fifo`, `width`
and `fork` are the actors between operations, `network` joins actors, `cycles` tells exactly how
many cycles a network takes, and how deep its FIFOs must be.
"""

from gatewright.streams.actor import Actor, Buffered, Program, Timing
from gatewright.streams.builder import Finish, Stream, Streams, beat_types
from gatewright.streams.collect import Parts, collect
from gatewright.streams.cycles import Cycles, simulate
from gatewright.streams.depths import least_depths
from gatewright.streams.lines import line_windows
from gatewright.streams.moved import Moves, beat_loops, elements_of, moved, walked
from gatewright.streams.network import OUTSIDE, Link, Network, assemble
from gatewright.streams.ordered import is_ordered, ordered
from gatewright.streams.raster import Pace, Raster
from gatewright.streams.reader import Walk, reader
from gatewright.streams.registers import Bank, Registers
from gatewright.streams.sequence import Sequence
from gatewright.streams.shell import Shell, counter, union
from gatewright.streams.width import narrow, widen
from gatewright.streams.windowed import window_walk, windowed

__all__ = [
    "Actor",
    "Bank",
    "Buffered",
    "Cycles",
    "Finish",
    "Link",
    "Moves",
    "Network",
    "OUTSIDE",
    "Pace",
    "Parts",
    "Program",
    "Raster",
    "Registers",
    "Sequence",
    "Shell",
    "Stream",
    "Streams",
    "Timing",
    "Walk",
    "assemble",
    "beat_loops",
    "beat_types",
    "collect",
    "counter",
    "elements_of",
    "is_ordered",
    "least_depths",
    "line_windows",
    "moved",
    "narrow",
    "ordered",
    "reader",
    "simulate",
    "union",
    "walked",
    "widen",
    "window_walk",
    "windowed",
]
