"""Bound the adders of a constant matrix from below by counting: `python scripts/adder_bound.py`.

A adders over n inputs can be wired in at most prod_k C(n + k + 1, 2) * 2 * shifts / A! ways (two
operands, a sign, a relative shift; the order of independent adders does not matter). Matrices that
carry `bits` of information need at least as many graphs, so almost none of them has fewer adders
than the least A with so many. The bits are the entropy of the weights' own distribution.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

SHIFTS = 16
"""Relative shifts that an adder of these matrices can have, generously."""


def entropy(weights: np.ndarray) -> float:
    """Return the bits of a matrix whose weights are drawn independently from its own histogram."""
    _, counts = np.unique(weights, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum() * weights.size)


def least_adders(bits: float, inputs: int) -> int:
    """Return the least number of adders whose graphs can tell 2**bits matrices apart."""
    adders, total = 0, 0.0
    while total < bits:
        operands = inputs + adders
        adders += 1
        total += math.log2(operands * (operands + 1) / 2 * 2 * SHIFTS) - math.log2(adders)
    return adders


def main() -> None:
    """Print the bounds of the benchmarks' matrices."""
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from bench.context import NETWORKS, Bench
    from bench.sections.sharing import layers
    from bench.sections.solver import SECONDS, matrix_of

    for size in SECONDS:
        print(f"{size} x {size}: {least_adders(entropy(matrix_of(size)), size):,} adders")
    bench = Bench(tell=lambda _: None)
    for name, title in NETWORKS.items():
        found = [matrix for matrix, _ in layers(bench, name).values()]
        bounds = [least_adders(entropy(m), int((m != 0).any(1).sum())) for m in found]
        print(f"{title}: {sum(bounds):,} adders")


if __name__ == "__main__":
    main()
