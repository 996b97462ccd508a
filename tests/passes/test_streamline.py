"""Streamlined graphs give the source's numbers, exactly, ties included."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from exact_replay import fractions, replay
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import ops
from gatewright.base import DataError, ManyErrors, UnsupportedError
from gatewright.ir import Graph, Input, Node, Output, evaluate, infer, run_real
from gatewright.num import FixedArray, Intervals, Overflow, Rounding
from gatewright.ops.scaled_quantize import Quotient, quotients
from gatewright.passes.graph import exactly, streamline
from gatewright.passes.graph.steps import Rule, Staircase, exact_quotient, find_steps

SCALES = [0.75, 1.5, 0.25, 3.0, float(np.float32(0.1)), float(np.float32(1 / 7)), 0.3125]
# The short binary fractions make ties happen; the float32 ones are what files hold.


def scaled(scale, low=-8, high=7, zero_point=0, rounding=Rounding.RND_CONV, **more):
    return ops.ScaledQuantize(
        np.asarray(scale, np.float64),
        np.asarray(zero_point, np.float64),
        low,
        high,
        rounding,
        **more,
    )


def dense(weight, bias=None):
    return ops.Dense.of(np.asarray(weight, np.float64), bias)


def affine(scale, offset=0.0):
    return ops.Affine(np.asarray(scale, np.float64), np.asarray(offset, np.float64))


def chain(*steps, shape=(3,), names=None, x_type=None):
    """Build a graph of operations in a row."""
    nodes, last = [], "x"
    for k, op in enumerate(steps):
        name = f"n{k}"
        nodes.append(Node(name, op, (last,), f"layer{k}"))
        last = name
    return Graph("g", (Input("x", shape, x_type),), tuple(nodes), (Output("y", last),), "test.onnx")


def codes_of(graph, x):
    """Encode on the host, as flow does."""
    inputs = {}
    for i in graph.inputs:
        values = x[i.name]
        for op in i.encode:
            values = op.real(values)
        q = np.ldexp(values, np.broadcast_to(i.type.frac, values.shape).astype(np.int32))
        assert (q == np.rint(q)).all()
        inputs[i.name] = FixedArray(q.astype(np.int64), i.type.frac)
    return inputs


def check(graph, samples=24, seed=0, x=None):
    """Compare the streamlined graph on integers with fractions of the source's rules."""
    turned = streamline(graph)
    assert not any(isinstance(n.op, ops.ScaledQuantize) for n in turned.nodes)
    rng = np.random.default_rng(seed)
    x = x or {i.name: rng.integers(-96, 97, (samples, *i.shape)) / 8 for i in graph.inputs}
    integers = evaluate(turned, codes_of(turned, x))
    source = replay(graph, {name: fractions(v) for name, v in x.items()})
    for before, after in zip(graph.outputs, turned.outputs, strict=True):
        value = integers[after.value]
        got = fractions(value.q) * np.vectorize(lambda f: Fraction(2) ** -int(f), otypes=[object])(
            value.frac
        )
        for op in after.decode:
            # Scales of several float32 factors are rounded to float64 in `decode`; undo that here
            # by comparing as floats where they are not exact.
            got = fractions(op.real(got.astype(np.float64)))
        expected = source[before.value]
        assert got.shape == expected.shape
        error = np.abs((got - expected).astype(np.float64))
        assert (error <= 1e-12 * np.maximum(1, np.abs(expected.astype(np.float64)))).all()
    return turned


WEIGHT = np.asarray([[1, -2, 3], [0, 5, -1], [2, 2, -4]])

MODES = list(Rounding)


