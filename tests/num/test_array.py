"""Exact arrays against fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from exact import contained, power, rounded
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base import FormatError
from gatewright.num import FixedArray, Intervals, Overflow, Rounding

SMALL = st.integers(-(2**25), 2**25)
ROWS = st.lists(
    st.tuples(SMALL, st.integers(-6, 9), SMALL, st.integers(-6, 9)), min_size=1, max_size=5
)


def array(q, frac) -> FixedArray:
    return FixedArray(np.asarray(q, np.int64)[None], np.asarray(frac, np.int64))


def fractions(x: FixedArray) -> list[Fraction]:
    frac = np.broadcast_to(x.frac, x.q.shape[1:])
    return [int(q) * power(int(f)) for q, f in zip(x.q[0], frac, strict=True)]


@given(ROWS)
def test_arithmetic_is_exact(rows):
    a_q, a_frac, b_q, b_frac = zip(*rows, strict=True)
    a, b = array(a_q, a_frac), array(b_q, b_frac)
    x, y = fractions(a), fractions(b)
    assert fractions(a + b) == [p + q for p, q in zip(x, y, strict=True)]
    assert fractions(a - b) == [p - q for p, q in zip(x, y, strict=True)]
    assert fractions(a * b) == [p * q for p, q in zip(x, y, strict=True)]
    assert fractions(-a) == [-p for p in x]
    assert a.value[0].tolist() == [float(p) for p in x]


@given(st.lists(st.integers(-(2**30), 2**30), max_size=6), st.integers(-20, 20))
def test_exact_takes_floats_as_they_are(q, frac):
    values = np.ldexp(np.asarray(q, np.float64), -frac)
    found = FixedArray.exact(values)
    assert found.frac.shape == ()
    assert found.value.tolist() == values.tolist()
    odd = [v for v in q if v]
    needed = max((frac - ((v & -v).bit_length() - 1) for v in odd), default=0)
    assert int(found.frac) == max(needed, 0)


@given(ROWS, st.integers(9, 20))
def test_aligned(rows, finer):
    q, frac = [r[0] for r in rows], [r[1] for r in rows]
    found = array(q, frac).aligned(finer)
    assert found[0].tolist() == [v << (finer - f) for v, f in zip(q, frac, strict=True)]


@given(
    ROWS, st.integers(-7, 10), st.integers(0, 20), st.booleans(),
    st.sampled_from(list(Rounding)), st.sampled_from(list(Overflow)),
)  # fmt: skip
def test_quantize(rows, frac, width, signed, mode, over):
    x = array([r[0] for r in rows], [r[1] for r in rows])
    found = x.quantize(np.asarray(signed), np.asarray(width), np.asarray(frac), mode, over)
    wanted = [contained(rounded(v / power(frac), mode), signed, width, over) for v in fractions(x)]
    assert found.q[0].tolist() == wanted
    assert int(found.frac) == frac


def test_fit_drops_only_zeros():
    x = array([8, -4], [3, 1])
    kind = Intervals.of([0, -2], [1, 0], [0, 0])
    assert x.fit(kind).q.tolist() == [[1, -2]]
    with pytest.raises(AssertionError, match="off the grid"):
        array([9, -4], [3, 1]).fit(kind)
    with pytest.raises(AssertionError, match="outside the range"):
        array([16, -4], [3, 1]).fit(kind)


def test_aligning_to_a_coarser_grid_is_a_defect():
    with pytest.raises(AssertionError, match="would lose bits"):
        array([8], [3]).aligned(2)


def test_values_too_far_apart_wrong():
    for values in ([2.0**40, 2.0**-30], [1e300, 1e-300], [2.0**70]):
        with pytest.raises(FormatError, match="would not fit"):
            FixedArray.exact(values)


def test_a_product_past_62_bits_wrong():
    with pytest.raises(FormatError, match="would not fit"):
        array([2**31], [0]) * array([2**31], [0])


def test_moving_elements_keeps_the_batch():
    x = FixedArray(np.arange(12).reshape(2, 2, 3), np.asarray([[0, 1, 2], [3, 4, 5]]))
    moved = x.map(lambda q: q.transpose(0, 2, 1), np.transpose)
    assert moved.q.shape == (2, 3, 2)
    assert moved.value[1, 2].tolist() == x.value[1, :, 2].tolist()
