"""Networks with many positions and weights: formats by channel, bounded memory, rows by chance."""

from __future__ import annotations

import numpy as np
import pytest
from quantize_models import chain, dense, integers

from gatewright.frontends import read_model
from gatewright.ir import infer, run_real
from gatewright.num import Fixed, Intervals
from gatewright.ops import Affine, Dense, Gather, Pad, ReduceMax, Relu, Reshape, Sum, Windows
from gatewright.quantize import Formats, quantize
from gatewright.quantize.cost import dense_cost
from gatewright.quantize.forward import decode, forward
from gatewright.quantize.judge import relative_error
from gatewright.quantize.load import MOST_LIVE, MOST_WORK, Load, Rows, chunks

RNG = np.random.default_rng(3)


def small_cnn():
    """Return two convolutions, a pooling of 3 x 3 by an average and a dense layer."""
    return chain(
        Pad((1, 1, 0), (1, 1, 0)),
        Windows.of((3, 3)),
        dense(RNG, 18, 4),
        Relu(),
        Windows.of((3, 3), (2, 2)),
        dense(RNG, 36, 5),
        Relu(),
        Sum((0, 1)),
        Affine(np.asarray(1 / 9), np.asarray(0.0)),
        Reshape((5, 1)),
        ReduceMax((1,)),
        dense(RNG, 5, 3),
        shape=(8, 8, 2),
    )


def test_a_small_convolutional_network():
    graph = small_cnn()
    x = RNG.normal(size=(240, 8, 8, 2))
    q = quantize(graph, x, tolerance=0.05)
    assert q.loss <= 0.06
    real = run_real(graph, {"x": x})["n11"]
    assert relative_error({"y": real}, {"y": integers(q.graph, {"x": x})["y"]}) <= 0.075
    types = infer(q.graph)
    for name in ("x", "n3_q", "n7_q"):  # one format a channel, at every position
        width, frac = types[name].width, types[name].frac
        assert (frac == frac.reshape(-1, frac.shape[-1])[0]).all()
        assert (width > 0).any()
    average = next(n.op for n in q.graph.nodes if n.name == "n8")
    assert average.scale.shape == (5,)
    np.testing.assert_allclose(average.scale, 1 / 9, rtol=0.1)


def test_rows_of_equal_types_are_solved_once():
    op = Dense.of(np.round(RNG.normal(size=(9, 4)) * 8) / 8)
    row, many = (Intervals.format(Fixed(False, 5, 3), (n, 9)) for n in (1, 1000))
    assert dense_cost(op, many) == pytest.approx(1000 * dense_cost(op, row))
    lo, hi, frac = (np.concatenate([v, v[:200]]) for v in (many.lo, many.hi, many.frac))
    hi[1000:, :3] = 0  # the rows at an image's edge
    edged = dense_cost(op, Intervals(lo, hi, frac))
    assert 1000 * dense_cost(op, row) < edged < 1200 * dense_cost(op, row)


def test_samples_and_chunks_keep_memory_bounded():
    load = Load.of(small_cnn())
    assert load.live == 8 * 8 * 18 + 8 * 8 * 4  # the first windows and what is made of them
    assert load.products > 64 * 18 * 4 + 9 * 36 * 5
    assert load.fitted * load.live <= MOST_LIVE
    assert load.tried * load.products <= MOST_WORK
    steps = list(chunks(1000, 300, 9000))
    assert (steps[0], steps[-1]) == (slice(0, 30), slice(990, 1000))
    assert list(chunks(3, 10**9, 10)) == [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_rows_are_a_fair_choice_that_inputs_and_targets_share():
    rows = Rows(50, 0)
    x = RNG.normal(size=(50, 6, 7, 3))
    y = x.sum(-1, keepdims=True)
    some = rows.take(x, 100)
    assert some.shape == (100, 3)
    np.testing.assert_array_equal(some.sum(-1, keepdims=True), rows.take(y, 100))
    np.testing.assert_array_equal(rows.take(x[:, 0, 0]), x[:, 0, 0])


def test_chunks_give_what_the_whole_gives():
    graph = small_cnn()
    x = RNG.normal(size=(100, 8, 8, 2))
    q = quantize(graph, x, tolerance=0.5)
    parts = forward(q.graph, {"x": x}, keep=("n3_q",))
    assert set(parts) == {"n3_q", q.graph.outputs[0].value}
    whole = [forward(q.graph, {"x": v[None]}, keep=("n3_q",))["n3_q"][0] for v in x]
    np.testing.assert_array_equal(parts["n3_q"], whole)


def test_reads_are_counted_through_wiring():
    graph = chain(
        dense(RNG, 3, 2), Relu(), Gather.of([0, 0, 0, 1], 0), Reshape((8,)), dense(RNG, 8, 2),
        shape=(4, 3),
    )  # fmt: skip
    x = RNG.normal(size=(200, 4, 3))
    q = quantize(graph, x, tolerance=0.05)
    width = infer(q.graph)["n1_q"].width
    assert (width > 0).all()
    assert q.loss <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize(
    ("formats", "tolerance", "least"),
    [(Formats(), None, 0.85), (Formats((), "tensor", 8, 8), 0.1, 0.845)],
)
def test_resnet_8_loses_at_most_an_image_or_two_of_200(shared_data, formats, tolerance, least):
    graph = read_model(shared_data / "models" / "mlperf_ic01_resnet8_ref.h5")
    data = np.load(shared_data / "mlperf_tiny_ic01.npz")
    x, y = data["x"].astype(np.float64), data["y"]
    # All images there are, without their labels, and mirrored.
    q = quantize(graph, np.concatenate([x, x[:, :, ::-1]]), formats=formats, tolerance=tolerance)
    (source,), (output,) = graph.inputs, graph.outputs
    fixed = decode(q.graph, forward(q.graph, {source.name: x}))[output.name]
    assert (fixed.argmax(1) == y).mean() >= least
    types = infer(q.graph)
    assert q.graph.inputs[0].type.formats()[0] == Fixed.parse("ufixed<8,8>")
    if formats.is_shared:
        factors = [n.name for n in q.graph.nodes if n.name.endswith("relu_q")]
        assert len(factors) == 6
        assert all(len({*types[name].hi.flat}) == 1 for name in factors)
        assert max(types[name].width.max() for name in factors) <= 8
