import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gatewright.quantize.digits import cheapest, digits_of, nearest_power, on_grid

reals = st.floats(-1e6, 1e6).filter(lambda u: u == 0 or abs(u) > 1e-6)


@given(reals)
def test_nearest_power_is_nearest(u):
    found = float(nearest_power(np.array([u]))[0])
    powers = [s * 2.0**e for e in range(-25, 25) for s in (1, -1)]
    assert abs(found - u) <= min(abs(p - u) for p in powers) * (1 + 1e-12) if u else found == 0


@given(reals, st.floats(1e-6, 1e3), st.floats(1e-9, 1e3))
def test_cheapest_beats_nothing_one_digit_and_all_of_them(u, stiffness, price):
    u_, a, p = np.array([u]), np.array([stiffness]), np.array([price])
    v = cheapest(u_, a, p)

    def total(w):
        return float(stiffness * (w - u_[0]) ** 2 + price * digits_of(np.array([w]))[0])

    slack = 1e-9 * (1 + total(0.0))
    assert total(v[0]) <= total(0.0) + slack
    assert total(v[0]) <= total(float(nearest_power(u_)[0])) + slack
    assert abs(v[0]) <= 2 * abs(u)


def test_free_digits_round_closely_and_dear_ones_prune():
    u = np.random.default_rng(0).normal(size=200)
    close = cheapest(u, np.ones(200), np.zeros(200))
    assert (np.abs(close - u) <= np.abs(u) * 3.0**-7).all()
    assert (cheapest(u, np.ones(200), np.full(200, 1e6)) == 0).all()


def test_grid_rounds_half_up_and_clips():
    u = np.array([0.125, -0.125, 0.3, 9.0, -9.0])
    assert on_grid(u, 2, -4, 3).tolist() == [0.25, 0.0, 0.25, 0.75, -1.0]
