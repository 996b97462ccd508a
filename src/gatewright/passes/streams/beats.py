"""Bring tensors of integers into beats, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.num import FixedArray, Intervals, Ints
from gatewright.streams import Stream


@dataclass(frozen=True, eq=False)
class Port:
    """A tensor at the border of a stream design.

    Attributes:
        name: of the port.
        value: the graph's input or the value of its output.
        types: of a beat's elements.
        shape: of one sample.
    """

    name: str
    value: str
    types: Intervals
    shape: tuple[int, ...]

    @classmethod
    def of(cls, name: str, value: str, stream: Stream) -> Port:
        """Describe a stream."""
        return cls(name, value, stream.types, stream.shape)

    @property
    def beat(self) -> int:
        """Elements of a beat."""
        return int(self.types.lo.size)

    @property
    def beats(self) -> int:
        """Beats of a sample."""
        return -(-int(np.prod(self.shape)) // self.beat)


def to_beats(x: FixedArray, port: Port) -> Ints:
    """Return integers of shape (samples * beats, elements), on the grids of the beat's elements.

    What fills up a sample's last beat is zero, or what is next to it of what can be there.
    """
    samples = len(x.q)
    flat = x.q.reshape(samples, int(np.prod(x.q.shape[1:])))
    frac = np.broadcast_to(x.frac, x.q.shape[1:]).ravel()
    room = port.beats * port.beat
    grid = np.tile(port.types.frac, port.beats)
    shift = np.zeros(room, np.int64)
    shift[: flat.shape[1]] = grid[: flat.shape[1]] - frac
    filled = np.zeros((samples, room), np.int64)
    filled[:, : flat.shape[1]] = flat
    whole = np.where(filled == 0, 0, np.maximum(shift, 0))
    assert (shift[: flat.shape[1]][(flat != 0).any(0)] >= 0).all(), "a beat's grid is too coarse"
    beats = (filled << whole).reshape(samples, port.beats, port.beat)
    missing = room - flat.shape[1]
    if missing:
        around = np.clip(0, port.types.lo, port.types.hi)
        beats[:, -1, port.beat - missing :] = around[port.beat - missing :]
    return beats.reshape(samples * port.beats, port.beat)


def from_beats(beats: Ints, port: Port) -> FixedArray:
    """Return the tensors of whole samples from their beats, (samples * beats, elements)."""
    samples = len(beats) // port.beats
    count = int(np.prod(port.shape))
    flat = beats[: samples * port.beats].reshape(samples, -1)[:, :count]
    frac = np.tile(port.types.frac, port.beats)[:count]
    return FixedArray(flat.reshape(samples, *port.shape), frac.reshape(port.shape))
