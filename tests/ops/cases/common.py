"""What the conformance cases of all operations are made of."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np

from gatewright.ir import Graph, Input, Node, Op, Output
from gatewright.num import Fixed, Intervals


@dataclass(frozen=True, eq=False)
class Case:
    """An operation on inputs of given types, with the reuse factors to lower it for."""

    name: str
    op: Op
    inputs: tuple[Intervals, ...]
    reuses: tuple[int, ...] = (1,)
    samples: int = 32

    @property
    def seed(self) -> int:
        return zlib.crc32(self.name.encode())

    def graph(self) -> Graph:
        names = [f"x{i}" for i in range(len(self.inputs))]
        inputs = tuple(Input(n, t.shape, t) for n, t in zip(names, self.inputs, strict=True))
        node = Node("y", self.op, tuple(names), "the_layer")
        return Graph("case", inputs, (node,), (Output("y", "y"),))


def uniform(fmt: str, *shape: int) -> Intervals:
    """Every element in one format, over its whole range."""
    return Intervals.format(Fixed.parse(fmt), shape)


def mixed(seed: int, *shape: int, most: int = 7) -> Intervals:
    """Every element with a range, sign and binary point of its own; some constant, some zero."""
    rng = np.random.default_rng(seed)
    span = 2 ** rng.integers(0, most, shape)
    lo = -rng.integers(0, span, shape) * rng.integers(0, 2, shape)
    hi = lo + rng.integers(0, span, shape)
    return Intervals.of(lo, hi, rng.integers(-2, 5, shape))


@dataclass(frozen=True)
class Formats:
    """Types that every elementwise operation is tried on."""

    shape: tuple[int, ...] = (3,)
    names: tuple[str, ...] = (
        "fixed<8,4>",
        "ufixed<6,2>",
        "fixed<5,8>",
        "ufixed<4,-2>",
        "fixed<1,1>",
        "ufixed<1,1>",
        "fixed<13,3>",
    )
    _cache: dict[str, Intervals] = field(default_factory=dict)

    def all(self) -> list[tuple[str, Intervals]]:
        types = [(name, uniform(name, *self.shape)) for name in self.names]
        return [*types, ("mixed", mixed(1, *self.shape)), ("mixed2", mixed(2, *self.shape))]


def unary_cases(stem: str, ops: dict[str, Op], formats: Formats | None = None) -> list[Case]:
    """Every operation on every type."""
    types = (formats or Formats()).all()
    return [
        Case(f"{stem}-{label}-{name}", op, (t,)) for label, op in ops.items() for name, t in types
    ]


def binary_cases(stem: str, op: Op) -> list[Case]:
    """An operation on pairs of types, on broadcast shapes, and on a constant."""
    types = Formats(shape=(2,), names=("fixed<6,3>", "ufixed<4,1>", "fixed<3,5>")).all()
    cases = [Case(f"{stem}-{a}-{b}", op, (t, u)) for a, t in types for b, u in types]
    cases.append(Case(f"{stem}-broadcast", op, (mixed(5, 2, 3), mixed(6, 3))))
    cases.append(Case(f"{stem}-scalar", op, (mixed(7, 2, 2), mixed(8, 1, 1))))
    constant = Intervals.of([5, -3, 0], [5, -3, 0], [1, 0, 0])
    cases.append(Case(f"{stem}-constant", op, (uniform("fixed<6,3>", 3), constant)))
    return cases
