"""Windows of an image on streams: which actors cut them, for the beats that are asked for."""

from __future__ import annotations

from dataclasses import replace
from math import gcd, prod

import numpy as np

from gatewright.num import Intervals
from gatewright.streams.builder import Stream, Streams
from gatewright.streams.lines import line_windows
from gatewright.streams.moved import walked
from gatewright.streams.raster import Pace, Raster
from gatewright.streams.reader import Walk


def windowed(
    to: Streams,
    x: Stream,
    raster: Raster,
    beat: int,
    style: str = "auto",
    fill: Intervals | None = None,
) -> Stream | None:
    """Return the windows of an image, (*positions, window elements).

    None where the image is there at once, or all windows are asked for at once, and pixel by pixel
    it would take more steps than it may: then windows are wiring.

    Beats of whole windows, or of several pixels of one, come from line memories, a pixel a step,
    or as many as a beat of the image or of windows has where windows are complete as evenly. A beat
    that divides a pixel is read from a memory, so many times as windows hold it.

    Args:
        to: the network under construction.
        x: (*spatial, channels).
        raster: the windows, and zeros around the image.
        beat: elements of a beat that are asked for.
        style: of memories.
        fill: constants (lo = hi) around the image, one for each channel or one for all; zeros
            unless given.
    """
    channels = x.shape[-1]
    elements = len(raster.offsets) * channels
    shape = (*raster.counts, elements)
    unit = gcd(beat, channels)
    walk = window_walk(raster, channels // unit)
    if unit == beat < elements or (beat < channels and walk.steps <= to.most_steps):
        part = None if fill is None else _alike(fill)
        if fill is None or part is not None:
            return to.rebeat(walked(to, x, walk, unit, shape, part, style), beat)
    bare = raster if raster.is_in_order else _bare(raster)
    pace = _pace(bare, max(x.beat, beat // elements * channels) // channels, beat // elements)
    slow, all_asked = int(pace.steps[-1]) >= to.most_steps, beat >= prod(shape)
    if (x.beat >= x.elements and (slow or all_asked)) or (slow and all_asked):
        return None
    if bare is not raster:
        x, raster = _padded(to, x, raster, fill), bare
    pixels = to.rebeat(x, channels * pace.pixels)
    if fill is not None and fill.size == 1:
        fill = fill.map(lambda v: np.repeat(v, channels))
    name = to.module_name(f"{to.layer or to.name}_windows")
    actor = line_windows(name, pixels.types, raster, fill, style, to.layer, pace)
    return to.rebeat(to.add(actor, [pixels], [shape])[0], beat)


def window_walk(raster: Raster, groups: int) -> Walk:
    """Return the order in which windows are read, a pixel being `groups` beats."""
    pixels = raster.ends[:, None] - raster.offsets
    beats = pixels[..., None] * groups + np.arange(groups)
    inside = np.repeat(raster.inside, groups, axis=1)
    loops = (*raster.counts, *raster.kernel, groups)
    return Walk(prod(raster.spatial) * groups, loops, beats.ravel(), inside.ravel())


def _pace(raster: Raster, pixels: int, windows: int) -> Pace:
    """Return the fastest pace up to some pixels a step and windows a beat."""
    for coming in range(pixels, 1, -1):
        for given in range(min(windows, coming), 0, -1):
            pace = raster.pace(coming, given)
            if pace is not None:
                return pace
    pace = raster.pace()
    assert pace is not None, "windows are not complete in their order"
    return pace


def _alike(fill: Intervals) -> Intervals | None:
    """Return the constant of one element, where it is the same for all."""
    same = all((v == v.ravel()[0]).all() for v in (fill.lo, fill.hi, fill.frac))
    return fill.map(lambda v: v.ravel()[:1]) if same else None


def _bare(raster: Raster) -> Raster:
    """Return the windows of the image with its padding, which is then part of it."""
    rows = zip(raster.spatial, raster.before, raster.after, strict=True)
    none = (0,) * len(raster.kernel)
    return replace(raster, spatial=tuple(sum(row) for row in rows), before=none, after=none)


def _padded(to: Streams, x: Stream, raster: Raster, fill: Intervals | None) -> Stream:
    """Put the padding around an image, pixel by pixel."""
    *spatial, channels = x.shape
    pixels = np.arange(prod(spatial)).reshape(spatial)
    around = list(zip(raster.before, raster.after, strict=True))
    source = np.pad(pixels, around)
    inside = np.pad(np.ones(spatial, np.bool_), around)
    walk = Walk(prod(spatial), source.shape, source.ravel(), inside.ravel())
    return walked(to, x, walk, channels, (*source.shape, channels), fill)
