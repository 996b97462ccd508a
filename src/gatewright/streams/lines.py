"""Windows of an image that comes pixel by pixel: line memories and window registers.

The pixels run through one chain of registers and memories. Each element of a window is a place of
the chain, at a fixed distance behind the newest pixel, so that what is kept is exactly what lies
between a window's first and last pixel. Padding is a mask on the window, not something that
travels: a window that hangs over the end of a line is complete when its last element inside has
gone on by as many pixels, which meanwhile are the next line's. After an event's last pixel the
chain moves on by itself as far as windows still need it.
"""

from __future__ import annotations

from math import prod

import numpy as np

from gatewright.num import Intervals, Ints
from gatewright.streams.actor import Actor, Program
from gatewright.streams.raster import Pace, Raster
from gatewright.streams.sequence import Sequence
from gatewright.streams.shell import Shell, constants

FEWEST_PLACES = 4
"""Places from which on a piece of the chain is a memory."""

Lines = dict[int, list[tuple[int, int]]]
"""For each length, signals and the registers into which they come so many steps and one later."""


def line_windows(
    name: str,
    types: Intervals,
    raster: Raster,
    fill: Intervals | None = None,
    style: str = "auto",
    layer: str = "",
    pace: Pace | None = None,
) -> Actor:
    """Return an actor that takes a pixel a step, or several, and gives whole windows.

    Elements of a window are ordered by position, the last axis fastest, and channels within each.

    Args:
        name: of its module.
        types: of a beat's elements: the channels of each of its pixels.
        raster: `is_in_order`.
        fill: constants (lo = hi, one for each channel) around the image; zeros unless given.
        style: of the line memories.
        layer: the user's.
        pace: `raster.pace`, where it is not one pixel a step and one window a beat.
    """
    pace = pace or raster.pace()
    assert pace is not None, "windows are not complete in their order"
    pixels = prod(raster.spatial) // pace.pixels
    steps = max(pixels, int(pace.steps[-1]) + 1)
    gives = np.zeros(steps, np.bool_)
    gives[pace.steps] = True
    takes = np.arange(steps) < pixels
    shown = raster.inside.reshape(len(pace.steps), -1)
    masks = np.zeros((steps, shown.shape[1]), np.int64)
    masks[pace.steps] = shown
    masks[:, shown.all(0)] = 1
    size = "x".join(map(str, raster.kernel))
    note = f"windows of {size}, {_count(pace.pixels, 'pixel')} a step"
    shell = Shell.begin(name, {"x": types}, ["y"], layer, note)
    m = shell.module
    fields = np.concatenate([takes[:, None], gives[:, None], masks], axis=1).astype(np.int64)
    sequence = Sequence.begin(m, _loops(raster, pace, steps), fields)
    taking, giving, *inside = sequence.signals
    fired = shell.fire({"x": taking})
    sequence.close(fired)
    given = []
    others = constants(m, fill, types.size // pace.pixels)
    taps = _taps(shell, pace, fired, style)
    for tap, here in zip(taps, inside, strict=True):
        mask = here if m.is_constant(here) else shell.register(here, fired)
        given += [m.select(mask, s, other) for s, other in zip(tap, others, strict=True)]
    shell.finish({"y": (m.and_(fired, giving), given)}, registered=True)
    return shell.actor(Program(takes[:, None], gives[:, None]), layer, note)


def _count(number: int, what: str) -> str:
    return f"a {what}" if number == 1 else f"{number} {what}s"


def _loops(raster: Raster, pace: Pace, steps: int) -> tuple[int, ...]:
    """Return the loops that steps are counted by: lines, and steps of a line."""
    if len(raster.spatial) == 1:
        return (steps,)
    inner = (*raster.spatial[1:-1], raster.spatial[-1] // pace.pixels)
    return (-(-steps // prod(inner)), *inner)


def _taps(shell: Shell, pace: Pace, fired: int, style: str) -> list[list[int]]:
    """Return the pixel of each element of a beat of windows, out of a chain for each lane.

    A lane holds the pixels that come at one place of the steps' beats.
    """
    channels = len(shell.data["x"]) // pace.pixels
    lines: Lines = {}
    places: dict[int, list[int]] = {}
    for lane in range(pace.pixels):
        pixel = shell.data["x"][lane * channels : (lane + 1) * channels]
        behind = pace.pixels - 1 - lane
        delays = pace.delays[pace.delays % pace.pixels == behind] // pace.pixels
        found = _chain(shell, pixel, delays, fired, lines)
        places |= {steps * pace.pixels + behind: place for steps, place in found.items()}
    for depth, pieces in lines.items():
        _line_memory(shell, depth, pieces, fired, style)
    return [places[int(delay)] for delay in pace.delays]


def _chain(
    shell: Shell, new: list[int], delays: Ints, fired: int, lines: Lines
) -> dict[int, list[int]]:
    """Return the pixel at each number of steps behind the newest, which is in a register, too."""
    m = shell.module
    pixel = [shell.register(s, fired) for s in new]
    at, places = 0, {0: pixel}
    for delay in np.unique(delays).tolist():
        while delay > at:
            step = delay - at if delay - at > FEWEST_PLACES else 1
            following = [s if m.is_constant(s) else m.register(m.range(s)) for s in pixel]
            moving = [(s, r) for s, r in zip(pixel, following, strict=True) if s != r]
            if step == 1:
                for s, r in moving:
                    m.connect(r, s, fired)
            elif moving:
                lines.setdefault(step - 1, []).extend(moving)
            pixel, at = following, at + step
        places[at] = pixel
    return places


def _line_memory(
    shell: Shell, depth: int, pieces: list[tuple[int, int]], fired: int, style: str
) -> None:
    """Let pixels come into registers `depth` + 1 steps after they stood in others.

    Pieces of the chains of one length share a memory, a word for all.
    """
    m = shell.module
    written = [s for s, _ in pieces]
    at, _ = shell.counter(depth, fired, f"line_{depth}_at")
    memory = m.memory(f"line_{depth}", depth, m.intervals(written), style=style)
    m.write(memory, at, written, fired)
    found = m.read_word(memory, at)
    for (_, register), signal in zip(pieces, found, strict=True):
        m.connect(register, signal, fired)
