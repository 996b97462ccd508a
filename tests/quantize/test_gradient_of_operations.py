"""Every operation's own pullback is the differences of its real meaning."""

from __future__ import annotations

import numpy as np
import pytest
from test_every_operation import MADE_LATER, case_of, drawn, real_op

from gatewright.ir import Op
from gatewright.ops import OPERATIONS, Argmax, Compare, Quantize, Sign
from gatewright.quantize.gradient import _differences

STEPS = (*MADE_LATER, Argmax, Compare, Quantize, Sign)
"""Their gradients pass through steps."""

OWN = [k for k in OPERATIONS if k.pullback is not Op.pullback and k not in STEPS]


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
def test_pullback(kind):
    case, rng = case_of(kind), np.random.default_rng(1)
    op = real_op(case.op)
    x = [v[:6] for v in drawn(op, case, rng).values()]
    y = op.real(*x)
    dy = rng.normal(size=y.shape)
    own = op.pullback(x, y)
    assert own is not None
    for k, found in enumerate(own(dy)):
        assert found.shape == x[k].shape
        if k not in op.index_operands:
            expected = _differences(op, x, y, dy, k)
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
