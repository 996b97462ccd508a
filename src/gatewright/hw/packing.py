"""How a port is packed into bits: element 0 lowest, each at its own width, no gaps.

An element of width 0 (the constant zero) takes no bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatewright.num import Intervals, Ints


@dataclass(frozen=True, eq=False)
class Packing:
    """Place of each element of a port in its packed vector.

    Attributes:
        types: range of each element, one dimension.
        offset: lowest bit of each element.
        width: bits of each element.
    """

    types: Intervals
    offset: Ints
    width: Ints

    @classmethod
    def of(cls, types: Intervals) -> Packing:
        """Lay out the elements of a port in C order."""
        flat = types.map(np.ravel)
        width = flat.width
        return cls(flat, (np.cumsum(width) - width).astype(np.int64), width)

    @property
    def bits(self) -> int:
        """Width of the packed vector."""
        return int(self.width.sum())

    @property
    def words(self) -> int:
        """64-bit words that hold it."""
        return -(-self.bits // 64)

    def pack(self, q: Ints) -> NDArray[np.uint64]:
        """Pack integers of shape (samples, elements) into words of shape (samples, words)."""
        q = np.asarray(q, np.int64).reshape(len(q), len(self.width))
        packed = np.zeros((len(q), self.words), np.uint64)
        for i, (offset, width) in enumerate(
            zip(self.offset.tolist(), self.width.tolist(), strict=True)
        ):
            if width == 0:
                continue
            code = q[:, i].astype(np.uint64) & np.uint64((1 << width) - 1)
            word, bit = divmod(offset, 64)
            packed[:, word] |= code << np.uint64(bit)
            if bit + width > 64:
                packed[:, word + 1] |= code >> np.uint64(64 - bit)
        return packed

    def unpack(self, packed: NDArray[np.uint64]) -> Ints:
        """Undo `pack`: words of shape (samples, words) into integers (samples, elements)."""
        q = np.zeros((len(packed), len(self.width)), np.int64)
        signed = self.types.signed
        for i, (offset, width) in enumerate(
            zip(self.offset.tolist(), self.width.tolist(), strict=True)
        ):
            if width == 0:
                continue
            word, bit = divmod(offset, 64)
            code = packed[:, word] >> np.uint64(bit)
            if bit + width > 64:
                code = code | (packed[:, word + 1] << np.uint64(64 - bit))
            value = (code & np.uint64((1 << width) - 1)).astype(np.int64)
            q[:, i] = (
                np.where((value >> (width - 1)) & 1, value - (1 << width), value)
                if signed[i]
                else value
            )
        return q
