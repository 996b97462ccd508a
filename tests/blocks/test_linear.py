"""Constant matrices as shared adders: exact, with ranges that are sound up to 62 bits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from block_runs import build, everything, given, is_tight, run, some
from hypothesis import given as samples
from hypothesis import settings
from hypothesis import strategies as st

from gatewright.base import FormatError
from gatewright.blocks.cmvm import solve
from gatewright.blocks.linear import constant_matmul, place


def product(rows, matrix, frac, bias, bias_frac):
    scale, offset = Fraction(2) ** -frac, Fraction(2) ** -bias_frac
    return [
        [
            sum(x * int(w) for x, w in zip(row, column, strict=True)) * scale + int(b) * offset
            for column, b in zip(matrix.T, bias, strict=True)
        ]
        for row in rows
    ]


@st.composite
def problems(draw):
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    weight = st.integers(-20, 20) | st.just(0)
    matrix = np.asarray([[draw(weight) for _ in range(m)] for _ in range(n)])
    ranges = []
    for _ in range(n):
        lo = draw(st.integers(-4, 3))
        ranges.append((lo, lo + draw(st.integers(0, 3)), draw(st.integers(-3, 3))))
    bias = np.asarray([draw(st.integers(-30, 30)) for _ in range(m)])
    return ranges, matrix, draw(st.integers(-2, 4)), bias, draw(st.integers(-2, 4))


@settings(max_examples=60)
@samples(problems())
def test_small_matrices_on_every_input(problem):
    ranges, *rest = problem
    m = build(ranges, lambda m, *x: constant_matmul(m, x, *rest))
    q = everything(ranges)
    found = run(m, q)
    assert found == product(given(m, q), *rest)
    is_tight(m, found)


@pytest.mark.parametrize("bits", [30, 45, 52, 53, 54, 57, 59])
@pytest.mark.parametrize("frac", [-20, 0, 31])
def test_wide_inputs(bits, frac):
    """The interpreter holds every sum against its claimed range, on the ends of the inputs."""
    half = 1 << (bits - 1)
    ranges = [(half - 3, half, frac), (-half, 3 - half, frac), (half - 2, half + 1, frac)]
    matrix = np.asarray([[1, -1, 1], [1, 1, 0], [-1, 0, 1]])
    rest = matrix, 0, np.asarray([1, -1, 0]), frac
    m = build(ranges, lambda m, *x: constant_matmul(m, x, *rest))
    q = everything(ranges)
    found = run(m, q)
    assert found == product(given(m, q), *rest)
    is_tight(m, found)


def test_a_difference_of_wide_numbers_is_not_claimed_narrower_than_it_is():
    """Past 2**53 a range computed in floats would be 0..0 here: their neighbours are one number."""
    ranges = [(2**54, 2**54 + 1, 0), (2**54, 2**54 + 1, 0)]
    matrix = np.asarray([[1], [-1]])
    m = build(ranges, lambda m, *x: constant_matmul(m, x, matrix, 0))
    (y,) = m.outputs["y"]
    assert m.range(y) == (-1, 1, 0)
    found = run(m, everything(ranges))
    assert sorted(row[0] for row in found) == [-1, 0, 0, 1]


def test_random_wide_matrices():
    rng = np.random.default_rng(0)
    for _ in range(15):
        n, outputs, bits = (int(v) for v in rng.integers([2, 1, 20], [6, 4, 50]))
        lo = rng.integers(-(1 << bits), 1 << bits, n)
        ranges = [(int(v), int(v) + int(rng.integers(0, 1 << bits)), int(f))
                  for v, f in zip(lo, rng.integers(-3, 4, n), strict=True)]  # fmt: skip
        matrix = rng.integers(-7, 8, (n, outputs))
        rest = matrix, 2, rng.integers(-(1 << 30), 1 << 30, outputs), 1
        try:
            m = build(ranges, lambda m, *x, r=rest: constant_matmul(m, x, *r))
        except FormatError:
            continue
        q = some(ranges, rng, 60)
        lo, hi, _ = np.asarray(ranges).T
        least, most = ([np.where(w > 0, *ends) for w in matrix.T] for ends in ((lo, hi), (hi, lo)))
        q = np.concatenate([q, np.stack(least + most)])
        found = run(m, q)
        assert found == product(given(m, q), *rest)
        is_tight(m, found)


def test_every_adder_is_placed_with_the_solver_s_range():
    matrix = np.random.default_rng(3).integers(-9, 10, (6, 5))
    lo, hi = np.full(6, -8), np.full(6, 7)
    graph = solve(matrix, lo, hi, np.zeros(6, np.int64))
    m = build([(-8, 7, 0)] * 6, lambda m, *x: place(m, x, graph))
    width = {(m.lo[s] << (9 - m.frac[s]), m.hi[s] << (9 - m.frac[s])) for s in range(len(m))}
    for low, high, frac in zip(graph.lo, graph.hi, graph.frac, strict=True):
        assert (int(low) << (9 - int(frac)), int(high) << (9 - int(frac))) in width


@pytest.mark.parametrize(
    ("ranges", "matrix", "bias_frac"),
    [
        ([(0, 2**60, 0)], [[7]], 0),
        ([(0, 2**40, 0), (0, 1, 40)], [[1], [1]], 0),
        ([(0, 2**40, -30)], [[1]], 3),
    ],
)
def test_too_wide_wrong(ranges, matrix, bias_frac):
    with pytest.raises(FormatError, match=r"fit|wide"):
        build(
            ranges,
            lambda m, *x: constant_matmul(m, x, np.asarray(matrix), 0, np.ones(1, int), bias_frac),
        )