@pytest.mark.parametrize("rounding", MODES)
@pytest.mark.parametrize("shift_after", [False, True])
def test_every_rounding_mode_on_ties(rounding, shift_after):
    """Every accumulator from end to end, so that each tie is met; zero points odd and even."""
    for zero_point in (0, 3):
        stairs = Staircase(
            np.asarray([Fraction(1, 4), Fraction(-1, 2)], object),
            np.asarray([Fraction(0), Fraction(1, 8)], object),
            (),
            Rule.of(
                scaled(0.5, -5, 9, zero_point, rounding, shift_after=shift_after),
                lambda a: np.broadcast_to(a, (2,)),
            ),
        )
        steps = find_steps(stairs, np.asarray([-40, -30]), np.asarray([37, 30]))
        op = ops.Requantize(steps.thresholds, steps.falling, steps.first, steps.step)
        source = scaled(0.5, -5, 9, zero_point, rounding, shift_after=shift_after)
        for channel, (lo, hi) in enumerate([(-40, 37), (-30, 30)]):
            q = np.arange(lo, hi + 1)
            got = op.evaluate(FixedArray(np.stack([q, q], 1), np.asarray(0))).q[:, channel]
            values = [v * stairs.scale[channel] + stairs.offset[channel] for v in q.tolist()]
            assert got.tolist() == [source.code_of(v, Fraction(1, 2), zero_point) for v in values]
    assert steps.falling.tolist() == [False, True]


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from(MODES), st.booleans())
def test_every_integer_of_random_scales(seed, rounding, shift_after):
    """The scales that files hold, eight bits, against the operation's own exact rule."""
    rng = np.random.default_rng(seed)
    scale = rng.normal(size=2).astype(np.float32) / 8
    offset = rng.normal(size=2).astype(np.float32) * 4
    unit = float(np.float32(rng.uniform(0.02, 0.2)))
    zero_point = int(rng.integers(0, 200))
    source = scaled(unit, 0, 255, zero_point, rounding, shift_after=shift_after)
    kind = Intervals.of(np.full(2, -300), np.full(2, 300), 0)
    turned = streamline(chain(affine(scale, offset), ops.Relu(), source, shape=(2,), x_type=kind))
    q = np.arange(-300, 301)
    got = evaluate(turned, {"x": FixedArray(np.stack([q, q], 1), np.asarray(0))})
    codes = got[turned.outputs[0].value].q
    for c in range(2):
        values = [
            max(Fraction(float(scale[c])) * v + Fraction(float(offset[c])), 0) for v in q.tolist()
        ]
        exact = [
            source.code_of(Fraction(v), Fraction(unit), zero_point) - zero_point for v in values
        ]
        assert codes[:, c].tolist() == exact


@st.composite
def quantizers(draw, signed=True):
    bits = draw(st.integers(2, 4))
    low = -(1 << (bits - 1)) if signed else 0
    high = low + (1 << bits) - 1
    return scaled(
        draw(st.sampled_from(SCALES)),
        low,
        high,
        draw(st.sampled_from([0, 0, 1, 3])),
        draw(st.sampled_from(MODES)),
        shift_after=draw(st.booleans()),
    )


@st.composite
def activations(draw):
    return draw(
        st.sampled_from(
            [
                (),
                (ops.Relu(),),
                (ops.Relu(high=1.25),),
                (ops.Clip(-0.5, 2.0),),
                (ops.LeakyRelu(np.asarray(0.125)),),
                (ops.LeakyRelu(np.asarray([0.5, 0.1, 0.0])), affine([-1.5, 2.0, 0.7], 0.25)),
            ]
        )
    )


