"""Softmax with a mask: exact zeros, and masks that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.base import ModelError
from gatewright.num import Fixed, Intervals
from gatewright.ops import Softmax, SoftmaxFormats

LOGITS = Intervals.format(Fixed.parse("fixed<6,3>"), (2, 3))


def test_masked_elements_are_zero_and_count_for_nothing():
    x = np.asarray([[[1.0, 900.0, 2.0], [1.0, 2.0, 3.0]]])
    mask = np.asarray([[[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]])
    y = Softmax().real(x, mask)
    np.testing.assert_array_equal(y[0, 0, [0, 2]], Softmax().real(x[..., 0, [0, 2]])[0])
    np.testing.assert_array_equal(y[0, :, 1], 0)
    np.testing.assert_array_equal(y[0, 1], 0)


def test_masks_that_do_not_fit():
    op = Softmax(SoftmaxFormats.for_output(6, 3))
    with pytest.raises(ModelError, match="the mask of a softmax is no truth value"):
        op.infer(LOGITS, LOGITS)
    wide = Intervals.format(Fixed.parse("ufixed<1,1>"), (4, 2, 3))
    with pytest.raises(ModelError, match=r"the mask of a softmax does not fit") as error:
        op.infer(LOGITS, wide)
    assert "mask of shape (4, 2, 3) for (2, 3)" in str(error.value)


def test_a_mask_in_doubt_leaves_a_row_in_doubt():
    x, mask = np.asarray([[[1.0, 2.0], [1.0, 2.0]]]), np.asarray([[[1.0, 1.0], [1.0, 0.0]]])
    errors = [np.zeros_like(x), np.asarray([[[0.0, 0.0], [1.0, 0.0]]])]
    op = Softmax()
    bound = op.float_bound([x, mask], errors, op.real(x, mask), 2.0**-24)
    assert (bound[0, 0] < 1e-5).all()
    np.testing.assert_array_equal(bound[0, 1], 1.0)
