"""Piecewise polynomials: faithful at every operand, or none."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.quantize.bounded.polynomial import evaluate, fit


@pytest.mark.parametrize(
    ("function", "low", "high", "point", "out"),
    [
        (np.sin, -(1 << 14), (1 << 14) - 7, 12, 12),
        (np.exp, -50_000, 0, 12, 14),
        (lambda x: 1 / x, 5000, 60_001, 12, 13),
        (np.tanh, -40_000, 30_000, 13, 10),
        (lambda x: x, -100, 100, 4, 4),
        (np.cos, -1, 1, 0, 8),
        (np.sin, -(1 << 15), (1 << 15) - 1, 12, 17),  # turns often: 512 segments
    ],
)
def test_faithful_at_every_operand(function, low, high, point, out):
    found = fit(function, low, high, point, out)
    codes = np.arange(low, high + 1)
    error = np.abs(evaluate(found, codes, point, out) * 2.0**-out - function(codes * 2.0**-point))
    assert error.max() == found.error <= 2.0**-out


def test_none_where_it_is_too_steep():
    assert fit(np.sqrt, 0, (1 << 16) - 1, 12, 16) is None


@pytest.mark.parametrize(
    ("function", "mirror"), [(np.tanh, -1), (np.cos, 1), (np.exp, 0), (lambda x: x * x + 1, 1)]
)
@pytest.mark.parametrize(("low", "high"), [(-2048, 2047), (-2000, 2047), (-2047, 1900)])
def test_even_and_odd_functions_are_stored_for_one_half(function, mirror, low, high) -> None:
    found = fit(function, low, high, 9, 12)
    assert found is not None
    assert found.mirror == mirror
    codes = np.arange(low, high + 1)
    error = np.abs(evaluate(found, codes, 9, 12) * 2.0**-12 - function(codes * 2.0**-9))
    assert error.max() <= 2.0**-12
    assert found.error == error.max()
    if mirror:
        assert found.first == 0


def test_a_range_that_lies_to_one_side_is_not_folded() -> None:
    found = fit(np.cos, -100, 2047, 9, 12)
    assert found is not None
    assert found.mirror == 0
