"""Build a block on inputs of given ranges and run it on every number, or on many."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from gatewright.hw import Module, check, evaluate
from gatewright.num import Intervals

Rng = tuple[int, int, int]


def build(ranges: Sequence[Rng], block: Callable[..., int | list[int]]) -> Module:
    """Return a module with the inputs `x`, and what the block makes of them as `y`."""
    m = Module("block", origin="layer 'block'")
    columns = np.asarray(ranges, np.int64).reshape(-1, 3).T
    made = block(m, *m.input("x", Intervals.of(*columns)))
    m.output("y", made if isinstance(made, list) else [made])
    check(m)
    return m


def everything(ranges: Sequence[Rng]) -> np.ndarray:
    """Return every combination of the inputs' integers."""
    return np.asarray(list(itertools.product(*(range(lo, hi + 1) for lo, hi, _ in ranges))))


def some(ranges: Sequence[Rng], rng: np.random.Generator, count: int) -> np.ndarray:
    """Return random integers of each input, a third of them at the ends."""
    lo, hi, _ = np.asarray(ranges, np.int64).T
    inside = rng.integers(lo, hi + 1, (count, len(lo)))
    where = rng.random(inside.shape)
    return np.where(where < 1 / 6, lo, np.where(where > 5 / 6, hi, inside))


def numbers(q: np.ndarray, fracs: Sequence[int]) -> list[list[Fraction]]:
    units = [Fraction(2) ** -int(f) for f in fracs]
    return [[v * u for v, u in zip(row, units, strict=True)] for row in q.tolist()]


def run(m: Module, q: np.ndarray) -> list[list[Fraction]]:
    """Return the numbers that come out; the interpreter checks every range on the way."""
    return numbers(evaluate(m, {"x": q})["y"], [m.frac[s] for s in m.outputs["y"]])


def given(m: Module, q: np.ndarray) -> list[list[Fraction]]:
    """Return the numbers that went in."""
    return numbers(q, [m.frac[s] for s in m.inputs["x"]])


def is_tight(m: Module, found: list[list[Fraction]]) -> None:
    """Both ends of every output's range are among the numbers found."""
    for s, column in zip(m.outputs["y"], zip(*found, strict=True), strict=True):
        unit = Fraction(2) ** -m.frac[s]
        assert (min(column) / unit, max(column) / unit) == (m.lo[s], m.hi[s])
