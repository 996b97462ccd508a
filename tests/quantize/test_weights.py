import numpy as np

from gatewright.quantize.digits import cheapest, digits_of
from gatewright.quantize.weights import SHARED_ABOVE, choose, compensated, fit


def problem(n_in=10, n_out=4, rows=800, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, n_in)) @ rng.normal(size=(n_in, n_in))  # correlated
    weight, bias = rng.normal(size=(n_in, n_out)), rng.normal(size=n_out)
    return x, x @ weight + bias, rng.random((rows, n_out)), weight, bias


def cost(x, target, s, v, bias):
    return (s * (x @ v + bias - target) ** 2).mean(0)


def test_exact_inputs_need_no_change():
    x, target, s, weight, bias = problem()
    q = fit(x, target, s, weight, bias, 0.01)
    np.testing.assert_allclose(q.weight, weight.T, atol=1e-9)
    np.testing.assert_allclose(q.bias, bias, atol=1e-9)


def test_quantized_inputs_are_corrected_for():
    x, target, s, weight, bias = problem()
    rough = np.round(x)
    q = fit(rough, target, s, weight, bias, 1e-6)
    better = cost(rough, target, s, q.weight.T, q.bias)
    assert (better < cost(rough, target, s, weight, bias)).all()


def test_compensation_beats_rounding_each_weight_alone():
    x, target, s, weight, bias = problem()
    q = fit(x, target, s, weight, bias, 1e-4)
    to_eighths = lambda u, a, p: np.round(u * 8) / 8  # noqa: E731
    v = compensated(q, np.zeros(10), to_eighths)
    alone = np.round(weight * 8) / 8
    assert (
        cost(x, target, s, v.T, q.bias_for(v)).sum() < 0.5 * cost(x, target, s, alone, bias).sum()
    )
    assert (v * 8 == np.round(v * 8)).all()


def test_a_higher_price_buys_fewer_digits_for_more_error():
    x, target, s, weight, bias = problem()
    q = fit(x, target, s, weight, bias, 1e-3)
    digits, costs = [], []
    for price in (1e-5, 1e-3, 1e-1):
        v = choose(q, np.full(10, price), cheapest)
        digits.append(int(digits_of(v).sum()))
        costs.append(float(cost(x, target, s, v.T, q.bias_for(v)).sum()))
    assert digits == sorted(digits, reverse=True)
    assert digits[0] > digits[-1]
    assert costs == sorted(costs)


def test_many_inputs_share_their_moments():
    x, target, s, weight, bias = problem(SHARED_ABOVE + 5, 2, 600)
    q = fit(x, target, s, weight, bias, 0.01)
    assert q.moments.shape == (1, SHARED_ABOVE + 5, SHARED_ABOVE + 5)
    v = choose(q, np.full(SHARED_ABOVE + 5, 1e-4), cheapest)
    spread = target.std(0)
    assert (np.sqrt(((x @ v.T + q.bias_for(v) - target) ** 2).mean(0)) < 0.1 * spread).all()
