"""Exact matrix products of integers, at the speed of floating-point BLAS where that is exact."""

from __future__ import annotations

import numpy as np

from gatewright.num.modes import Ints, require_exact


def exact_matmul(x: Ints, matrix: Ints) -> Ints:
    """Return `x @ matrix` for integers of shape (..., n) and (n, m).

    Every partial sum is bounded by `max(|x|) @ |matrix|`. Below 2**53 float64 holds each of them
    exactly, whatever the order of summation.

    Raises:
        FormatError: a sum could leave 62 bits.
    """
    bound = np.abs(x).max(axis=tuple(range(x.ndim - 1)), initial=0).astype(np.float64) @ np.abs(
        matrix
    ).astype(np.float64)
    if bound.size and bound.max() < 2.0**53:
        product = x.astype(np.float64) @ matrix.astype(np.float64)
        return np.asarray(np.rint(product), np.float64).astype(np.int64)
    require_exact(bound)
    return np.asarray(x @ matrix, np.int64)
