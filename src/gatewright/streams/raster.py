"""Windows on a raster of pixels: where they lie, and when each is complete."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from gatewright.num import Ints


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

    def pace(self, pixels: int = 1, windows: int = 1) -> Pace | None:
        """Return when beats of windows are complete, some pixels coming in a step.

        None where windows are not complete in their order, or where they do not stand alike in
        the steps' pixels: their elements would not always come from the same places.

        Args:
            pixels: of a beat of the input.
            windows: of a beat of the result.
        """
        ends, lengths = self.ends, (self.spatial[-1], prod(self.spatial))
        if not self.is_in_order or len(ends) % windows or any(n % pixels for n in lengths):
            return None
        ends = ends.reshape(-1, windows)
        steps = ends[:, -1] // pixels
        newest = steps * pixels + pixels - 1
        delays = newest[:, None, None] - (ends[:, :, None] - self.offsets)
        if (delays != delays[:1]).any() or (np.diff(steps) < 1).any():
            return None
        return Pace(pixels, windows, steps, delays[0].ravel())


@dataclass(frozen=True, eq=False)
class Pace:
    """How windows are complete while a raster's pixels come.

    Attributes:
        pixels: that come in a step.
        windows: in a beat of the result.
        steps: (beats,), the step with which each beat is complete.
        delays: (windows * taps,), how many pixels behind a step's last one each element of the
            beat then is.
    """

    pixels: int
    windows: int
    steps: Ints
    delays: Ints
