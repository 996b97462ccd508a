import numpy as np
import pytest

from gatewright.num import Fixed, Rounding
from gatewright.quantize.activations import choose_format, covering, quantizer, user_format


def chosen(x, price, s=None, bounds=None, extremes=None):
    s = np.ones_like(x) if s is None else s
    extremes = (x.min(0), x.max(0)) if extremes is None else extremes
    price = np.full(x.shape[1], price)
    return choose_format(x, s, price, 0.0, extremes, bounds)


def test_covering_is_the_next_power_of_two():
    assert covering(np.array([0.9, 1.0, 5.0, 0.2])).tolist() == [0, 1, 3, -2]


def test_a_bit_fewer_for_four_times_the_price():
    x = np.random.default_rng(0).random((2000, 40))
    widths = [chosen(x, price).width.mean() for price in (4.0**-9, 4.0**-8, 4.0**-7)]
    assert widths[0] - widths[1] == pytest.approx(1, abs=0.35)
    assert widths[1] - widths[2] == pytest.approx(1, abs=0.35)


def test_rare_large_values_are_clipped_if_they_matter_little():
    x = np.random.default_rng(0).random((2000, 1))
    x[0] = 60.0
    matters = chosen(x, 1e-4)
    s = np.ones_like(x)
    s[0] = 1e-9
    ignored = chosen(x, 1e-4, s, extremes=(np.zeros(1), np.ones(1)))
    assert matters.top[0] > ignored.top[0]
    assert ignored.saturated == pytest.approx(1 / 2000)


def test_extremes_of_other_rows_count():
    x = np.random.default_rng(0).random((100, 1))
    assert chosen(x, 1e-9, extremes=(np.zeros(1), np.array([30.0]))).top[0] == 5


def test_what_never_matters_is_dropped():
    x = np.random.default_rng(0).random((100, 2))
    s = np.ones_like(x)
    s[:, 1] = 0
    found = chosen(x, 1e-3, s)
    assert found.width[0] > 0
    assert found.width[1] == 0
    y = quantizer(found, (2,), Rounding.RND).real(x)
    assert (y[:, 1] == 0).all()


def test_sign_only_where_needed():
    x = np.random.default_rng(0).normal(size=(500, 2))
    x[:, 1] = np.abs(x[:, 1])
    assert chosen(x, 1e-4).signed.tolist() == [True, False]


def test_user_format_counts_what_it_clips():
    x = np.array([[0.0], [1.0], [7.9], [8.0]])
    found = user_format(x, Fixed.parse("ufixed<5,3>"))
    assert found.saturated == 0.25
    assert found.width.tolist() == [5]
