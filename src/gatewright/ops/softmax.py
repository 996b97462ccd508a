"""Normalise exponentials along the last axis: stable softmax by two tables and one product."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.blocks.arith import maximum, minimum, reduce_tree, signed_sum
from gatewright.blocks.lookup import lookup
from gatewright.blocks.rounding import quantize, round_to
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import Fixed, FixedArray, Intervals, Ints, Overflow, Rounding, round_shift
from gatewright.ops.elementwise import broadcast_shape, pad_batch, pad_reals
from gatewright.ops.truth import require_truth


@dataclass(frozen=True)
class SoftmaxFormats:
    """Binary points inside a softmax.

    Attributes:
        exp: of exp(x - max), rounded to nearest.
        total: of the sum that the reciprocal's table is addressed with.
        inverse: of the reciprocal.
        out: of the result.
    """

    exp: int
    total: int
    inverse: int
    out: int

    @classmethod
    def for_output(cls, out: int, n: int) -> SoftmaxFormats:
        """Return points that keep the result within about one unit of `2**-out`."""
        return cls(exp=out + 2, total=min(out + 2, 14 - n.bit_length()), inverse=out + 2, out=out)


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """Return `exp(x) / sum(exp(x))` along the last axis.

    A second operand, of truth values that broadcast against the first, is a mask: where it is 0
    the result is exactly 0 and the element counts for nothing; a row that is masked whole gives 0.

    The largest element is subtracted first. The exponential's table never rises with the distance
    from the maximum, and all elements are multiplied by one reciprocal, so the order of the inputs
    is never reversed; see `tie_bound` for when two become equal.
    """

    formats: SoftmaxFormats | None = None
    exact_real = False
    growth = "narrows"
    addresses = True
    rounds = "bits"

    def real(self, *x: Reals) -> Reals:
        """Compute on real numbers."""
        if len(x) == 1:
            e = np.exp(x[0] - x[0].max(axis=-1, keepdims=True))
            return np.asarray(e / e.sum(axis=-1, keepdims=True), np.float64)
        keep = np.broadcast_to(pad_reals(x[1], x[0].ndim - 1) != 0, x[0].shape)
        top = x[0].max(axis=-1, keepdims=True, where=keep, initial=-np.inf)
        e = np.where(keep, np.exp(np.where(keep, x[0] - top, 0.0)), 0.0)
        total = e.sum(axis=-1, keepdims=True)
        return np.asarray(e / np.where(total == 0, 1.0, total), np.float64)

    def _formats(self) -> SoftmaxFormats:
        if self.formats is None:
            raise UnsupportedError(
                "a softmax has no number formats",
                supported="a softmax that was quantized with the model",
                remedy="give calibration data, or drop the softmax and take the largest logit",
            )
        return self.formats

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation itself: each row is normalised on its own."""
        return self

    def infer(self, *x: Intervals) -> Intervals:
        """Return 0..1 in the output's format; 0 where the mask is always 0."""
        out = self._formats().out
        high = np.full(x[0].shape, 1 << out)
        for mask in x[1:]:
            require_truth(mask, "the mask of a softmax")
            if broadcast_shape(x[0].shape, mask.shape) != x[0].shape:
                raise ModelError(
                    "the mask of a softmax does not fit",
                    found=f"mask of shape {mask.shape} for {x[0].shape}",
                    supported="a mask that broadcasts against what is normalised",
                )
            high = np.where(np.broadcast_to(mask.hi, high.shape) == 0, 0, high)
        return Intervals.of(np.zeros(x[0].shape), high, out)

    def _exp(self, q: Ints, point: int) -> Ints:
        """Return exp(-q * 2**-point) as integers."""
        f = self._formats()
        return np.floor(
            np.ldexp(np.exp(-np.ldexp(q.astype(np.float64), -point)), f.exp) + 0.5
        ).astype(np.int64)

    def _inverse(self, q: Ints) -> Ints:
        """Return the reciprocal of `q * 2**-total` (at least 1) as integers."""
        f = self._formats()
        total = np.maximum(np.ldexp(q.astype(np.float64), -f.total), 1.0)
        return np.floor(np.ldexp(1.0 / total, f.inverse) + 0.5).astype(np.int64)

    def far(self, point: int) -> int:
        """Return a distance, in units of `2**-point`, from which the exponential rounds to 0."""
        return math.ceil(math.ldexp((self._formats().exp + 1.01) * math.log(2.0), point)) + 1

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute with the tables' integers."""
        f = self._formats()
        point = int(np.max(x[0].frac))
        q = x[0].aligned(point)
        keep = np.asarray(True)
        if len(x) > 1:
            keep = pad_batch(x[1], x[0].q.ndim - 1).q != 0
        keep = np.broadcast_to(keep, q.shape)
        top = q.max(axis=-1, keepdims=True, where=keep, initial=np.iinfo(np.int64).min // 2)
        distance = np.where(keep, np.minimum(top - q, self.far(point)), 0)
        e = np.where(keep, self._exp(distance, point), 0)
        total = round_shift(e.sum(axis=-1, keepdims=True), f.exp - f.total, Rounding.RND)
        product = FixedArray(e * self._inverse(total), np.asarray(f.exp + f.inverse))
        fmt = Fixed.holding(0, 1 << f.out, f.out)
        one = np.asarray(False), np.asarray(fmt.width), np.asarray(f.out)
        y = product.quantize(*one, Rounding.RND, Overflow.SAT)
        return FixedArray(np.minimum(y.q, 1 << f.out), y.frac)

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a tree of maxima, tables, a sum, a table and products for each row."""
        shape = x[0].shape
        rows = x[0].signals.reshape(-1, shape[-1]).tolist()
        if len(x) == 1:
            signals = [s for row in rows for s in self._lower_row(module, row)]
            return x[0].with_signals(signals, shape)
        masks = np.broadcast_to(x[1].signals, shape).reshape(-1, shape[-1]).tolist()
        pairs = zip(rows, masks, strict=True)
        signals = [s for row, mask in pairs for s in self._lower_masked(module, row, mask)]
        return x[0].with_signals(signals, shape)

    def _lower_masked(self, m: Module, row: list[int], mask: list[int]) -> list[int]:
        """Build a row of which only some elements count; those never counted are left out."""
        zero = m.constant(0, self._formats().out)
        live = [i for i, s in enumerate(mask) if m.hi[s] != 0]
        found = [zero] * len(row)
        if live:
            always = all(m.lo[mask[i]] == 1 for i in live)
            choice = None if always else [mask[i] for i in live]
            parts = self._lower_row(m, [row[i] for i in live], choice)
            for i, s in zip(live, parts, strict=True):
                found[i] = s
        return found

    def _lower_row(self, m: Module, row: list[int], mask: list[int] | None = None) -> list[int]:
        f = self._formats()
        point = max(m.frac[s] for s in row)
        grid = m.constant(0)
        if mask is not None:  # what is masked takes the place of the smallest, and gives 0 below
            low = min((m.lo[s] << (point - m.frac[s])) for s in row)
            row = [m.select(k, s, m.constant(low, point)) for k, s in zip(mask, row, strict=True)]
        top = reduce_tree(m, row, maximum)
        far = m.constant(self.far(point), point)
        exps = []
        for s in row:
            hi = max(m.hi[top] << (point - m.frac[top]), 0) - (m.lo[s] << (point - m.frac[s]))
            distance = m.sub(top, s, within=(0, hi)) if top != s else grid
            distance = minimum(m, distance, far)
            own = m.frac[distance]
            exps.append(lookup(m, distance, lambda q, p=own: self._exp(q, p), f.exp, "exp"))  # type: ignore[misc]
        if mask is not None:
            zero = m.constant(0, f.exp)
            exps = [m.select(k, e, zero) for k, e in zip(mask, exps, strict=True)]
        total = round_to(m, signed_sum(m, exps), f.total, Rounding.RND)
        own = m.frac[total]
        inverse = lookup(
            m, total, lambda q: self._inverse(q << (f.total - own)), f.inverse, "reciprocal"
        )
        fmt = Fixed.holding(0, (1 << f.out), f.out)
        return [
            self._bounded(m, quantize(m, m.mul(e, inverse), fmt, Rounding.RND, Overflow.SAT))
            for e in exps
        ]

    def _bounded(self, m: Module, s: int) -> int:
        """Limit a result to 1, where rounding could pass it."""
        return minimum(m, s, m.constant(1 << self._formats().out, self._formats().out))

    def error_bound(self, x: Intervals, *mask: Intervals) -> float:
        """Return a bound on the distance from the real softmax of the same integers.

        With e the rounded exponentials, s >= 1 their rounded sum and r its rounded reciprocal:
        |e - e*| <= 2**-(exp+1); the sum of n of them is off by n times that, and by 2**-(total+1)
        more where it is rounded; a reciprocal of numbers not below 1 is off by no more than they
        are, and by 2**-(inverse+1); e <= 1 and 1/s* <= 1 carry both to the product.
        """
        f, n = self._formats(), x.shape[-1]
        exp = 2.0 ** -(f.exp + 1)
        total = n * exp + (2.0 ** -(f.total + 1) if f.total < f.exp else 0.0)
        return exp + total + 2.0 ** -(f.inverse + 1) + 2.0 ** -(f.out + 1)

    def tie_bound(self, x: Intervals, *mask: Intervals) -> float:
        """Return a distance of inputs from which the larger one's result is strictly larger.

        The result of the largest is r, that of one at distance d is e(d) * r; with r at least its
        smallest answer, both round apart where (1 - e(d)) * r >= 2**-out.
        """
        f, n = self._formats(), x.shape[-1]
        least = int(self._inverse(np.asarray([n << f.total]))[0]) / 2.0**f.inverse
        gap = 2.0**-f.out / least if least else math.inf
        point = int(np.max(x.frac))
        distances = np.arange(self.far(point) + 1)
        apart = 1 - self._exp(distances, point) / 2.0**f.exp >= gap
        return float(distances[apart][0] * 2.0**-point) if apart.any() else math.inf

    @property
    def is_formatted(self) -> bool:
        """Whether its tables have formats."""
        return self.formats is not None

    def with_bits(self, bits: int, *x: Intervals) -> Op:
        """Return the softmax with formats for its output's bits and its row's length."""
        return replace(self, formats=SoftmaxFormats.for_output(bits, x[0].shape[-1]))

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count two tables and a multiplier, roughly."""
        tables = np.ldexp(1.0, np.maximum(x[0].width - 6, 0))
        return float((tables + 3 * y.width).sum() * 10)

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Add the relative errors of the exponentials, of their sum, of the quotient."""
        x, e = xs[0], es[0]
        spread = np.ptp(x, axis=-1)[..., None]
        worst = 2 * e.max(axis=-1, keepdims=True) + 16 * u * (1 + spread) + x.shape[-1] * u
        bound = 2 * y * worst + u
        if len(xs) > 1:  # where a mask is in doubt, so is the row; 1 within rounding is no doubt
            doubt = np.broadcast_to(pad_reals(es[1], y.ndim - 1) >= 0.5, y.shape)
            bound = np.where(doubt.any(axis=-1, keepdims=True), 1.0, bound)
        return np.asarray(bound)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Multiply by the Jacobian diag(y) - y y'."""
        return lambda dy: [y * (dy - (dy * y).sum(-1, keepdims=True))]
