"""From a graph to a network of actors."""

from gatewright.passes.streams.beats import Port, from_beats, to_beats
from gatewright.passes.streams.fuse import fuse
from gatewright.passes.streams.lower import Lowered, lower_streams

__all__ = ["Lowered", "Port", "from_beats", "fuse", "lower_streams", "to_beats"]
