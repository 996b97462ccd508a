"""The cost model: it must rank circuits as the solver and the lowered circuit do."""

from __future__ import annotations

import numpy as np
from quantize_models import dense

from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Dense, Quantize
from gatewright.quantize.cost import dense_cost


def test_the_estimate_ranks_matrices_as_the_solver_does():
    rng = np.random.default_rng(0)
    kind = Intervals.format(Fixed(False, 5, 3), (16,))
    estimated, solved = [], []
    for bits in (2, 3, 4, 5, 6, 8):
        for kept in (0.3, 1.0):
            layer = dense(rng, 16, 12)
            weight = np.round(layer.weight * 2**bits) / 2**bits * (rng.random((16, 12)) < kept)
            op = Dense.of(weight, np.zeros(12))
            estimated.append(op.luts(op.infer(kind), kind))
            solved.append(dense_cost(op, kind))
    ranks = [np.argsort(np.argsort(v)) for v in (estimated, solved)]
    assert np.corrcoef(*ranks)[0, 1] > 0.97
    ratio = np.array(estimated) / np.array(solved)
    assert (ratio > 0.6).all()
    assert (ratio < 1.7).all()


def test_dropping_bits_is_free_and_limiting_is_not():
    kind = Intervals.format(Fixed(True, 12, 6), (4,))

    def cost(width, rounding):
        op = Quantize.to(True, width, 2, rounding, Overflow.SAT)
        return op.luts(op.infer(kind), kind)

    assert cost(8, Rounding.TRN) == 0
    assert cost(6, Rounding.TRN) > 0
    assert cost(9, Rounding.RND) > 0