@settings(max_examples=80)
@given(st.data())
def test_random_networks(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    pick = lambda *values: np.asarray([values[k] for k in rng.integers(0, len(values), 3)])  # noqa: E731
    graph = chain(
        data.draw(quantizers()),
        dense(rng.integers(-7, 8, (3, 3)), rng.integers(-8, 9, 3) / 4),
        affine(pick(0.1, -0.3, 0.5, 0.0, 1.5), pick(0.0, 0.375, -1.1)),
        *data.draw(activations()),
        data.draw(quantizers()),
        dense(rng.integers(-3, 4, (3, 2)), rng.integers(-8, 9, 2) / 16),
        affine(pick(0.1, 0.3, 0.7)[:2], 0.5),
    )
    check(graph, seed=data.draw(st.integers(0, 100)))


def test_float64_replay_agrees():
    rng = np.random.default_rng(1)
    graph = chain(
        scaled(np.float32(0.337), -127, 127),
        dense(rng.integers(-3, 4, (3, 8))),
        affine(rng.uniform(0.01, 0.2, 8), rng.normal(size=8)),
        ops.Relu(),
        scaled(np.float32(1 / 7), 0, 7),
        dense(rng.integers(-3, 4, (8, 2))),
        affine(np.float32(0.15)),
    )
    x = {"x": rng.normal(0, 20, (500, 3))}
    turned = streamline(graph)
    (output,) = turned.outputs
    got = output.decode[0].real(evaluate(turned, codes_of(turned, x))[output.value].value)
    assert np.allclose(got, run_real(graph, x)["n6"], rtol=1e-12, atol=1e-12)


def test_zero_points_per_channel_and_input_codes():
    graph = chain(
        scaled([0.75, 0.75, 0.75], 0, 15, [1, 8, 3], shift_after=True),
        dense(WEIGHT),
        scaled([0.5, 1.5, 0.75], 0, 15, [7, 8, 9], shift_after=True),
        affine([3.0, 1.0, 2.0], 0.1),
        scaled(0.3, -8, 7),
    )
    turned = check(graph)
    assert turned.inputs[0].type.fixed(0).width == 4


def test_channels_on_another_axis_and_movement():
    scale = np.asarray([[0.5], [0.75]])
    graph = chain(
        scaled(0.75),
        affine(scale, [[0.1], [-0.2]]),
        ops.LeakyRelu(np.asarray([[0.25], [0.5]])),
        ops.Transpose((1, 0)),
        scaled([0.3, 0.7], -4, 3),
        affine([1 / 0.3, 1 / 0.7]),
        ops.Reshape((6,)),
        ops.Slice(((1, None, 2),)),
        scaled(0.4, -8, 7),
        shape=(2, 3),
    )
    check(graph)
    inner = chain(scaled(0.75), affine(scale), scaled(scale, -4, 3), shape=(2, 3))
    assert [n.op.kind for n in check(inner).nodes] == ["reshape", "requantize", "reshape"]


def test_bipolar_and_negative_scale():
    graph = chain(
        scaled(0.5, -1, 1, bipolar=True),
        dense(WEIGHT),
        affine([-0.3, 0.5, 0.1], [0.3, 0.5, -0.7]),
        scaled(0.7, -1, 1, bipolar=True),
    )
    turned = check(graph)
    (op,) = [n.op for n in turned.nodes if isinstance(n.op, ops.Requantize)]
    assert op.step == 2
    assert op.falling.tolist() == [True, False, False]


def test_power_of_two_quantizers_behind_any_scale():
    fixed = ops.Quantize.to([True, True, False], [5, 6, 4], [1, 2, 3], Rounding.RND, Overflow.SAT)
    turned = check(chain(scaled(0.3), dense(WEIGHT), affine([0.3, -1.5, 0.75], 0.1), fixed))
    assert not turned.outputs[0].decode
    wrap = ops.Quantize.to(True, 4, 1)
    with pytest.raises(UnsupportedError, match="does not saturate"):
        streamline(chain(scaled(0.3), dense(WEIGHT), wrap))


def residual(join, first=0.3, second=0.3, behind=()):
    nodes = [
        Node("q", scaled(0.75), ("x",), "q"),
        Node("d", dense(WEIGHT), ("q",), "d"),
        Node("a", scaled(first), ("d",), "qa"),
        Node("b", scaled(second, zero_point=2), ("q",), "qb"),
        Node("j", join, ("a", "b"), "join"),
    ]
    last = "j"
    for k, op in enumerate(behind):
        nodes.append(Node(f"e{k}", op, (last,), f"e{k}"))
        last = f"e{k}"
    return Graph("g", (Input("x", (3,)),), tuple(nodes), (Output("y", last),), "test.onnx")


JOINS = (ops.Add(), ops.Subtract(), ops.Maximum(), ops.Minimum(), ops.Multiply())


@pytest.mark.parametrize("join", [*JOINS, ops.Concatenate(0)])
def test_two_values_of_equal_scale(join):
    check(residual(join))
    check(residual(join, behind=(ops.Relu(), scaled(0.4))))


@pytest.mark.parametrize("join", [ops.Add(), ops.Maximum()])
def test_scales_that_differ_by_a_power_of_two_are_shifted(join):
    check(residual(join, 0.3, 1.2))
    check(residual(join, 1.2, 0.3))


def test_scales_that_differ_otherwise_are_refused():
    with pytest.raises(UnsupportedError) as caught:
        streamline(residual(ops.Add(), 0.3, 0.4))
    text = str(caught.value)
    assert "two values of different scales meet" in text
    assert "'join'" in text
    assert "share the quantizer" in text


def test_constants_join():
    for join in JOINS:
        for order in (("q", "c"), ("c", "q")):
            nodes = (
                Node("q", scaled(0.3), ("x",)),
                Node("c", ops.Constant(np.asarray([0.5, -0.7, 1.1])), ("x",)),
                Node("j", join, order),
                Node("z", scaled(0.2), ("j",)),
            )
            graph = Graph("g", (Input("x", (3,)),), nodes, (Output("y", "z"), Output("j", "j")))
            nodes_with_typed = graph.with_nodes(
                (nodes[0], Node("c", nodes[1].op, ("q",)), *nodes[2:])
            )
            check(nodes_with_typed)


def test_activation_without_quantizer():
    """Relu of codes is exact where nothing was added; behind a bias it is refused."""
    check(chain(scaled(0.3), dense(WEIGHT), ops.Relu(), dense(WEIGHT)))
    check(chain(scaled(0.75), ops.LeakyRelu(np.asarray(0.5)), dense(WEIGHT)))
    check(chain(scaled(0.75), affine(2.0, 1.5), ops.Relu(high=3.0), dense(WEIGHT)))
    with pytest.raises(UnsupportedError, match="a product follows an activation") as caught:
        streamline(chain(scaled(0.3), affine(1.0, 0.1), ops.Relu(), dense(WEIGHT)))
    assert "quantize the activation" in str(caught.value)


def test_scales_per_input_channel_are_refused():
    with pytest.raises(UnsupportedError, match="one scale for all elements"):
        streamline(chain(scaled([0.3, 0.4, 0.5]), dense(WEIGHT)))
    check(chain(scaled([0.3, 0.6, 1.2]), dense(WEIGHT), scaled(0.7)))


def test_functions_wait_for_the_quantizer():
    rng = np.random.default_rng(0)
    steps = (
        scaled(0.3),
        dense(WEIGHT),
        affine(0.17, 0.05),
        ops.Function("tanh"),
        scaled(float(np.float32(0.07)), -15, 15),
    )
    graph, x = chain(*steps), {"x": rng.normal(0, 4, (400, 3))}
    turned = streamline(graph)
    (output,) = turned.outputs
    got = output.decode[0].real(evaluate(turned, codes_of(turned, x))[output.value].value)
    assert np.array_equal(got, run_real(graph, x)["n4"])
    with pytest.raises(UnsupportedError, match="numbers whose scale is a power of two"):
        streamline(chain(*steps[:3], ops.Function("silu"), steps[4]))


def test_functions_at_the_output_go_to_the_host():
    graph = chain(scaled(0.3), dense(WEIGHT), affine(0.2, 0.1), ops.Softmax())
    turned = streamline(graph)
    assert [op.kind for op in turned.outputs[0].decode] == ["affine", "softmax"]
    winner = chain(scaled(0.3), dense(WEIGHT), affine(0.2, 0.1), ops.Softmax(), ops.Argmax())
    assert [n.op.kind for n in streamline(winner).nodes] == ["dense", "argmax"]
    check(chain(scaled(0.3), dense(WEIGHT), affine(0.2, 0.1), ops.Argmax()))
    with pytest.raises(UnsupportedError, match="follows a softmax"):
        streamline(chain(scaled(0.3), ops.Softmax(), dense(WEIGHT)))
    with pytest.raises(UnsupportedError, match="argmax"):
        streamline(chain(scaled(0.3), affine(1.0, [0.1, 0.2, 0.3]), ops.Argmax()))


def test_real_input_without_a_quantizer():
    with pytest.raises(DataError) as caught:
        streamline(chain(dense(WEIGHT), scaled(0.3)))
    assert "reaches no quantizer first" in str(caught.value)
    typed = chain(dense(WEIGHT), scaled(0.3), x_type=Intervals.of(np.full(3, -8), np.full(3, 7), 1))
    turned = streamline(typed)
    assert [n.op.kind for n in turned.nodes] == ["dense", "requantize"]


def test_all_errors_are_gathered():
    nodes = (
        Node("q", scaled([0.3, 0.4, 0.5]), ("x",)),
        Node("d", dense(WEIGHT), ("q",)),
        Node("e", dense(WEIGHT), ("q",)),
        Node("after", ops.Relu(), ("e",)),
    )
    graph = Graph("g", (Input("x", (3,)),), nodes, (Output("y", "after"),))
    with pytest.raises(ManyErrors) as caught:
        streamline(graph)
    assert len(caught.value.errors) == 2


def test_graph_without_scales_is_unchanged():
    graph = chain(ops.Quantize.to(True, 4, 1), dense(WEIGHT))
    assert streamline(graph) is graph


def test_too_many_levels():
    with pytest.raises(UnsupportedError, match="too many levels"):
        streamline(
            chain(scaled(0.3, -(2**15), 2**15), dense(WEIGHT), scaled(1e-5, -(2**20), 2**20))
        )


def test_types_are_tight():
    turned = streamline(chain(scaled(0.3, 0, 3), dense(WEIGHT), ops.Relu(), scaled(1.0, 0, 255)))
    kind = infer(turned)[turned.outputs[0].value]
    # The largest sum is 3 * 0.3 * (5 + 2) = 6.3.
    assert kind.hi.tolist() == [3, 6, 3]
    assert kind.lo.tolist() == [0, 0, 0]


def test_keyword_network_gives_the_published_classes(shared_data):
    """1000 of 1000, with the published system's choice among equal scores.

    The integers of two samples tie exactly between two classes; the published system answered the
    later one both times.
    """
    from gatewright.frontends.onnx import read_onnx

    graph = read_onnx(shared_data / "models" / "mlperf_kws_w3a3_qonnx.onnx")
    data = np.load(shared_data / "mlperf_tiny_kws_w3a3.npz")
    x = {
        graph.inputs[0].name: (data["x"][:, 0].astype(np.float32) * data["scale"]).astype(
            np.float64
        )
    }
    turned = streamline(graph)
    codes = codes_of(turned, x)
    assert np.array_equal(codes[turned.inputs[0].name].q, data["x"][:, 0])
    (output,) = turned.outputs
    scores = evaluate(turned, codes)[output.value]
    tied = (scores.q == scores.q.max(axis=1, keepdims=True)).sum(axis=1) > 1
    classes = 11 - scores.q[:, ::-1].argmax(axis=1)
    assert (classes == data["recorded"]).sum() == 1000
    assert tied.sum() == 2
    assert np.array_equal(scores.q.argmax(axis=1)[~tied], data["recorded"][~tied])
    assert (classes == data["y"]).mean() == 0.826
    decoded = output.decode[0].real(scores.value)
    assert np.array_equal(decoded, run_real(graph, x)[graph.outputs[0].value])


SINGLE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.integers(-(1 << 70), 1 << 70), st.integers(1, 1 << 60))
def test_ratios_round_to_float32_as_numpy_rounds(n, d):
    top, bottom = exactly.single(n, d)
    got = Fraction(top, bottom)
    near = np.float32(n / d)  # at most one step off, as float64 comes between
    around = [np.nextafter(near, np.float32(side)) for side in (-np.inf, np.inf)]
    best = min((near, *around), key=lambda v: (abs(Fraction(float(v)) - Fraction(n, d)), _odd(v)))
    assert got == Fraction(float(best))


