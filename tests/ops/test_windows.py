"""Windows, grouped matrices and reductions on shapes that do not fit, and by their definitions."""

import numpy as np
import pytest

from gatewright.base import ModelError
from gatewright.ops import Dense, GroupedDense, ReduceMax, ReduceMin, Windows


def test_windows_by_definition() -> None:
    x = np.random.default_rng(1).normal(size=(2, 7, 6, 3))
    op = Windows.of((2, 3), (2, 1), (3, 2))
    y = op.real(x)
    assert y.shape == (2, 2, 2, 18)
    for i, j in np.ndindex(2, 2):
        taps = [x[:, 2 * i + 3 * a, j + 2 * b] for a in range(2) for b in range(3)]
        assert (y[:, i, j] == np.concatenate(taps, -1)).all()


@pytest.mark.parametrize(
    ("op", "shape", "text"),
    [
        (Windows.of((3,)), (2, 1), "larger than its input"),
        (Windows.of((3,)), (4,), "does not fit the rank"),
        (Windows((2,), (0,), (1,)), (4, 1), "larger than its input"),
        (GroupedDense.of(np.ones((2, 3, 1))), (3, 3), "does not fit its matrices"),
        (ReduceMax((1,)), (3,), "a max along axes that are not there"),
        (ReduceMin((1, 0)), (3, 2), "a min along axes that are not there"),
    ],
)
def test_shapes_that_do_not_fit(op, shape, text) -> None:
    with pytest.raises(ModelError, match=text):
        op.real(np.zeros((1, *shape)))


@pytest.mark.parametrize(
    ("weight", "bias", "text"),
    [
        (np.ones((2, 3)), None, "a matrix for each group"),
        (np.ones((2, 3, 1)), np.ones(2), "bias does not fit its matrices"),
    ],
)
def test_grouped_weights_that_do_not_fit(weight, bias, text) -> None:
    with pytest.raises(ModelError, match=text):
        GroupedDense.of(weight, bias)


def test_a_row_of_a_grouped_dense_is_its_groups_matrix() -> None:
    op = GroupedDense.of(np.arange(12.0).reshape(2, 3, 2), np.asarray([[1.0, 2], [3, 4]]))
    row = op.at_row((5, 1))
    assert isinstance(row, Dense)
    assert (row.weight == op.weight[1]).all()
    assert (row.bias == [3, 4]).all()
