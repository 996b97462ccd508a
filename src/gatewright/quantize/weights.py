"""Choose the weights of a layer for the least circuit at a given error of its outputs.

The error of a layer's outputs is a quadratic form of the change of its weights, with the moments
of its (already quantized) inputs as matrix. Weights are rounded one after the other, the rest
compensating each time (Hassibi and Stork 1993; Frantar and Alistarh, arXiv:2208.11580 and
arXiv:2210.17323); then each is revisited with the others held. Here the price of a weight is not
its width but its number of signed digits, none for a pruned one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gatewright.ir import Reals
from gatewright.num import Ints
from gatewright.quantize.digits import digits_of, on_grid

SHARED_ABOVE = 160
"""Inputs from which all outputs share one matrix of moments (time grows with inputs cubed)."""

MOST_PRODUCTS = 1.2e9
"""Products that go into the moments of a layer whose outputs have one matrix each; beyond that
fewer rows do, down to `LEAST_ROWS` for each input, and then one matrix."""

LEAST_ROWS = 8

SWEEPS = 2

Round = Callable[[Reals, Reals, Reals], Reals]
"""Rounds numbers, given the cost of a squared error and of a digit."""


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The cost `scale * sum((v - w) @ moments @ (v - w))` of weights `v` of each output.

    Attributes:
        moments: (outputs or 1, inputs, inputs), positive definite.
        scale: (outputs,).
        weight: (outputs, inputs), where the cost is least.
        mean: (outputs or 1, inputs): weighted mean input, by which the bias follows a change.
        bias: (outputs,), the best one for `weight`.
    """

    moments: Reals
    scale: Reals
    weight: Reals
    mean: Reals
    bias: Reals

    def bias_for(self, v: Reals) -> Reals:
        """Return the best bias for other weights."""
        return np.asarray(self.bias - ((v - self.weight) * self.mean).sum(1), np.float64)


def fit(
    x: Reals, target: Reals, sensitivity: Reals, weight: Reals, bias: Reals, ridge: float
) -> Quadratic:
    """Return the quadratic of a layer, and the real weights that best undo errors of its inputs.

    Args:
        x: (rows, inputs), quantized.
        target: (rows, outputs), what the source model gives.
        sensitivity: (rows, outputs), cost of a squared error of an output.
        weight: (inputs, outputs) of the source model.
        bias: (outputs,) of the source model.
        ridge: how much the data must say to move away from these.
    """
    rows, n_in = x.shape
    n_out = weight.shape[1]
    fair = int(MOST_PRODUCTS / max(n_in * n_in * n_out, 1))
    shared = n_in > SHARED_ABOVE or fair < min(LEAST_ROWS * n_in, rows)
    if not shared and fair < rows:  # their order is by chance
        rows, x, target, sensitivity = fair, x[:fair], target[:fair], sensitivity[:fair]
    residual = target - (x @ weight + bias)
    groups = [np.arange(n_out)] if shared else [np.array([j]) for j in range(n_out)]
    moments, mean = np.empty((len(groups), n_in, n_in)), np.empty((len(groups), n_in))
    best, offset = np.array(weight.T), np.array(bias)
    for k, columns in enumerate(groups):
        s = np.ones(rows) if shared else sensitivity[:, k]
        weights = s / max(float(s.sum()), 1e-300)
        mean[k] = weights @ x
        # Centred before they are squared: of a feature that hardly moves nothing would be left.
        centred = x - mean[k]
        weighted = centred * weights[:, None]
        second = weighted.T @ centred
        diagonal = np.diag(second)
        # An input that hardly moved on these rows may move on the next.
        floor = np.maximum(diagonal, float(diagonal.mean()) / rows or 1.0)
        second[np.diag_indices(n_in)] = diagonal + ridge * floor + (floor - diagonal)
        centre = weights @ residual[:, columns]
        first = weighted.T @ (residual[:, columns] - centre)
        unit = np.sqrt(np.diag(second))  # inputs may differ in scale by many orders
        step = np.linalg.solve(second / np.outer(unit, unit), first / unit[:, None])
        step /= unit[:, None]
        best[columns] += step.T
        offset[columns] += centre - mean[k] @ step
        moments[k] = second
    return Quadratic(moments, sensitivity.mean(0), best, mean, offset)


