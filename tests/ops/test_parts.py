"""What an operation says of part of a row is that part of its result, in every conformance case."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.num import FixedArray
from tests.conformance.test_conformance import CASES, samples


def cut(x: FixedArray, part: slice) -> FixedArray:
    frac = np.broadcast_to(x.frac, x.q.shape[1:])
    return FixedArray(x.q[..., part], frac[..., part])


PARTED = [
    case
    for case in CASES
    if case.inputs and case.inputs[0].shape and case.inputs[0].shape[-1] > 1
    and all(t.shape == case.inputs[0].shape for t in case.inputs)
    and case.op.at_part(slice(0, 1)) is not None
]  # fmt: skip


@pytest.mark.parametrize("case", PARTED, ids=[case.name for case in PARTED])
def test_a_part_of_a_row_is_that_part_of_the_result(case):
    x = list(samples(case).values())
    wanted = case.op.evaluate(*x)
    last = wanted.q.shape[-1]
    for part in (slice(0, 1), slice(1, last), slice(last - 1, last)):
        op = case.op.at_part(part)
        assert op is not None
        found, own = op.evaluate(*(cut(v, part) for v in x)), cut(wanted, part)
        finest = np.maximum(np.max(found.frac), np.max(own.frac))
        assert np.array_equal(found.aligned(finest), own.aligned(finest))
