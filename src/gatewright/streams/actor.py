"""What is known of an actor: its module, and when it takes and gives beats."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gatewright.hw import Module
from gatewright.num import Ints

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Program:
    """The steps that an actor repeats, those of one event.

    Attributes:
        takes: (steps, inputs), whether a step takes a beat from an input.
        gives: (steps, outputs), whether a step gives a beat.
        latency: cycles from a step to the cycle in which its beat is valid, at least 1.
    """

    takes: Flags
    gives: Flags
    latency: int = 1

    @classmethod
    def plain(cls, beats: int, inputs: int = 1, outputs: int = 1, latency: int = 1) -> Program:
        """Return the steps of an actor that takes and gives a beat at each."""
        return cls(np.ones((beats, inputs), np.bool_), np.ones((beats, outputs), np.bool_), latency)

    @property
    def beats_in(self) -> Ints:
        """Beats of each input in an event."""
        return np.asarray(self.takes.sum(0), np.int64)

    @property
    def beats_out(self) -> Ints:
        """Beats of each output in an event."""
        return np.asarray(self.gives.sum(0), np.int64)

    @property
    def steps(self) -> int:
        """Steps of an event."""
        return len(self.takes)


@dataclass(frozen=True, eq=False)
class Buffered:
    """An actor with a memory between a writing side and a reading side, one input and one output.

    The writing side takes a beat whenever fewer than `depth` beats are kept. A step of the reading
    side fires when `need` beats of this event have been written in earlier cycles, gives a beat if
    `gives` says so, and lets go of all beats before number `free`. Beats are counted from the
    event's first; the writing side may run ahead into events to come.

    Attributes:
        depth: beats that the memory holds.
        beats: of one event, on the input.
        need: (steps,), beats of the event that must be there; never falls.
        free: (steps,), beats of the event not needed any more after the step; never falls, and the
            last is `beats`.
        gives: (steps,), whether the step gives a beat.
        latency: cycles from a reading step to the cycle in which its beat is valid.
    """

    depth: int
    beats: int
    need: Ints
    free: Ints
    gives: Flags
    latency: int = 2

    @property
    def beats_in(self) -> Ints:
        """Beats of the input in an event."""
        return np.asarray([self.beats], np.int64)

    @property
    def beats_out(self) -> Ints:
        """Beats of the output in an event."""
        return np.asarray([int(self.gives.sum())], np.int64)

    @property
    def steps(self) -> int:
        """Steps of the reading side in an event."""
        return len(self.need)


Timing = Program | Buffered


@dataclass(frozen=True, eq=False)
class Actor:
    """A module with streams, and its timing.

    Attributes:
        name: of the instance.
        module: has, for each input stream NAME, ports `NAME_valid`, `NAME` in and `NAME_ready` out;
            for each output stream `NAME_valid`, `NAME` out and `NAME_ready` in.
        inputs, outputs: names of the streams, in the order of the timing's columns.
        timing: exactly when it takes and gives.
        layer: the user's layer that it belongs to; empty for what stands between layers.
        note: what it is, in a few words, for tables and headers.
    """

    name: str
    module: Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    timing: Timing
    layer: str = ""
    note: str = field(default="")
