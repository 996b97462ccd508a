"""Choose a kernel's weights by how far pixels are apart: the matrix of a sparse convolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.hw import Bus, Module, Table
from gatewright.ir import Plan, Reals
from gatewright.num import Fixed, Intervals, Ints
from gatewright.ops.chosen_weights import ChosenWeights


@dataclass(frozen=True, eq=False)
class OffsetWeights(ChosenWeights):
    """Return for pixels at (row, column) the matrices that convolve them with a kernel.

    From coordinates (pixels, 2) come weights (pixels, pixels * channels, filters): pixel i of the
    result takes channel c of pixel j with `kernel[r, s, c]` for r = row j - row i + centre, and s
    likewise along columns, with 0 outside of the kernel. A row that is no row (`rows` or beyond)
    stands for a pixel that is not there: its weights are 0, whether it takes or gives.

    Attributes:
        kernel: (height, width, channels, filters).
        rows: rows of the image.
        centre: the kernel's own position along both axes; (size - 1) // 2 in Keras.
    """

    rows: int
    centre: tuple[int, int]

    @classmethod
    def same(cls, kernel: Reals, rows: int) -> OffsetWeights:
        """Return what "same" padding of Keras does."""
        height, width = kernel.shape[:2]
        return cls(np.asarray(kernel, np.float64), rows, ((height - 1) // 2, (width - 1) // 2))

    def __post_init__(self) -> None:
        if self.kernel.ndim != 4 or not self.kernel.size or self.rows < 1:
            raise ModelError(
                "a kernel of a sparse convolution is malformed",
                found=f"shape {self.kernel.shape}, {self.rows} rows",
                supported="(height, width, channels, filters), 1 row or more",
            )

    def choose(self, at: Ints, kernel: np.ndarray) -> np.ndarray:
        """Return the weights for integer coordinates (batch, pixels, 2)."""
        pixels = self.pixels(at.shape[1:])
        offset = at[:, None, :, :] - at[:, :, None, :] + np.asarray(self.centre)
        inside = ((offset >= 0) & (offset < self.kernel.shape[:2])).all(axis=-1)
        there = (at[..., 0] >= 0) & (at[..., 0] < self.rows)
        inside &= there[:, :, None] & there[:, None, :]
        r, s = (np.where(inside, offset[..., k], 0) for k in range(2))
        zero = np.zeros((), kernel.dtype)
        chosen = np.where(inside[..., None, None], kernel[r, s], zero)
        return chosen.reshape(len(at), pixels, -1, self.kernel.shape[3])

    def copies(self, pixels: int) -> tuple[int, ...]:
        """Return the axes of the result, as pixels."""
        return pixels, pixels

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build two differences for each pair of pixels, both directions share them, and tables."""
        pixels = self.pixels(x[0].shape)
        at = x[0].signals.tolist()
        q, frac = self.integers()
        there = [self._there(module, row) for row, _ in at]
        channels, filters = q.shape[2:]
        found = np.full((pixels, pixels, channels, filters), module.constant(0), np.int64)
        for i in range(pixels):
            for j in range(i, pixels):
                near = module.and_(there[i], there[j])
                apart = [module.sub(b, a) for a, b in zip(at[i], at[j], strict=True)]
                for to, of, sign in ((i, j, 1), (j, i, -1)) if i != j else ((i, i, 1),):
                    chosen = self._weights(module, apart, sign, near, q, frac)
                    found[to, of] = np.reshape(list(chosen), (channels, filters))
        return x[0].with_signals(found, (pixels, pixels * channels, filters))

    def _there(self, m: Module, row: int) -> int:
        low, high = m.less(row, m.constant(0)), m.less(row, m.constant(self.rows))
        return m.and_(m.not_(low), high)

    def _weights(
        self, m: Module, apart: list[int], sign: int, near: int, q: Ints, frac: Ints
    ) -> Iterator[int]:
        """Return the weights of one direction of a pair, channel by channel."""
        codes = []
        for k, difference in enumerate(apart):
            ends = (-self.centre[k], q.shape[k] - 1 - self.centre[k])
            low, high = ends if sign > 0 else (-ends[1], -ends[0])
            under = m.less(difference, m.constant(low))
            near = m.and_(near, m.not_(under))
            near = m.and_(near, m.less(difference, m.constant(high + 1)))
            # Among differences that are near, the low bits tell them apart.
            bits = (high - low).bit_length()
            codes.append((m.wrap(difference, Fixed(False, bits, 0)), bits))
        index, rows, columns = self._index(m, codes)
        places = []
        for k, code in enumerate((rows, columns)):
            bits = codes[k][1]
            place = (sign * code + self.centre[k]) % (1 << bits)
            places.append(place)
        inside = (places[0] < q.shape[0]) & (places[1] < q.shape[1])
        r, s = (np.where(inside, place, 0) for place in places)
        zero = m.constant(0)
        for c, f in np.ndindex(q.shape[2:]):
            words = np.where(inside, q[r, s, c, f], 0)
            table = Table.of("kernel", words, int(frac[c, f]))
            weight = m.constant(int(words[0]), int(frac[c, f])) if index is None else (
                m.table(index, table)
            )  # fmt: skip
            yield m.select(near, weight, zero)

    @staticmethod
    def _index(m: Module, codes: list[tuple[int, int]]) -> tuple[int | None, Ints, Ints]:
        """Join the low bits of both differences; return what each code stands for as well."""
        (high, _), (low, _) = codes
        known = [m.is_constant(signal) for signal in (high, low)]
        widths = [0 if fixed else m.width(s) for s, fixed in zip((high, low), known, strict=True)]
        code = np.arange(1 << sum(widths), dtype=np.int64)
        rows = np.full_like(code, m.lo[high] << -m.frac[high]) if known[0] else code >> widths[1]
        columns = np.full_like(code, m.lo[low] << -m.frac[low]) if known[1] else (
            code & ((1 << widths[1]) - 1)
        )  # fmt: skip
        live = [s for s, fixed in zip((high, low), known, strict=True) if not fixed]
        if not live:
            return None, rows, columns
        return (m.concat(*live) if len(live) == 2 else live[0]), rows, columns

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count tables of the offsets' bits, and the differences of pairs."""
        pixels = x[0].shape[0]
        bits = sum(max(n - 1, 1).bit_length() for n in self.kernel.shape[:2])
        table = float(y.width.sum()) * 2.0 ** max(bits - 6, 0) * 1.2
        pairs = pixels * (pixels - 1) / 2
        return float(table + pairs * (2 * float(x[0].width.max(initial=0)) + 6))

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the rows, and the one behind them that stands for no pixel."""
        return 0, self.rows
