"""Apply a function of one number by table: sigmoid, tanh, exp and their like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.blocks.lookup import codes_of, lookup
from gatewright.hw import Module
from gatewright.ir import Op, Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops.elementwise import Unary, pick
from gatewright.ops.quantize import Quantize, quantize_real


def sigmoid(x: Reals) -> Reals:
    """Return 1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def softplus(x: Reals) -> Reals:
    """Return log(1 + exp(x)) without overflow."""
    return np.logaddexp(x, 0)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

FUNCTIONS: dict[str, Callable[[Reals], Reals]] = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "exp": np.exp,
    "sigmoid": sigmoid,
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
    "silu": lambda x: x * sigmoid(x),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh": np.tanh,
}
"""Functions by name, on float64."""

MONOTONE = frozenset(FUNCTIONS) - {"silu"}
"""Functions that never fall."""


@dataclass(frozen=True, eq=False)
class Function(Unary):
    """Apply `FUNCTIONS[name]`, rounded to the format `out`, by a table over every input code.

    While `out` is None the model has not been quantized, and only the real meaning is known.
    """

    name: str
    out: Quantize | None = None
    exact_real = True
    growth = "narrows"
    addresses = True
    rounds = "format"

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls if the function does not, and its quantizer does not wrap."""
        return self.name in MONOTONE and (self.out is None or self.out.is_monotone_unary)

    def real(self, *x: Reals) -> Reals:
        """Apply the function, then the quantizer if there is one."""
        y = FUNCTIONS[self.name](x[0])
        return y if self.out is None else quantize_real(y, self.out)

    def _quantizer(self) -> Quantize:
        if self.out is None:
            raise UnsupportedError(
                f"the result of {self.name!r} has no number format",
                supported="a quantizer behind the function, or quantization by calibration",
                remedy="give calibration data, or put a quantizer behind this layer",
            )
        return self.out

    def infer(self, *x: Intervals) -> Intervals:
        """Return the range of the answers to every possible input."""
        out = self._quantizer()
        kind, low, high, frac = x[0], [], [], []
        memo: dict[tuple[object, ...], tuple[int, int]] = {}
        for index in np.ndindex(kind.shape):
            lo, hi, point = int(kind.lo[index]), int(kind.hi[index]), int(kind.frac[index])
            element = _element(out, index)
            key = (lo, hi, point, bool(element.signed), int(element.width), int(element.frac))
            if key not in memo:
                answers = self._answers(codes_of(lo, hi), point, element)
                memo[key] = int(answers.min()), int(answers.max())
            low.append(memo[key][0])
            high.append(memo[key][1])
            frac.append(int(element.frac))
        return Intervals.of(*(np.reshape(v, kind.shape) for v in (low, high, frac)))

    def _answers(self, q: Ints, point: int, out: Quantize) -> Ints:
        """Return the integers that answer the inputs `q * 2**-point`."""
        x = np.ldexp(q.astype(np.float64), -point)
        y = quantize_real(FUNCTIONS[self.name](x), out)
        return np.rint(np.ldexp(y, int(out.frac))).astype(np.int64)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Look every element up."""
        out = self._quantizer()
        shape = x[0].q.shape[1:]
        frac = np.broadcast_to(x[0].frac, shape)
        result = np.empty(x[0].q.shape, np.int64)
        fracs = np.empty(shape, np.int64)
        for index in np.ndindex(shape):
            element = _element(out, index)
            at = (slice(None), *index)
            result[at] = self._answers(x[0].q[at], int(frac[index]), element)
            fracs[index] = int(element.frac)
        return FixedArray(result, fracs)

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Build the table."""
        out = _element(self._quantizer(), index)
        point = m.frac[a]
        return lookup(m, a, lambda q: self._answers(q, point, out), int(out.frac), self.name)

    @property
    def is_formatted(self) -> bool:
        """Whether its answers have a format."""
        return self.out is not None

    def with_format(self, out: Op) -> Op:
        """Return the function with its answers rounded."""
        assert isinstance(out, Quantize)
        return replace(self, out=out)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count 64 entries of a table for each LUT and bit of the answer."""
        return float((np.ldexp(1.0, np.maximum(x[0].width - 6, 0)) * y.width).sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return how far the function goes within the operand's bound, and the library's error."""
        x, e = xs[0], es[0]
        if self.name in MONOTONE:
            slope = np.maximum(np.abs(self.real(x - e) - y), np.abs(self.real(x + e) - y))
        else:
            slope = 1.1 * e  # silu: its slope is between -0.1 and 1.1
        return np.asarray(slope + (8 * u * np.maximum(1, np.abs(y)) if self.out is None else 0))

    def error_bound(self, x: Intervals) -> float:
        """Return the largest distance of table and function over every possible input."""
        worst = 0.0
        for index in np.ndindex(x.shape):
            out = _element(self._quantizer(), index)
            point = int(x.frac[index])
            q = codes_of(int(x.lo[index]), int(x.hi[index]))
            exact = FUNCTIONS[self.name](np.ldexp(q.astype(np.float64), -point))
            answers = np.ldexp(self._answers(q, point, out).astype(np.float64), -int(out.frac))
            worst = max(worst, float(np.abs(answers - exact).max()))
        return worst


def _element(out: Quantize, index: tuple[int, ...]) -> Quantize:
    """Return the quantizer of one element."""
    return Quantize.to(
        pick(out.signed, index), int(pick(out.width, index)), int(pick(out.frac, index)),
        out.rounding, out.overflow,
    )  # fmt: skip
