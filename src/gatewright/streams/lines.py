"""Windows of an image that comes pixel by pixel: line memories and window registers.

The pixels run through one chain of registers and memories. Each element of a window is a place of
the chain, at a fixed distance behind the newest pixel, so that what is kept is exactly what lies
between a window's first and last pixel. Padding is a mask on the window, not something that
travels: a window that hangs over the end of a line is complete when its last element inside has
gone on by as many pixels, which meanwhile are the next line's. After an event's last pixel the
chain moves on by itself as far as windows still need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from gatewright.num import Intervals, Ints
from gatewright.streams.actor import Actor, Program
from gatewright.streams.sequence import Sequence
from gatewright.streams.shell import Shell, constants

FEWEST_PLACES = 4
"""Places from which on a piece of the chain is a memory."""


@dataclass(frozen=True, eq=False)
class Raster:
    """Windows on a raster of pixels with padding around it.

    Attributes:
        spatial: lengths of the image.
        kernel, strides, dilation, before, after: along each axis; the latter two are padding.
    """

    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Windows along each axis."""
        rows = zip(self.spatial, self.before, self.after, self.kernel, self.dilation, self.strides,
                   strict=True)  # fmt: skip
        return tuple((n + b + a - (k - 1) * d - 1) // s + 1 for n, b, a, k, d, s in rows)

    @property
    def steps(self) -> Ints:
        """How far apart neighbours along each axis are, in pixels of the raster."""
        return np.asarray([prod(self.spatial[i + 1 :]) for i in range(len(self.spatial))], np.int64)

    def _flat(self, coordinates: list[Ints]) -> Ints:
        """Return numbers of pixels from coordinates along each axis, all combinations."""
        grids = np.meshgrid(*coordinates, indexing="ij")
        return np.asarray(sum(g * s for g, s in zip(grids, self.steps, strict=True))).ravel()

    @property
    def offsets(self) -> Ints:
        """(taps,), pixels from each element of a window to its last one."""
        back = [(k - 1 - np.arange(k)) * d for k, d in zip(self.kernel, self.dilation, strict=True)]
        return self._flat(back)

    @property
    def ends(self) -> Ints:
        """(windows,), number of the pixel at which each window's last element stands.

        It counts on where that lies in padding: behind the end of a line come the pixels of the
        next one.
        """
        rows = zip(self.counts, self.strides, self.before, self.kernel, self.dilation, strict=True)
        return self._flat([np.arange(c) * s - b + (k - 1) * d for c, s, b, k, d in rows])

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(windows, taps), whether an element of a window is in the image."""
        found = np.ones((1, 1), np.bool_)
        rows = zip(self.spatial, self.counts, self.strides, self.before, self.kernel,
                   self.dilation, strict=True)  # fmt: skip
        for n, count, s, b, k, d in rows:
            at = np.arange(count)[:, None] * s - b + np.arange(k) * d
            here = (at >= 0) & (at < n)
            found = (found[:, None, :, None] & here[None, :, None, :]).reshape(
                len(found) * count, -1
            )
        return found

    @property
    def is_in_order(self) -> bool:
        """Whether windows are complete one after the other, in their order."""
        ends = self.ends
        return bool(ends[0] >= 0 and (np.diff(ends) > 0).all())


def line_windows(
    name: str,
    types: Intervals,
    raster: Raster,
    fill: Intervals | None = None,
    style: str = "auto",
    layer: str = "",
) -> Actor:
    """Return an actor that takes a pixel a step and gives whole windows.

    Elements of a window are ordered by position, the last axis fastest, and channels within each.

    Args:
        name: of its module.
        types: of a pixel's channels.
        raster: `is_in_order`.
        fill: constants (lo = hi, one for each channel) around the image; zeros unless given.
        style: of the line memories.
        layer: the user's.
    """
    assert raster.is_in_order, "windows are not complete in their order"
    pixels, ends = prod(raster.spatial), raster.ends
    steps = max(pixels, int(ends[-1]) + 1)
    gives = np.zeros(steps, np.bool_)
    gives[ends] = True
    takes = np.arange(steps) < pixels
    masks = np.zeros((steps, len(raster.offsets)), np.int64)
    masks[ends] = raster.inside
    masks[:, raster.inside.all(0)] = 1
    note = f"windows of {'x'.join(map(str, raster.kernel))}, a pixel a step"
    shell = Shell.begin(name, {"x": types}, ["y"], layer, note)
    m = shell.module
    rest = prod(raster.spatial[1:])
    loops = (-(-steps // rest), *raster.spatial[1:])
    fields = np.concatenate([takes[:, None], gives[:, None], masks], axis=1).astype(np.int64)
    sequence = Sequence.begin(m, loops, fields)
    taking, giving, *inside = sequence.signals
    fired = shell.fire({"x": taking})
    sequence.close(fired)
    given = []
    others = constants(m, fill, types.size)
    for tap, here in zip(_chain(shell, raster.offsets, fired, style), inside, strict=True):
        mask = here if m.is_constant(here) else shell.register(here, fired)
        given += [m.select(mask, s, other) for s, other in zip(tap, others, strict=True)]
    shell.finish({"y": (m.and_(fired, giving), given)}, registered=True)
    return shell.actor(Program(takes[:, None], gives[:, None]), layer, note)


def _chain(shell: Shell, offsets: Ints, fired: int, style: str) -> list[list[int]]:
    """Return the pixel at each distance behind the newest; the newest is in a register, too."""
    m = shell.module
    pixel = [shell.register(s, fired) for s in shell.data["x"]]
    at, places = 0, {0: pixel}
    lines: dict[int, list[tuple[list[int], list[int]]]] = {}
    for offset in np.unique(offsets).tolist():
        while offset > at:
            jump = offset - at
            step = jump if jump > FEWEST_PLACES else 1
            following = [s if m.is_constant(s) else m.register(m.range(s)) for s in pixel]
            moving = [(s, r) for s, r in zip(pixel, following, strict=True) if s != r]
            if step == 1:
                for s, r in moving:
                    m.connect(r, s, fired)
            elif moving:
                old, new = zip(*moving, strict=True)
                lines.setdefault(step - 1, []).append((list(old), list(new)))
            pixel, at = following, at + step
        places[at] = pixel
    for depth, pieces in lines.items():
        _line_memory(shell, depth, pieces, fired, style)
    return [places[int(offset)] for offset in offsets]


def _line_memory(
    shell: Shell, depth: int, pieces: list[tuple[list[int], list[int]]], fired: int, style: str
) -> None:
    """Let pixels come into registers `depth` + 1 steps after they stood in others.

    Pieces of the chain of one length share a memory, a word for all.
    """
    m = shell.module
    written = [s for old, _ in pieces for s in old]
    at, _ = shell.counter(depth, fired, f"line_{depth}_at")
    memory = m.memory(f"line_{depth}", depth, m.intervals(written), style=style)
    m.write(memory, at, written, fired)
    found = m.read_word(memory, at)
    for register, signal in zip([r for _, new in pieces for r in new], found, strict=True):
        m.connect(register, signal, fired)
