"""Take elements along an axis at positions that are computed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gatewright.base import ModelError
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.derivative import scattered
from gatewright.ops.truth import require_positions


@dataclass(frozen=True, eq=False)
class Take(Op):
    """Replace an axis of the first operand by those of the second, which holds positions along it.

    Positions must be integers from -n to n - 1 by their type, negative ones counting from the end:
    a position that is not there has no meaning in most frameworks, so none is given.

    Attributes:
        axis: of the sample, counted from 0 without the batch.
        along: the second operand has the shape of the first but along `axis`, and each element
            takes from its own line (`take_along_axis`).
    """

    axis: int = 0
    along: bool = False
    growth = "keeps"
    index_operands = (1,)

    def _check(self, x: tuple[int, ...], positions: tuple[int, ...]) -> None:
        if not 0 <= self.axis < len(x):
            raise ModelError(
                "elements are taken along an axis that is not there",
                found=f"axis {self.axis} of shape {x}",
            )
        others = [tuple(n for a, n in enumerate(s) if a != self.axis) for s in (x, positions)]
        if self.along and (len(x) != len(positions) or others[0] != others[1]):
            raise ModelError(
                "positions do not have the shape of what they point into",
                found=f"{positions} into {x}",
                supported=f"equal lengths but along axis {self.axis}",
            )

    def _take(self, x: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Take from one sample."""
        if self.along:
            return np.take_along_axis(x, positions, self.axis)
        return np.take(x, positions, self.axis)

    def _each(self, x: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Take from each sample of a batch."""
        self._check(x.shape[1:], positions.shape[1:])
        n = x.shape[self.axis + 1]
        place = positions.astype(np.int64)
        if place.size and not -n <= place.min() <= place.max() < n:
            raise ModelError(
                "elements are taken at a position that is not there",
                found=f"{place.min()} to {place.max()} of {n}",
                supported=f"{-n} to {n - 1}",
            )
        return np.stack([self._take(a, b) for a, b in zip(x, place % n, strict=True)])

    def at_slab(self, axes: int) -> Op | None:
        """Return what is taken behind some axes, where each line of a later one has positions."""
        if not self.along or self.axis < axes:
            return None
        return replace(self, axis=self.axis - axes)

    def real(self, *x: Reals) -> Reals:
        """Take real numbers."""
        return self._each(x[0], x[1])

    def infer(self, *x: Intervals) -> Intervals:
        """Return the ranges of all that can be taken, joined."""
        kind, where = x
        self._check(kind.shape, where.shape)
        n = kind.shape[self.axis]
        places = require_positions(where, -n, n - 1, "a position to take from")
        result: Intervals | None = None
        for k in range(-n, n):
            possible = (places.lo <= k) & (k <= places.hi)
            if not possible.any():
                continue
            taken = kind.map(partial(self._take, positions=np.full(where.shape, k % n)))
            mask = possible if self.along else self._spread(possible, kind.shape)
            result = _joined(result, taken, np.broadcast_to(mask, taken.shape))
        assert result is not None, "a type holds at least one number"
        return result

    def _spread(self, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Give a mask of positions the axes of the result."""
        after = len(shape) - self.axis - 1
        return mask.reshape(*mask.shape, *(1,) * after)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Take integers, on one grid."""
        frac = np.max(x[0].frac, initial=-(2**40))
        grid = np.maximum(x[1].frac, 0)
        places = x[1].aligned(grid) >> grid
        return FixedArray(self._each(x[0].aligned(frac), places), np.asarray(frac))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a tree of multiplexers for each element, a level for each bit of the position."""
        signals, places = x[0].signals, x[1].signals
        n = signals.shape[self.axis]
        rows = np.stack([self._take(signals, np.full(places.shape, k)) for k in range(n)], axis=-1)
        mask = places if self.along else self._spread(places, signals.shape)
        position = np.broadcast_to(mask, rows.shape[:-1]).ravel().tolist()
        lines = rows.reshape(-1, n).tolist()
        found = [chosen(module, a, line) for a, line in zip(position, lines, strict=True)]
        return x[0].with_signals(found, rows.shape[:-1])

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a LUT of each bit for three of the numbers to choose from."""
        return float(y.width.sum() * np.ceil((x[0].shape[self.axis] - 1) / 3))

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the places along the axis, from its start."""
        return 0, shapes[0][self.axis] - 1

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give what was taken its gradient, positions the spread of what they choose from."""
        shape = xs[0].shape
        numbers = np.arange(int(np.prod(shape[1:]))).reshape(1, *shape[1:])
        where = self._each(np.broadcast_to(numbers, shape), xs[1])
        spread = float(np.std(xs[0]))
        after = len(shape) - self.axis - 2
        rest = (*range(1, self.axis + 1), *range(y.ndim - after, y.ndim))

        def pull(dy: Reals) -> list[Reals]:
            moved = dy if self.along else dy.sum(axis=rest)
            return [scattered(dy, where, shape), spread * moved.reshape(xs[1].shape)]

        return pull

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the bound of what is taken; the whole spread where a position is in doubt."""
        own = self._each(es[0], xs[1])
        doubt = es[1] > 0
        if not doubt.any():
            return own
        spread = np.ptp(xs[0], axis=self.axis + 1).max() + 2 * es[0].max()
        mask = (
            doubt
            if self.along
            else doubt.reshape(*doubt.shape, *(1,) * (xs[0].ndim - self.axis - 2))
        )
        return np.where(mask, spread, own) if self.along or self.axis == 0 else own + spread


def chosen(m: Module, position: int, line: list[int]) -> int:
    """Return the element of `line` at a position, negative ones counted from the end."""
    lo, hi, frac = m.range(position)
    lo, hi = lo << -frac if frac < 0 else lo, hi << -frac if frac < 0 else hi
    n = len(line)
    if lo == hi:
        return line[lo % n]
    width = m.width(position) - min(frac, 0)
    level = [line[min(max(_signed(code, width, lo < 0), lo), hi) % n] for code in range(1 << width)]
    for bit in range(width):
        if bit < -frac:  # always 0
            level = level[::2]
            continue
        choice = m.slice(position, bit + min(frac, 0), 1)
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [m.select(choice, odd, even) for even, odd in pairs]
    return level[0]


def _signed(code: int, width: int, signed: bool) -> int:
    return code - (1 << width) if signed and code >> (width - 1) else code


def _joined(known: Intervals | None, other: Intervals, where: np.ndarray) -> Intervals:
    """Join a range to one known, where that is possible; an empty one has lo above hi."""
    empty = np.int64(1)
    if known is None:
        return Intervals(np.where(where, other.lo, empty), np.where(where, other.hi, 0), other.frac)
    blank = known.lo > known.hi
    zeros = [(v.lo == 0) & (v.hi == 0) for v in (known, other)]
    a = np.where(blank | zeros[0], other.frac, known.frac)
    b = np.where(zeros[1] & ~blank, a, other.frac)
    left = Intervals(np.where(blank, other.lo, known.lo), np.where(blank, other.hi, known.hi), a)
    joint = left.union(Intervals(other.lo, other.hi, b))
    return Intervals(
        np.where(where, joint.lo, known.lo),
        np.where(where, joint.hi, known.hi),
        np.where(where, joint.frac, known.frac),
    )
