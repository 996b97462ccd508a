"""Where windows lie along an axis: paddings by name, positions, what of a window is inside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.num import Ints

Pairs = tuple[tuple[int, int], ...]
"""Counts (before, after) for each spatial axis."""


MOST_ELEMENTS = 1 << 24
"""Elements of a tensor, beyond which no circuit is; asked before memory is."""


def check_elements(lengths: Iterable[int]) -> None:
    """Refuse a tensor larger than a circuit can be.

    Raises:
        UnsupportedError: the product of the lengths is above `MOST_ELEMENTS`.
    """
    found = tuple(lengths)
    if prod(found) > MOST_ELEMENTS:
        raise UnsupportedError(
            "a tensor is larger than a circuit can be",
            found=f"shape {found}",
            supported=f"up to {MOST_ELEMENTS} elements",
            remedy="give the model a smaller input, or less padding",
        )


@dataclass(frozen=True)
class Axis:
    """Windows along one axis.

    Attributes:
        length: of the input.
        kernel: elements of a window.
        stride: distance of neighbouring windows.
        dilation: distance of neighbouring elements of a window.
        before, after: elements of padding.
        ceil: also take a last window that begins within the input or its padding before, and
            reaches beyond the padding after (PyTorch's and ONNX's `ceil_mode`).
    """

    length: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    ceil: bool = False

    @property
    def span(self) -> int:
        """Return how far a window reaches."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def count(self) -> int:
        """Return how many windows there are.

        Raises:
            ModelError: the window is larger than the padded input.
        """
        room = self.length + self.before + self.after - self.span
        sound = min(self.kernel, self.stride, self.dilation) >= 1
        count = (-(-room // self.stride) if self.ceil else room // self.stride) + 1 if sound else 0
        if count < 1:
            raise ModelError(
                "a window is larger than its input, padding included",
                found=f"a window of {self.span} in {self.length} elements with padding "
                f"{self.before} and {self.after}, strides {self.stride}",
                supported="lengths, strides and dilations of at least 1, windows that fit",
            )
        begun = (count - 1) * self.stride < self.length + self.before
        return count if begun or not self.ceil else count - 1

    @property
    def taps(self) -> Ints:
        """Return the position of each element of each window (count, kernel); < 0 is padding.

        Raises:
            UnsupportedError: there are more than a circuit can hold.
        """
        check_elements((self.count, self.kernel))
        starts = np.arange(self.count)[:, None] * self.stride - self.before
        return np.asarray(starts + np.arange(self.kernel) * self.dilation, np.int64)

    @property
    def reach(self) -> int:
        """Return how many elements of padding after the input the last window needs."""
        return int(self.taps[-1, -1]) + 1 - self.length

    def counted(self, padding: bool) -> Ints:
        """Return how many elements of each window count: inside, or in the padding asked for."""
        taps, low = self.taps, -self.before if padding else 0
        high = self.length + (self.after if padding else 0)
        return np.asarray(((taps >= low) & (taps < high)).sum(1), np.int64)


def same_padding(
    lengths: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    lower: bool = False,
) -> Pairs:
    """Return the padding that gives ceil(length / stride) windows, as TensorFlow counts it.

    An odd element goes behind (`same` in Keras, SAME_UPPER in ONNX); with `lower` before.
    """
    pairs = []
    for n, k, s, d in zip(lengths, kernel, strides, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        small, large = total // 2, total - total // 2
        pairs.append((large, small) if lower else (small, large))
    return tuple(pairs)


def causal_padding(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> Pairs:
    """Return the padding by which each result sees nothing behind its own position."""
    return tuple(((k - 1) * d, 0) for k, d in zip(kernel, dilation, strict=True))