def choose(q: Quadratic, price: Reals, round_to: Round) -> Reals:
    """Return weights (outputs, inputs) that make cost plus price of all digits small.

    Args:
        q: the quadratic.
        price: (inputs,), cost of a digit of a weight that meets this input.
        round_to: the rounding rule.
    """
    v = compensated(q, price, round_to)
    for _ in range(SWEEPS):
        before = v.copy()
        sweep(q, v, price, round_to)
        if (before == v).all():
            break
    return v


def compensated(q: Quadratic, price: Reals, round_to: Round) -> Reals:
    """Round weights one by one, the rest taking over the error each time."""
    outputs, n_in = q.weight.shape
    order = np.argsort(-np.einsum("kii->ki", q.moments), axis=1, kind="stable")
    moments = np.take_along_axis(
        np.take_along_axis(q.moments, order[:, :, None], 1), order[:, None, :], 2
    )
    unit = np.sqrt(np.einsum("kii->ki", moments))  # inputs may differ in scale by many orders
    inverse = np.linalg.inv(moments / (unit[:, :, None] * unit[:, None, :]))
    upper = np.swapaxes(np.linalg.cholesky((inverse + np.swapaxes(inverse, 1, 2)) / 2), 1, 2)
    upper = upper / unit[:, None, :]
    order = np.broadcast_to(order, (outputs, n_in))
    w = np.take_along_axis(q.weight, order, 1)
    for i in range(n_in):
        pivot = upper[:, i, i]
        v = round_to(w[:, i], q.scale / pivot**2, price[order[:, i]])
        error = (w[:, i] - v) / pivot
        w[:, i] = v
        w[:, i + 1 :] -= error[:, None] * upper[:, i, i + 1 :]
    result = np.empty_like(w)
    np.put_along_axis(result, order, w, 1)
    return result


def sweep(q: Quadratic, v: Reals, price: Reals, round_to: Round) -> None:
    """Revisit every weight with the others held; change `v` in place where it pays."""
    gradient = _product(q.moments, v - q.weight)
    for i in range(v.shape[1]):
        stiffness = q.moments[:, i, i]
        free = v[:, i] - gradient[:, i] / stiffness
        curve = np.broadcast_to(q.scale * stiffness, free.shape)
        new = round_to(free, curve, np.broadcast_to(price[i], free.shape))
        gain = curve * ((v[:, i] - free) ** 2 - (new - free) ** 2)
        gain = gain + price[i] * (digits_of(v[:, i]) - digits_of(new))
        step = np.where(gain > 0, new - v[:, i], 0.0)
        if step.any():
            v[:, i] += step
            gradient += step[:, None] * q.moments[:, i, :]


def _product(moments: Reals, change: Reals) -> Reals:
    if len(moments) == 1:
        return np.asarray(change @ moments[0], np.float64)
    return np.asarray((moments @ change[:, :, None])[:, :, 0], np.float64)


def output_grids(q: Quadratic, bits: int) -> Ints:
    """Return, of each output, the binary point at which weights of so many bits err least.

    The finest on which its largest weight has its place, or one finer, which clips the largest.

    Args:
        q: the quadratic.
        bits: of a weight, the sign included; values are symmetric about 0.
    """
    limit = 2.0 ** (bits - 1) - 1
    stiffness = np.einsum("kii->ki", q.moments)
    largest = np.abs(q.weight).max(1, initial=0.0)
    _, exponent = np.frexp(largest / limit)
    holding = -exponent.astype(np.int64) + (np.ldexp(largest, 1 - exponent) <= limit)
    holding = np.where(largest > 0, holding, 0)
    best, least = holding, np.full(len(holding), np.inf)
    for frac in (holding, holding + 1):
        error = on_grid(q.weight, frac[:, None], -limit, limit) - q.weight
        cost = (stiffness * error * error).sum(1)
        best, least = np.where(cost < least, frac, best), np.minimum(cost, least)
    return best
