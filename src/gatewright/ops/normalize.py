"""Divide each row by its standard deviation, root mean square or length: layer norm's heart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.blocks.arith import clip, maximum, multiply_constant, signed_sum
from gatewright.blocks.lookup import lookup
from gatewright.blocks.mantissa import normalise, shift_left
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Reals
from gatewright.num import (
    FixedArray,
    Intervals,
    Ints,
    Rounding,
    bit_length,
    require_exact,
    round_shift,
)

SPREADS = ("variance", "mean square", "square sum")
PLACEMENTS = ("inside", "limit", "outside")
MOST_ADDRESS, LEAST_ADDRESS = 13, 5


@dataclass(frozen=True)
class NormalizeFormats:
    """Bits inside a normalisation.

    Attributes:
        address: bits of the mantissa that address the table of inverse roots, at least 3.
        inverse: binary point of the table's answers.
        grid: binary point that epsilon (scaled as the sum of squares is) is rounded to; even.
        out: binary point of the result.
    """

    address: int
    inverse: int
    grid: int
    out: int


@dataclass(frozen=True, eq=False)
class Normalize(Op):
    """Return `(x - mean) / sqrt(spread + epsilon)` along the last axis, or without the mean.

    All sums are exact: with n elements, `n * x - sum(x)` stands for `x - mean` and
    `n * sum(x**2) - sum(x)**2` for the variance, so that n cancels and nothing is divided. One
    inverse root is taken of the sum's leading bits (a table behind a search for the leading one),
    and each element has one product and one shift.

    Attributes:
        centred: subtract the mean (only with the variance).
        spread: "variance" (biased: divided by n), "mean square", or "square sum".
        epsilon: kept away from zero with, not negative.
        placement: "inside": `sqrt(spread + epsilon)`; "limit": `sqrt(max(spread, epsilon))`;
            "outside": `sqrt(spread) + epsilon`, whose epsilon the integers leave out and
            `error_bound` counts. A row of spread 0 without epsilon gives 0.
        formats: None while the model has not been quantized.
    """

    centred: bool = True
    spread: str = "variance"
    epsilon: float = 0.0
    placement: str = "inside"
    formats: NormalizeFormats | None = None
    exact_real = False
    growth = "narrows"
    rounds = "bits"

    def __post_init__(self) -> None:
        known = self.spread in SPREADS and self.placement in PLACEMENTS
        if not known or self.epsilon < 0 or (self.centred and self.spread != "variance"):
            raise ModelError(
                "a normalisation is malformed",
                found=f"{self.spread}, epsilon {self.epsilon} {self.placement}",
                supported="an epsilon that is not negative; a mean only with the variance",
            )

    # ---- meaning

    def _root(self, x: Reals) -> Reals:
        """Return what each row is divided by."""
        if self.spread == "variance":
            spread = x.var(axis=-1, keepdims=True)
        else:
            squares = (x * x).sum(axis=-1, keepdims=True)
            spread = squares if self.spread == "square sum" else squares / x.shape[-1]
        if self.placement == "inside":
            return np.asarray(np.sqrt(spread + self.epsilon))
        if self.placement == "limit":
            return np.asarray(np.sqrt(np.maximum(spread, self.epsilon)))
        return np.asarray(np.sqrt(spread) + self.epsilon)

    def real(self, *x: Reals) -> Reals:
        """Compute on real numbers."""
        above = x[0] - x[0].mean(axis=-1, keepdims=True) if self.centred else x[0]
        root = self._root(x[0])
        return np.asarray(np.where(root > 0, above / np.where(root > 0, root, 1.0), 0.0))

    @property
    def is_formatted(self) -> bool:
        """Whether it has formats."""
        return self.formats is not None

    def with_bits(self, bits: int, *x: Intervals) -> Op:
        """Return the operation with formats that keep the result within about `2**-bits`."""
        n, frac = x[0].shape[-1], int(x[0].frac.max())
        reach = self._reach(n) or 2.0**4
        address = bits + math.ceil(math.log2(max(reach, 1.0))) + 2
        address = min(max(address, LEAST_ADDRESS), MOST_ADDRESS)
        epsilon = self._scaled_epsilon(n)
        grid = 0
        if epsilon > 4.0**-frac or (epsilon > 0 and self.placement == "inside"):
            wanted = address + 2 - math.floor(math.log2(epsilon))
            ample = 2 * frac + address + 2 if self._vanishes() else wanted
            grid = min(wanted, ample)
            grid += grid % 2
        formats = NormalizeFormats(address, address + 1, grid, bits)
        return replace(self, formats=formats)

    def _formats(self) -> NormalizeFormats:
        if self.formats is None:
            raise UnsupportedError(
                "a normalisation has no number formats",
                supported="a normalisation that was quantized with the model",
                remedy="give calibration data, so that formats can be chosen",
            )
        return self.formats

    # ---- constants

    def _scaled_epsilon(self, n: int) -> float:
        """Return epsilon in the units of the exact sums."""
        if self.placement == "outside":
            return 0.0
        return self.epsilon * {"variance": n * n, "mean square": n, "square sum": 1}[self.spread]

    def _vanishes(self) -> bool:
        """Whether a spread of zero means that every numerator is zero."""
        return self.centred or self.spread != "variance"

    def _epsilon(self, n: int) -> int:
        """Return the scaled epsilon on its grid."""
        return round(math.ldexp(self._scaled_epsilon(n), self._formats().grid))

    def _factor(self, n: int) -> tuple[float, int]:
        """Return what numerators are scaled by, as a number in [1, 2) and an exponent of two."""
        if self.spread != "mean square":
            return 1.0, 0
        fraction, exponent = math.frexp(math.sqrt(n))
        return 2 * fraction, exponent - 1

    def _table(self, n: int) -> Ints:
        """Return the inverse roots of mantissas in [1, 4), by their `address` bits."""
        f = self._formats()
        code = np.arange(1 << f.address, dtype=np.float64)
        code = np.maximum(code, 1 << (f.address - 2))
        middle = np.ldexp(code + 0.5, 2 - f.address)
        scaled = np.ldexp(self._factor(n)[0] / np.sqrt(middle), f.inverse)
        return np.floor(scaled + 0.5).astype(np.int64)

    def _deviation(self, n: int) -> tuple[float, float]:
        """Return how far the table's answers are below and above the truth, relative to it."""
        f = self._formats()
        code = np.arange(1 << (f.address - 2), 1 << f.address, dtype=np.float64)
        answers = np.ldexp(self._table(n)[1 << (f.address - 2) :].astype(np.float64), -f.inverse)
        low, high = (np.sqrt(np.ldexp(code + k, 2 - f.address)) for k in (0, 1))
        factor = self._factor(n)[0]
        return float(1 - (answers * low / factor).min()), float((answers * high / factor).max() - 1)

    def _reach(self, n: int) -> float:
        """Return the largest size of any result, 0 where the spread does not bound it.

        Of n numbers with mean 0 the square of one is at most (n - 1) / n of the sum of squares.
        """
        if self.centred:
            return math.sqrt(max(n - 1, 0))
        return {"variance": 0.0, "mean square": math.sqrt(n), "square sum": 1.0}[self.spread]

    def _bound(self, x: Intervals) -> float:
        """Return the largest size of the quotient that the integers stand for, before rounding."""
        n = x.shape[-1]
        size = float(np.maximum(np.abs(x.low_value), np.abs(x.high_value)).max(initial=0.0))
        if self.spread == "variance":
            size *= n * (2 if self.centred else 1)
        epsilon = math.ldexp(self._epsilon(n), -self._formats().grid)
        bounds = [self._reach(n)] if self._vanishes() else []
        if epsilon > 0:
            factor, exponent = self._factor(n)
            bounds.append(size * math.ldexp(factor, exponent) / math.sqrt(epsilon))
        if not bounds:
            raise UnsupportedError(
                "a normalisation divides by a spread that may be zero",
                found=f"{self.spread} without epsilon, of numbers that are not centred",
                supported="an epsilon above 0",
                remedy="give the layer an epsilon",
            )
        return min(bounds) * (1 + self._deviation(n)[1]) * (1 + 1e-9)

    # ---- types and integers

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation itself: each row is normalised on its own."""
        return self

    def infer(self, *x: Intervals) -> Intervals:
        """Return the range that the spread allows."""
        kind, out = x[0], self._formats().out
        high = math.floor(math.ldexp(self._bound(kind), out) + 0.5)
        low = 0 if not self.centred and bool((kind.lo >= 0).all()) else -high
        return Intervals.of(np.full(kind.shape, low), np.full(kind.shape, high), out)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute with exact sums and the table's integers."""
        f = self._formats()
        n, point = x[0].q.shape[-1], int(np.max(x[0].frac))
        q = x[0].aligned(point)
        require_exact(n * n * np.abs(q.astype(np.float64)) ** 2)
        total = q.sum(axis=-1, keepdims=True)
        squares = (q * q).sum(axis=-1, keepdims=True)
        above = q
        if self.spread == "variance":
            squares = n * squares - total * total
            above = n * q - total if self.centred else n * q
        epsilon = FixedArray(np.asarray(self._epsilon(n)), np.asarray(f.grid))
        spread = FixedArray(squares, np.asarray(2 * point))
        grid = max(2 * point, f.grid)
        joined = spread.aligned(grid), epsilon.aligned(grid)
        energy = np.maximum(*joined) if self.placement == "limit" else sum(joined)
        exponent = (bit_length(np.asarray(energy)) - 1 - grid) // 2
        code = round_shift(np.asarray(energy), grid + 2 * exponent - (f.address - 2), Rounding.TRN)
        product = above * self._table(n)[code]
        drop = point + f.inverse - self._factor(n)[1] + exponent - f.out
        return FixedArray(round_shift(product, drop, Rounding.RND), np.asarray(f.out))

    # ---- circuit

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build sums, one inverse root and an element's product and shift, for each row."""
        signals: list[int] = []
        for row in x[0].signals.reshape(-1, x[0].shape[-1]).tolist():
            signals += self._lower_row(module, row)
        return x[0].with_signals(signals, x[0].shape)

    def _lower_row(self, m: Module, row: list[int]) -> list[int]:
        f, n = self._formats(), len(row)
        bound = self._bound(m.intervals(row))
        above, energy = self._sums(m, row)
        if m.hi[energy] == 0 or bound == 0:
            return [m.constant(0, f.out) for _ in row]
        normal = normalise(m, energy, f.address)
        mantissa = m.shift(normal.signal, 2 - 2 * normal.top)
        own, answers = m.frac[mantissa], self._table(n)
        up = f.address - 2 - own
        inverse = lookup(m, mantissa, lambda q: answers[q << up], f.inverse, "inverse_root")
        exponent = self._factor(n)[1] - (normal.top - 1)
        high = math.floor(math.ldexp(bound, f.out) + 0.5)
        results = []
        for a in above:
            scaled = m.shift(m.mul(a, inverse), exponent)
            moved = shift_left(m, scaled, normal.bits, f.out + 1, bound)
            results.append(self._rounded(m, moved, high))
        return results

    def _rounded(self, m: Module, a: int, high: int) -> int:
        """Round half up; the sum's interval forgets that no result is larger than `high`."""
        out = self._formats().out
        if m.frac[a] <= out:
            return clip(m, a, (-high, out), (high, out))
        up = m.frac[a] - out
        within = (-high << up, (high << up) + (1 << up) - 1)
        return m.floor(m.add(a, m.constant(1, out + 1), within=within), out)

    def _sums(self, m: Module, row: list[int]) -> tuple[list[int], int]:
        """Return the numerators, and the sum that they are divided by the root of."""
        n, above = len(row), row
        energy = signed_sum(m, [m.mul(s, s) for s in row])
        if self.spread == "variance":
            total = signed_sum(m, row)
            times = [multiply_constant(m, s, n) for s in row]
            above = [m.sub(s, total) for s in times] if self.centred else times
            energy = self._variance(m, row, multiply_constant(m, energy, n), total)
        epsilon = self._epsilon(n)
        if not epsilon:
            return above, energy
        constant = m.constant(epsilon, self._formats().grid)
        join = maximum if self.placement == "limit" else Module.add
        return above, join(m, energy, constant)

    @staticmethod
    def _variance(m: Module, row: list[int], squares: int, total: int) -> int:
        """Return n * sum(x**2) - sum(x)**2, at most n**2 / 4 times the square of the range."""
        n, point = len(row), max(m.frac[s] for s in row)
        low = min(m.lo[s] << (point - m.frac[s]) for s in row)
        high = max(m.hi[s] << (point - m.frac[s]) for s in row)
        square = m.mul(total, total)
        grid = max(m.frac[squares], m.frac[square])
        most = (n * n * (high - low) ** 2 // 4) >> max(2 * point - grid, 0)
        most <<= max(grid - 2 * point, 0)
        return m.sub(squares, square, within=(0, most))

    # ---- bounds and costs

    def error_bound(self, x: Intervals) -> float:
        """Return a bound on the distance from the real normalisation of the same integers.

        The table is off by a part t of the truth, as found by going through it. Epsilon moved by d
        moves the root by the part d / (2 E), E the smallest sum that occurs with a numerator that
        is not zero. Both are parts of a result whose size has a bound; the result is rounded to
        half a unit.
        """
        f, n = self._formats(), x.shape[-1]
        unit = 4.0 ** -float(x.frac.max())
        rounded = math.ldexp(self._epsilon(n), -f.grid)
        wanted = self._scaled_epsilon(n)
        least = min(rounded, wanted) + (unit if self._vanishes() else 0.0)
        if self.placement == "limit":
            least = max(min(rounded, wanted), unit)
        part = abs(rounded - wanted) / (2 * least) if rounded != wanted else 0.0
        if self.placement == "outside":
            part += self.epsilon * n / math.sqrt(unit)
        bound = self._bound(x)
        return bound * ((1 + max(self._deviation(n))) * (1 + part) ** 2 - 1) + 2.0 ** -(f.out + 1)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count squares (half a product each), products, shifts and a table a row."""
        f, n = self._formats(), x[0].shape[-1]
        width = x[0].width.astype(np.float64) + (math.log2(n) if self.centred else 0)
        element = 0.5 * x[0].width ** 2 + width * f.inverse + 4 * y.width + 2 * width
        row = 2.0 ** max(f.address - 6, 0) * f.inverse + 8 * float(width.max(initial=0))
        return float(element.sum() + row * x[0].size / max(n, 1))

    def pullback(self, xs: list[Reals], y: Reals) -> Callable[[Reals], list[Reals]]:
        """Return g / r less the mean where it was subtracted, less what the root takes back."""
        x, root = xs[0], self._root(xs[0])
        root = np.where(root > 0, root, 1.0)
        centre = x - x.mean(axis=-1, keepdims=True) if self.spread == "variance" else x
        share = centre / root / (1 if self.spread == "square sum" else x.shape[-1])

        def pull(g: Reals) -> list[Reals]:
            direct = g - g.mean(axis=-1, keepdims=True) if self.centred else g
            return [direct / root - (g * y).sum(axis=-1, keepdims=True) / root * share]

        return pull

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Bound the float's mean, spread and quotient, each operation good to u.

        The mean is off by the inputs' errors and n u of their size (m), each numerator by that and
        its own. With numerators off by at most d, the root of their mean square is off by at most
        d (the triangle inequality), and by (n + 8) u of itself. A spread got as mean square less
        squared mean (some frameworks) loses n u of the mean square besides.
        """
        x, e = xs[0], es[0]
        n = x.shape[-1]
        size = np.abs(x).max(axis=-1, keepdims=True) + e.max(axis=-1, keepdims=True)
        off = e + e.max(axis=-1, keepdims=True) + (n + 4) * u * size
        root = self._root(x)
        far = off.max(axis=-1, keepdims=True)
        if self.spread == "square sum":
            far = far * math.sqrt(n)
            size = size * math.sqrt(n)
        lost = (n + 8) * u * size * size / np.maximum(root, 1e-300)
        moved = np.minimum(far + lost + (n + 8) * u * root, 0.5 * np.maximum(root, far))
        floor = np.maximum(root - moved, 1e-300)
        bound = (off + np.abs(y) * moved) / floor + 8 * u * np.abs(y)
        return np.asarray(np.where(root > 0, bound, np.inf))
