"""Small circuits: exact on every number, ranges reached, no more digits than needed."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from block_runs import build, everything, given, is_tight, run, some
from hypothesis import example
from hypothesis import given as samples
from hypothesis import strategies as st

from gatewright.blocks.arith import (
    clip,
    maximum,
    minimum,
    multiply,
    multiply_constant,
    reduce_tree,
    signed_digits,
    signed_sum,
)
from gatewright.hw import Kind

PAIRS = [
    ((-4, 3, 1), (-6, 9, 0)), ((0, 7, 0), (-8, -2, 2)), ((-3, 5, -2), (0, 6, 1)),
    ((-4, 3, 0), (4, 9, 0)), ((2, 2, 1), (-3, 3, 0)), ((0, 0, 0), (-4, 4, -3)),
    ((-4, 4, -3), (0, 0, 5)),
]  # fmt: skip


@pytest.mark.parametrize(("block", "meaning"), [(maximum, max), (minimum, min)])
def test_choice(block, meaning):
    for pair in PAIRS:
        m = build(pair, block)
        q = everything(pair)
        found = run(m, q)
        assert found == [[meaning(row)] for row in given(m, q)]
        is_tight(m, found)


@pytest.mark.parametrize("low", [None, (-3, 0), (1, 2), (0, 0), (-9, 0)])
@pytest.mark.parametrize("high", [None, (5, 1), (12, 0), (1, -1), (0, 0)])
def test_clip(low, high):
    ends = [None if v is None else v[0] * Fraction(2) ** -v[1] for v in (low, high)]
    for rng in [(-16, 15, 2), (0, 20, 1), (-5, 5, -1)]:
        m = build([rng], lambda m, a: clip(m, a, low, high))
        q = everything([rng])
        wanted = []
        for (x,) in given(m, q):
            x = x if ends[0] is None else max(x, ends[0])
            wanted.append([x if ends[1] is None else min(x, ends[1])])
        found = run(m, q)
        assert found == wanted
        is_tight(m, found)


@cache
def fewest_digits(q: int) -> int:
    """Return the least number of terms +-2**k that add up to q, by trying."""
    if q == 0:
        return 0
    if q % 2 == 0:
        return fewest_digits(q // 2)
    return 1 + min(fewest_digits((q - 1) // 2), fewest_digits((q + 1) // 2)) if abs(q) > 1 else 1


@samples(st.integers(-(2**62), 2**62))
@example(-1)
@example(0)
def test_signed_digits(q):
    digits = signed_digits(q)
    assert sum(d << e for e, d in digits) == q
    exponents = [e for e, _ in digits]
    assert all(b - a >= 2 for a, b in pairwise(exponents))
    assert {d for _, d in digits} <= {1, -1}


def test_signed_digits_are_the_fewest():
    for q in range(-300, 301):
        assert len(signed_digits(q)) == fewest_digits(q)


@pytest.mark.parametrize(
    "rng", [(-8, 7, 1), (0, 9, 0), (3, 6, -2), (-7, -2, 2), (5, 5, 1), (0, 0, 3)]
)
@pytest.mark.parametrize("frac", [-3, 0, 2])
def test_products_with_constants_are_exact_and_tight(rng, frac):
    for constant in [*range(-48, 49), 173, -341, 0b1010101, -(2**20) + 1]:
        m = build([rng], lambda m, a, c=constant: multiply_constant(m, a, c, frac))
        q = everything([rng])
        found = run(m, q)
        assert found == [[x * constant * Fraction(2) ** -frac] for (x,) in given(m, q)]
        is_tight(m, found)
        adders = [k for k in m.kind if k in (Kind.ADD, Kind.SUB)]
        digits = signed_digits(constant)
        negated = bool(digits) and all(d < 0 for _, d in digits)
        assert len(adders) <= max(len(digits) - 1, 0) + negated


def test_products():
    for pair in PAIRS:
        m = build(pair, multiply)
        q = everything(pair)
        found = run(m, q)
        assert found == [[x * y] for x, y in given(m, q)]
        is_tight(m, found)
        assert (Kind.MUL in m.kind) == all(lo < hi for lo, hi, _ in pair)


@samples(
    st.lists(
        st.tuples(st.integers(-9, 5), st.integers(0, 9), st.integers(-3, 3), st.booleans()),
        max_size=9,
    )
)
def test_sums(terms):
    ranges = [(lo, lo + span, frac) for lo, span, frac, _ in terms]
    plus = [sign for *_, sign in terms]

    def block(m, *x):
        return signed_sum(
            m,
            [s for s, sign in zip(x, plus, strict=True) if sign],
            [s for s, sign in zip(x, plus, strict=True) if not sign],
        )

    m = build(ranges, block)
    q = some(ranges, np.random.default_rng(0), 40) if ranges else np.zeros((1, 0), np.int64)
    if ranges:
        lo, hi, _ = np.asarray(ranges).T
        q[0], q[1] = np.where(plus, lo, hi), np.where(plus, hi, lo)
    found = run(m, q)
    wanted = [sum(x if s else -x for x, s in zip(row, plus, strict=True)) for row in given(m, q)]
    assert found == [[w] for w in wanted]
    is_tight(m, found)
    adders = sum(k in (Kind.ADD, Kind.SUB) for k in m.kind)
    assert adders <= max(len(terms) - 1, 0) + (bool(terms) and not any(plus))


def test_a_tree_is_as_deep_as_it_must_be():
    def depth(m, s):
        below = [depth(m, o) for o in m.operands(s)]
        return 1 + max(below) if below else 0

    for count in (1, 2, 3, 7, 8, 9):
        ranges = [(0, 3, 0)] * count
        m = build(ranges, lambda m, *x: reduce_tree(m, x, lambda m, a, b: m.add(a, b)))
        assert depth(m, m.outputs["y"][0]) == (count - 1).bit_length()