def _odd(value):
    return int(np.float32(value).view(np.int32)) & 1


@settings(max_examples=60)
@given(SINGLE, st.floats(2**-8, 2**8, width=32), st.booleans())
def test_float32_quotients_are_exact_where_they_are_proven(x, scale, reciprocal):
    quotient = Quotient.RECIPROCAL if reciprocal else Quotient.DIVIDED
    n, d = exact_quotient(scale, quotient)(exactly.ratio(x))
    got = float(quotients(np.asarray(x), np.asarray(scale), 0.0, quotient))
    assert np.float64(n) / d == got if np.isfinite(got) else abs(Fraction(n, d)) >= 2**127


@pytest.mark.parametrize("quotient", [Quotient.DIVIDED, Quotient.RECIPROCAL])
def test_thresholds_keep_ties_that_only_float32_has(quotient):
    """Half steps of a scale are ties in float32: division and reciprocal differ on many."""
    scale = float(np.float32(0.0199))
    source = replace(scaled(scale, -128, 127, 0, shift_after=True), quotient=quotient)
    unit = scale / 2
    graph = Graph(
        "ties",
        (Input("x", (), Intervals.of(-300, 300, 0)),),
        (Node("a", ops.Affine(np.asarray(unit), np.asarray(0.0)), ("x",)),
         Node("q", source, ("a",))),
        (Output("y", "q"),),
    )  # fmt: skip
    q = np.arange(-300, 301)
    turned = streamline(graph)
    codes = evaluate(turned, {"x": FixedArray(q, np.asarray(0))})[turned.outputs[0].value].q
    x = (q * unit).astype(np.float32)
    by = x / np.float32(scale)
    if quotient is Quotient.RECIPROCAL:
        by = x * (np.float32(1) / np.float32(scale))
    assert np.array_equal(codes.ravel(), np.clip(np.rint(by), -128, 127))
    exact = np.clip(np.rint(q / 2), -128, 127)
    assert (codes.ravel() != exact).any()
