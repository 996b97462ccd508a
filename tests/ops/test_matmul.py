"""Products of two activations: shapes that do not fit, and rows as instances of one module."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.base import FormatError, ModelError
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Matmul, Quantize
from gatewright.passes.lower import lower
from gatewright.passes.netlist import resources


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((3,), (3, 2)), ((2, 1, 3), (3, 3, 1))])
def test_shapes_that_do_not_fit(shapes):
    with pytest.raises(ModelError) as error:
        Matmul().real(*(np.zeros((1, *shape)) for shape in shapes))
    assert "the operands of a matrix product do not fit together" in str(error.value)
    assert f"{shapes[0]} and {shapes[1]}" in str(error.value)
    assert "(..., n, k) and (..., k, m)" in str(error.value)


def test_products_too_wide_are_refused():
    kind = Intervals.format(Fixed.parse("fixed<40,20>"), (2, 2))
    with pytest.raises(FormatError, match="would not fit"):
        Matmul().infer(kind, kind)


def test_each_query_is_an_instance_of_one_module():
    kind = Intervals.format(Fixed.parse("fixed<4,2>"), (2, 5, 3))
    keys = Intervals.format(Fixed.parse("fixed<4,2>"), (2, 3, 4))
    narrow = Quantize.to(True, 5, 2, Rounding.RND, Overflow.SAT)
    graph = Graph(
        "net",
        (Input("q", kind.shape, kind), Input("k", keys.shape, keys)),
        (Node("s", Matmul(), ("q", "k"), "scores"), Node("t", narrow, ("s",), "scores")),
        (Output("t", "t"),),
    )
    counts = {name: count for name, (_, count) in resources(lower(graph)).items()}
    assert 10 in counts.values()
