"""Matrix products of integers, on both sides of 2**53."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base import FormatError
from gatewright.num import exact_matmul


def product(x, matrix):
    columns = list(zip(*matrix, strict=True))
    return [[sum(a * b for a, b in zip(row, c, strict=True)) for c in columns] for row in x]


@given(st.data(), st.integers(1, 5), st.integers(1, 4), st.sampled_from([8, 24, 26, 27, 29, 30]))
def test_exact_across_the_border_of_floats(data, n, m, bits):
    weight = st.integers(-(2**bits), 2**bits)
    x = data.draw(st.lists(st.lists(weight, min_size=n, max_size=n), min_size=1, max_size=3))
    matrix = data.draw(st.lists(st.lists(weight, min_size=m, max_size=m), min_size=n, max_size=n))
    magnitudes = product([[abs(v) for v in r] for r in x], [[abs(v) for v in r] for r in matrix])
    if max(max(row) for row in magnitudes) < 2**61:
        assert exact_matmul(np.asarray(x), np.asarray(matrix)).tolist() == product(x, matrix)


@pytest.mark.parametrize("off", [-2, -1, 0, 1, 2])
def test_next_to_2_to_the_53(off):
    """2**53 + 1 is the first integer that float64 does not hold."""
    x = np.asarray([[2**52, 2**52 + off, 1], [2**53 - 1, 0, 1]])
    matrix = np.asarray([[1, -1], [1, 1], [1, 1]])
    assert exact_matmul(x, matrix).tolist() == product(x.tolist(), matrix.tolist())


def test_shapes():
    rng = np.random.default_rng(0)
    x, matrix = rng.integers(-9, 9, (2, 3, 4, 5)), rng.integers(-9, 9, (5, 2))
    np.testing.assert_array_equal(exact_matmul(x, matrix), x @ matrix)
    np.testing.assert_array_equal(exact_matmul(x[0, 0, 0], matrix), x[0, 0, 0] @ matrix)
    assert exact_matmul(np.zeros((0, 5), np.int64), matrix).shape == (0, 2)
    assert (
        exact_matmul(np.zeros((3, 0), np.int64), np.zeros((0, 2), np.int64)).tolist()
        == [[0, 0]] * 3
    )


def test_a_sum_past_62_bits_wrong():
    with pytest.raises(FormatError, match="would not fit"):
        exact_matmul(np.asarray([[2**31, 2**31]]), np.asarray([[2**30], [2**30]]))
