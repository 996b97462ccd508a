"""Gradients in place of jumps, for what decides: comparisons, signs, positions.

A decision does not feel a small change but where it is close, and then all of it. Quantization asks
how much an error of a value matters on average; with values spread over a range s, an error e
changes a share e / s of the decisions. So a decision is given the slope 1 / s, s the standard
deviation of what decides: without any slope, what only decides would be left without bits.
"""

from __future__ import annotations

import numpy as np

from gatewright.ir import Reals


def slope_of(x: Reals) -> float:
    """Return one over the standard deviation of what decides; 0 where it never changes."""
    spread = float(np.std(x))
    return 1.0 / spread if spread > 0 else 0.0


def contested(x: Reals, order: np.ndarray, ranks: int) -> list[np.ndarray]:
    """Return which elements contest each of the first ranks: that of the rank and the next one.

    Args:
        x: (batch, ..., n).
        order: positions in order of rank, of shape (batch, ..., n).
        ranks: how many are decided.

    Returns:
        Two arrays of positions in a flattened sample, of shape (batch, ..., ranks).
    """
    n = x.shape[-1]
    rows = n * np.arange(int(np.prod(x.shape[1:-1]))).reshape(*x.shape[1:-1], 1)
    following = np.minimum(np.arange(ranks) + 1, n - 1)
    return [order[..., :ranks] + rows, order[..., following] + rows]
