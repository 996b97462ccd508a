"""Windows, sums, maxima, borders and quotients keep the source's numbers when streamlined."""

import numpy as np
import pytest
from exact_replay import fractions, replay
from test_streamline import affine, chain, check, scaled

from gatewright import ops
from gatewright.base import UnsupportedError
from gatewright.ir import evaluate
from gatewright.num import Fixed, FixedArray, Intervals, Overflow, Rounding
from gatewright.passes.graph import streamline

RNG = np.random.default_rng(8)
TENTH, SEVENTH = float(np.float32(0.1)), float(np.float32(1 / 7))
GROUPED = ops.GroupedDense.of(RNG.integers(-3, 4, (2, 3, 2)).astype(float), RNG.normal(size=(2, 2)))
ROWS = ops.Reshape((2, 3))
OUT = scaled(SEVENTH, -100, 100)


@pytest.mark.parametrize(
    "steps",
    [
        (scaled(TENTH), ROWS, GROUPED, OUT),
        (scaled(TENTH, zero_point=3), ROWS, GROUPED, ops.Relu(), OUT),
        (scaled(TENTH), ROWS, ops.Sum((1,)), ops.DivideConstant.of(3), OUT),
        (scaled(TENTH, zero_point=2), ops.Sum((0,), True), ops.DivideConstant.of(6), OUT),
        (scaled(TENTH), ROWS, affine([0.25, 0.5, 1.0], 0.5), ops.Sum((0,)), OUT),
        (scaled(TENTH), ROWS, affine([0.3, 0.7, 1.1]), ops.Sum((0,)), OUT),
        (scaled(TENTH), ROWS, affine([0.25, 0.5, 1.0]), ops.Sum((1,)), OUT),
        (scaled(TENTH, zero_point=3), ROWS, ops.ReduceMax((1,)), OUT),
        (scaled(TENTH), affine(1.0, 0.3), ops.Relu(), ROWS, ops.ReduceMin((0,)), OUT),
        (scaled(TENTH), ops.Pad((1,), (2,)), ops.Reshape((9, 1)), ops.Windows.of((3,), (2,)), OUT),
        (scaled(TENTH, zero_point=2), ops.Pad((1,), (0,)), OUT),
        (scaled([TENTH, SEVENTH] * 3), ops.Pad((1,), (1,)), OUT),
        (scaled(TENTH), ops.DivideConstant.of([1, 2, 3, 4, 5, 6]), OUT),
        (scaled(0.25), ops.DivideConstant.of(4), ops.Sum((0,), True), OUT),
    ],
)
def test_numbers_stay(steps):
    check(chain(*steps, shape=(6,)))


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("count", [3, 5, 6, 12])
def test_a_quotient_is_exact_on_every_integer(rounding, count):
    """Also where all scales are powers of two: thirds meet every grid point and every tie."""
    last = ops.Quantize.to(True, 7, 1, rounding, Overflow.SAT)
    kind = Intervals.format(Fixed.parse("fixed<9,8>"), (1,))
    graph = chain(ops.DivideConstant.of(count), last, shape=(1,), x_type=kind)
    turned = streamline(graph)
    assert not any(isinstance(n.op, ops.DivideConstant) for n in turned.nodes)
    q = np.arange(-256, 256)[:, None]
    got = evaluate(turned, {"x": FixedArray(q, np.asarray(1))})[turned.outputs[0].value]
    expected = replay(graph, {"x": fractions(q / 2)})["n1"]
    assert (got.value == expected.astype(np.float64)).all()


def test_a_quotient_at_the_end_is_left_to_the_host():
    kind = Intervals.format(Fixed.parse("fixed<5,4>"), (3,))
    graph = chain(ops.Sum((0,), True), ops.DivideConstant.of(3), x_type=kind)
    turned = check(graph, x={"x": RNG.integers(-16, 16, (9, 3)) / 2})
    assert [n.op.kind for n in turned.nodes] == ["sum"]
    (back,) = turned.outputs[0].decode
    assert back.real(np.asarray([[4.5]])) == 1.5


def test_shifts_need_no_streamlining():
    kind = Intervals.format(Fixed.parse("fixed<5,4>"), (3,))
    graph = chain(ops.DivideConstant.of(4), x_type=kind)
    assert streamline(graph) is graph


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (
            (scaled(TENTH), ops.Pad((1,), (0,), 1.0)),
            "a border of constants is no code of the quantizer",
        ),
        (
            (scaled(TENTH), affine(-1.0), ops.ReduceMax((0,), True), OUT),
            "the largest of values with different offsets, or a scale below zero",
        ),
    ],
)
def test_refusals(steps, text):
    with pytest.raises(UnsupportedError, match=text):
        streamline(chain(*steps, shape=(6,)))


def test_a_quotient_that_nothing_quantizes_says_what_to_do():
    kind = Intervals.format(Fixed.parse("fixed<5,4>"), (3,))
    with pytest.raises(UnsupportedError) as error:
        ops.DivideConstant.of(3).infer(kind)
    assert "no power of two is not quantized\n  found:     a division by 3" in str(error.value)
    assert "remedy:    quantize the average in the model" in str(error.value)
