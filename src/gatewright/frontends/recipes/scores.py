"""Anomaly scores of one sample, of shape ()."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from gatewright.frontends.recipes.emitter import Emitter, Tensor
from gatewright.ops import Add, Affine, Function, Multiply, Reshape, Subtract, Sum

T = TypeVar("T", bound=Tensor)


def _flat(to: Emitter[T], x: T, suffix: str) -> T:
    size = int(np.prod(x.shape))
    return x if x.shape == (size,) else to.emit(Reshape((size,)), x, suffix=suffix)


def sum_square(to: Emitter[T], x: T) -> T:
    """Return the sum of squares (of a variational autoencoder's latent means: its R_z**2 score)."""
    x = _flat(to, x, "flat")
    return to.emit(Sum((0,)), to.emit(Multiply(), x, x, suffix="square"), suffix="sum")


def mean_square(to: Emitter[T], x: T) -> T:
    """Return the mean of squares."""
    share = 1.0 / int(np.prod(x.shape))
    return to.emit(Affine(np.asarray(share), np.asarray(0.0)), sum_square(to, x))


def squared_error(to: Emitter[T], y: T, x: T) -> T:
    """Return the mean squared error of an autoencoder's answer `y` to `x`."""
    apart = to.emit(Subtract(), _flat(to, x, "input"), _flat(to, y, "output"), suffix="error")
    return mean_square(to, apart)


def divergence(to: Emitter[T], mean: T, log_variance: T) -> T:
    """Return the Kullback-Leibler divergence of a latent normal from the unit one.

    -0.5 * sum(1 + logvar - mu**2 - exp(logvar)) (Kingma, Welling 2013, arXiv:1312.6114,
    appendix B), the exponential by table.
    """
    mu, log = _flat(to, mean, "mean"), _flat(to, log_variance, "log_variance")
    square = to.emit(Multiply(), mu, mu, suffix="square")
    power = to.emit(Function("exp"), log, suffix="variance")
    both = to.emit(Add(), square, power, suffix="spread")
    terms = to.emit(Subtract(), both, log, suffix="terms")
    total = to.emit(Sum((0,)), terms, suffix="sum")
    half = -0.5 * int(np.prod(mu.shape))
    return to.emit(Affine(np.asarray(0.5), np.asarray(half)), total)
