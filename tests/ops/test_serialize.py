"""What a design stores of its graph comes back as it was."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.base import ModelError
from gatewright.ir import Graph, Input, Node, Output, run_real
from gatewright.num import Fixed, Intervals
from gatewright.ops import Affine
from gatewright.ops.serialize import dump, load


def scaled(scale) -> Graph:
    kind = Intervals.format(Fixed.parse("fixed<6,3>"), (3,))
    return Graph(
        "g",
        (Input("x", (3,), kind),),
        (Node("y", Affine(scale, np.asarray(0.5)), ("x",), "y"),),
        (Output("y", "y"),),
    )


@pytest.mark.parametrize("scale", [np.asarray(0.75) * 2, np.asarray(1.5), np.full(3, 1.5)])
def test_constants_without_axes_come_back(scale):
    """A product of arrays without axes is no array in NumPy, but a float64."""
    again = load(*dump(scaled(scale)))
    x = np.array([[1.0, -2.0, 0.25]])
    np.testing.assert_array_equal(run_real(again, {"x": x})["y"], x * 1.5 + 0.5)


def test_a_constant_that_is_no_number_is_refused():
    with pytest.raises(ModelError, match=r"Affine\.scale is nan"):
        load(*dump(scaled(np.asarray(0.75) * np.nan)))
