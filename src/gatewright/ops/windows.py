"""Cut a tensor into the windows that a convolution or a pooling looks at."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gatewright.base import ModelError
from gatewright.ir import Plan
from gatewright.ops.movement import Movement
from gatewright.streams import Raster, Stream, Streams, windowed


@dataclass(frozen=True, eq=False)
class Windows(Movement):
    """Turn a sample (*spatial, channels) into (*positions, window elements): an im2col.

    Only windows that lie wholly inside are taken; a `Pad` before widens the sample. The elements
    of a window are ordered by position in the kernel, the last spatial axis fastest, and channels
    within each.

    Attributes:
        kernel: length of the window along each spatial axis.
        strides: distance of neighbouring windows.
        dilation: distance of neighbouring elements within a window.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]

    @classmethod
    def of(
        cls,
        kernel: tuple[int, ...],
        strides: tuple[int, ...] | None = None,
        dilation: tuple[int, ...] | None = None,
    ) -> Windows:
        """Build with strides and dilation of 1 unless given."""
        ones = (1,) * len(kernel)
        return cls(tuple(kernel), tuple(strides or ones), tuple(dilation or ones))

    @property
    def spans(self) -> tuple[int, ...]:
        """Return how far a window reaches along each spatial axis, its dilation included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def shape(self, sample: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the result for a sample that the windows fit, without moving it."""
        *spatial, channels = sample
        counts = (
            (n - span) // s + 1
            for n, span, s in zip(spatial, self.spans, self.strides, strict=False)
        )
        return (*counts, prod(self.kernel) * channels)

    def move(self, sample: np.ndarray) -> np.ndarray:
        """Cut one sample."""
        rank = len(self.kernel)
        if len(self.strides) != rank or len(self.dilation) != rank or sample.ndim != rank + 1:
            raise ModelError(
                "a window does not fit the rank of its input",
                found=f"{rank}-dimensional kernel {self.kernel}, strides {self.strides}, dilation "
                f"{self.dilation}, for an input of shape {sample.shape}",
                supported="spatial axes, as many as the kernel has, and channels last",
            )
        if min(*self.kernel, *self.strides, *self.dilation) < 1 or any(
            span > n for span, n in zip(self.spans, sample.shape, strict=False)
        ):
            raise ModelError(
                "a window is larger than its input, padding included",
                found=f"a window of {self.spans} in an input of shape {sample.shape}",
                supported="lengths, strides and dilations of at least 1, windows that fit",
            )
        spatial = tuple(range(rank))
        cut = sliding_window_view(sample, self.spans, axis=spatial)  # (*starts, channels, *span)
        starts = tuple(slice(None, None, s) for s in self.strides)
        taps = tuple(slice(None, None, d) for d in self.dilation)
        cut = np.moveaxis(cut[(*starts, slice(None), *taps)], rank, -1)
        return cut.reshape(*cut.shape[:rank], -1)

    def raster(
        self,
        shape: tuple[int, ...],
        before: tuple[int, ...] | None = None,
        after: tuple[int, ...] | None = None,
    ) -> Raster:
        """Describe the windows of an image (*spatial, channels) with padding around its axes."""
        none = (0,) * len(self.kernel)
        return Raster(
            shape[:-1], self.kernel, self.strides, self.dilation, before or none, after or none
        )

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Cut windows out of an image that comes pixel by pixel, or in parts of pixels."""
        raster = self.raster(x[0].shape)
        beat = plan.beat or prod(self.kernel) * x[0].shape[-1]
        return windowed(to, x[0], raster, beat, plan.memory)
