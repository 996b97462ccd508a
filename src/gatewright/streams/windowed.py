"""Windows of an image on streams: which actors cut them, for the beats that are asked for."""

from __future__ import annotations

from gatewright.streams.builder import Stream, Streams
from gatewright.streams.lines import Raster, line_windows


def windowed(to: Streams, x: Stream, raster: Raster, beat: int) -> Stream | None:
    """Return the windows of an image, (*positions, window elements).

    Args:
        to: the network under construction.
        x: (*spatial, channels).
        raster: the windows, and zeros around the image.
        beat: elements of a beat that are asked for: of a whole window, or parts of one.
    """
    channels = x.shape[-1]
    elements = len(raster.offsets) * channels
    if elements % beat or not raster.is_in_order:
        return None
    pixels = to.rebeat(x, channels)
    stem = to.module_name(f"{to.layer or to.name}_windows")
    actor = line_windows(stem, pixels.types, raster, to.layer)
    (found,) = to.add(actor, [pixels], [(*raster.counts, elements)])
    return to.rebeat(found, beat)
