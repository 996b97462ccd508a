"""What operations on single elements share: broadcasting, and a circuit per element."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import Field, dataclass, fields, replace
from math import prod
from typing import Any, ClassVar

import numpy as np

from gatewright.base import ModelError
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops.derivative import elementwise


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the common shape of samples.

    Raises:
        ModelError: there is none.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ModelError(
            "the shapes of two operands do not fit together",
            found=" and ".join(map(str, shapes)),
            supported="shapes that broadcast as in NumPy",
        ) from None


def spread(shape: tuple[int, ...]) -> Callable[[Ints], Ints]:
    """Return a function that broadcasts an array of one sample to a shape."""
    return lambda array: np.broadcast_to(array, shape).copy()


def pad_batch(x: FixedArray, rank: int) -> FixedArray:
    """Insert axes after the batch so that samples of lower rank broadcast as in NumPy."""
    missing = rank - (x.q.ndim - 1)
    if missing <= 0:
        return x
    return FixedArray(x.q.reshape(x.q.shape[0], *(1,) * missing, *x.q.shape[1:]), x.frac)


def pad_reals(x: Reals, rank: int) -> Reals:
    """Do the same for real numbers."""
    missing = rank - (x.ndim - 1)
    return x.reshape(x.shape[0], *(1,) * missing, *x.shape[1:]) if missing > 0 else x


def pick(constant: np.ndarray, index: tuple[int, ...]) -> float:
    """Return the element of a broadcast constant that meets the sample's element at `index`."""
    shape = np.shape(constant)
    tail = index[len(index) - len(shape) :]
    return float(
        np.asarray(constant)[tuple(0 if n == 1 else i for n, i in zip(shape, tail, strict=True))]
    )


def constant_row(constant: Any, index: tuple[int, ...]) -> Any:
    """Return what of a constant that broadcasts against the sample meets the row at `index`."""
    if not isinstance(constant, np.ndarray) or constant.ndim < 2 or constant.size == 0:
        return constant
    lengths = constant.shape[:-1]
    tail = index[len(index) - len(lengths) :]
    return constant[tuple(0 if n == 1 else i for n, i in zip(lengths, tail, strict=True))]


@dataclass(frozen=True, eq=False)
class Unary(Op):
    """A function of each element on its own.

    Attributes:
        tables: names of fields whose arrays belong to all elements; others hold a number for each.
    """

    tables: ClassVar[tuple[str, ...]] = ()

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build one circuit per element."""
        (bus,) = x
        signals = [
            self.lower_element(module, int(s), index) for index, s in np.ndenumerate(bus.signals)
        ]
        return bus.with_signals(signals, bus.shape)

    @property
    def _own_fields(self) -> list[Field[Any]]:
        """Fields that may hold a number for each element."""
        return [f for f in fields(self) if f.name not in self.tables]

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation with the constants of one row; see `Op.at_row`."""
        parts: dict[str, Any] = {}
        for f in self._own_fields:
            value = getattr(self, f.name)
            part = value.at_row(index) if isinstance(value, Op) else constant_row(value, index)
            if part is not value:
                parts[f.name] = part
        return replace(self, **parts) if parts else self

    def at_part(self, part: slice) -> Op | None:
        """Return the operation with the constants of part of a row; None where rows differ."""
        parts: dict[str, Any] = {}
        for f in self._own_fields:
            value = getattr(self, f.name)
            if isinstance(value, Op):
                inner = value.at_part(part)
                if inner is None:
                    return None
                parts[f.name] = inner
            elif isinstance(value, np.ndarray) and value.size != 1:
                if prod(value.shape[:-1]) != 1:
                    return None
                parts[f.name] = value[..., part]
        return replace(self, **parts) if parts else self

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Take the difference quotient of each element."""
        return elementwise(self, xs)

    @abstractmethod
    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Build the circuit of the element at `index`."""


@dataclass(frozen=True, eq=False)
class Binary(Op):
    """A function of two elements, with NumPy's broadcasting over the sample's axes."""

    def infer(self, *x: Intervals) -> Intervals:
        """Return the exact type of the result."""
        a, b = x
        shape = broadcast_shape(a.shape, b.shape)
        return self.join_types(a.map(spread(shape)), b.map(spread(shape)))

    def real(self, *x: Reals) -> Reals:
        """Compute on real numbers."""
        a, b = x
        rank = max(a.ndim, b.ndim) - 1
        return self.join_real(pad_reals(a, rank), pad_reals(b, rank))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute on integers."""
        a, b = x
        rank = max(a.q.ndim, b.q.ndim) - 1
        return self.join(pad_batch(a, rank), pad_batch(b, rank))

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation itself: it has no constants."""
        return self

    def at_part(self, part: slice) -> Op | None:
        """Return the operation itself: it has no constants."""
        return self

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Take the difference quotient of each element."""
        return elementwise(self, xs)

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build one circuit per element of the result."""
        a, b = x
        left, right = np.broadcast_arrays(a.signals, b.signals)
        pairs = zip(left.ravel().tolist(), right.ravel().tolist(), strict=True)
        signals = [self.join_signals(module, p, q) for p, q in pairs]
        return a.with_signals(signals, left.shape)

    @abstractmethod
    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return the type of the result for operands of equal shape."""

    @abstractmethod
    def join_real(self, a: Reals, b: Reals) -> Reals:
        """Compute on real numbers that broadcast."""

    @abstractmethod
    def join(self, a: FixedArray, b: FixedArray) -> FixedArray:
        """Compute on integers that broadcast."""

    @abstractmethod
    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build the circuit of one element."""


@dataclass(frozen=True, eq=False)
class Joined(Op):
    """A function of several elements, with NumPy's broadcasting over the sample's axes."""

    def infer(self, *x: Intervals) -> Intervals:
        """Return the exact type of the result."""
        shape = broadcast_shape(*(kind.shape for kind in x))
        return self.join_types(*(kind.map(spread(shape)) for kind in x))

    def real(self, *x: Reals) -> Reals:
        """Compute on real numbers."""
        rank = max(value.ndim for value in x) - 1
        return self.join_real(*(pad_reals(value, rank) for value in x))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute on integers."""
        rank = max(value.q.ndim for value in x) - 1
        return self.join(*(pad_batch(value, rank) for value in x))

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation itself: it has no constants."""
        return self

    def at_part(self, part: slice) -> Op | None:
        """Return the operation itself: it has no constants."""
        return self

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Take the difference quotient of each element."""
        return elementwise(self, xs)

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build one circuit per element of the result."""
        parts = np.broadcast_arrays(*(bus.signals for bus in x))
        rows = zip(*(part.ravel().tolist() for part in parts), strict=True)
        signals = [self.join_signals(module, *row) for row in rows]
        return x[0].with_signals(signals, parts[0].shape)

    @abstractmethod
    def join_types(self, *x: Intervals) -> Intervals:
        """Return the type of the result for operands of equal shape."""

    @abstractmethod
    def join_real(self, *x: Reals) -> Reals:
        """Compute on real numbers that broadcast."""

    @abstractmethod
    def join(self, *x: FixedArray) -> FixedArray:
        """Compute on integers that broadcast."""

    @abstractmethod
    def join_signals(self, m: Module, *x: int) -> int:
        """Build the circuit of one element."""


def sum_bounds(es: list[Reals], rank: int) -> Reals:
    """Return the sum of two operands' bounds, broadcast as they are; `rank` with the batch."""
    return np.asarray(pad_reals(es[0], rank - 1) + pad_reals(es[1], rank - 1), np.float64)
