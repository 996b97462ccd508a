"""What operations on sets and choices refuse, and their gradients in place of jumps."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.base import GatewrightError
from gatewright.num import Fixed, Intervals
from gatewright.ops import (
    Argmax,
    Compare,
    Embedding,
    Logical,
    OneHot,
    Segment,
    Sign,
    Take,
    TopK,
    Where,
)


def of(fmt, *shape):
    return Intervals.format(Fixed.parse(fmt), shape)


BITS, WIDE, HALVES = of("ufixed<1,1>", 2), of("fixed<4,2>", 2), of("fixed<4,3>", 2)
INFER = {
    "truth": (Where(), (WIDE, WIDE, WIDE), "the condition of a choice is no truth value",
              "found:     numbers from -2 to 1.75 in steps of 0.25"),
    "logic": (Logical("and"), (BITS, WIDE), "an operand of a logical and is no truth value", ""),
    "one operand": (Logical("or"), (BITS,), "joins the wrong number of tensors", "supported: 2"),
    "fraction": (OneHot(3), (HALVES,), "can be a number that is no position", "steps of 0.5"),
    "row": (Embedding(np.ones((3, 2))), (of("ufixed<2,2>", 2),), "the operand of an embedding",
            "supported: integers from 0 to 2"),
    "position": (Take(0), (of("fixed<4,2>", 3), of("fixed<4,4>", 1)), "a position to take from",
                 "supported: integers from -3 to 2"),
    "axis": (Take(1), (WIDE, of("ufixed<1,1>", 1)), "along an axis that is not there", "axis 1"),
    "along": (Take(0, True), (of("fixed<4,2>", 2, 2), of("ufixed<1,1>", 2, 3)),
              "positions do not have the shape of what they point into", "(2, 3) into (2, 2)"),
    "too many": (TopK(3), (WIDE,), "a top-k takes more elements than there are", "k=3 of shape"),
    "names": (Segment(2), (WIDE, of("ufixed<1,1>", 3)), "segments are not named row by row", ""),
    "number": (Segment(2), (WIDE, HALVES), "the number of a segment can be a number", ""),
    "shapes": (Compare("less"), (of("fixed<4,2>", 3), WIDE), "do not fit together", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", INFER)
def test_types_that_do_not_fit(case):
    op, types, what, more = INFER[case]
    with pytest.raises(GatewrightError) as error:
        op.infer(*types)
    assert what in str(error.value)
    assert more in str(error.value)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Compare("same"), "a comparison is not known"),
        (lambda: Logical("nand"), "a logical function is not known"),
        (lambda: Sign(2), "the sign of 0 is not known"),
        (lambda: OneHot(0), "a one-hot vector has no length"),
        (lambda: TopK(0), "a top-k is malformed"),
        (lambda: Segment(2, "product"), "a reduction by segments is malformed"),
        (lambda: Segment(2, "sum", 1.0), "a sum of no rows is 0"),
        (lambda: Embedding(np.ones(3)), "no table of rows and features"),
    ],
)
def test_what_is_malformed(make, text):
    with pytest.raises(GatewrightError) as error:
        make()
    assert text in str(error.value)


def test_positions_out_of_range_are_no_rows():
    with pytest.raises(GatewrightError) as error:
        Take(0).real(np.zeros((1, 3)), np.full((1, 1), 3.0))
    assert "found:     3 to 3 of 3" in str(error.value)
    with pytest.raises(GatewrightError) as error:
        Embedding(np.ones((3, 2))).real(np.full((1, 1), -1.0))
    assert "supported: 0 to 2" in str(error.value)


def test_decisions_have_slopes():
    """Of the size of one over the spread; a constant decides nothing and has none."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 6)) * 4
    for op in (TopK(2, "positions"), Argmax(), Argmax(smallest=True), Sign()):
        y = op.real(x)
        (dx,) = op.pullback([x], y)(np.ones(y.shape))
        assert dx.shape == x.shape
        assert 0.1 < np.abs(dx).max() < 2
    first = np.argmax(x, axis=1)
    (dx,) = Argmax().pullback([x], first)(np.ones(50))
    assert (dx[np.arange(50), first] > 0).all()
    assert ((dx != 0).sum(1) == 2).all()
    a, b = Compare("less").pullback([x, x[:, :1]], x)(np.ones(x.shape))
    assert a.shape == x.shape
    assert b.shape == (50, 1)
    same = np.ones((5, 3))
    a, b = Compare("less").pullback([same, same], same)(same)
    assert not a.any()
    assert not b.any()


def test_a_choice_feels_what_it_chooses():
    x = [np.asarray([[1.0, 0.0]]), np.asarray([[3.0, 5.0]]), np.asarray([[4.0, 9.0]])]
    parts = Where().pullback(x, Where().real(*x))(np.ones((1, 2)))
    np.testing.assert_array_equal(parts, [[[-1, -4]], [[1, 0]], [[0, 1]]])
    bits = [np.asarray([[1.0, 0.0]]), np.asarray([[1.0, 1.0]])]
    for name, wanted in (("and", [[1, 1], [1, 0]]), ("or", [[0, 0], [0, 1]]),
                         ("xor", [[-1, -1], [-1, 1]])):  # fmt: skip
        found = Logical(name).pullback(bits, bits[0])(np.ones((1, 2)))
        np.testing.assert_array_equal(np.concatenate(found), wanted)


def test_values_and_positions_share_one_network():
    from gatewright.ir import Graph, Input, Node, Output
    from gatewright.passes.lower import lower
    from gatewright.passes.netlist import total_resources

    def cost(*ops):
        kind = of("fixed<8,4>", 6)
        nodes = tuple(Node(f"y{i}", op, ("x",), "sort") for i, op in enumerate(ops))
        outputs = tuple(Output(f"o{i}", n.name) for i, n in enumerate(nodes))
        return total_resources(lower(Graph("g", (Input("x", (6,), kind),), nodes, outputs))).lut

    values, positions = TopK(3, both=True), TopK(3, "positions")
    assert cost(values, positions) == cost(positions)
    assert cost(TopK(1)) < cost(TopK(3)) < cost(TopK(6))
