"""Events of varied length: what a shorter event gives is what a shorter model gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import recurrent_graphs

import gatewright as gw
from gatewright.base import DataError, GatewrightError, OptionError
from gatewright.frontends.recipes.recurrent import recurrent
from gatewright.hw import Packing, Simulator
from gatewright.ir import Node, Output, evaluate
from gatewright.num import FixedArray
from gatewright.ops import Sum
from gatewright.passes.streams import Loop, marked, roll, varied_input, with_lengths

STEPS = 4


def events(count=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(-8, 8, (count, STEPS, recurrent_graphs.FEATURES)) / 4
    return x, rng.integers(1, STEPS + 1, count)


def shorter(kind, rows, each=False):
    """Return what a model made for so many steps gives."""
    graph = recurrent_graphs.layer(kind, steps=rows.shape[1], each=each)
    (port,), (out,) = graph.inputs, graph.outputs
    codes = np.rint(rows * 4).astype(np.int64)
    return evaluate(graph, {"x": FixedArray(codes, port.type.frac)})[out.value].value


@pytest.fixture(scope="module")
def design():
    graph = recurrent_graphs.layer("simple", steps=STEPS)
    return gw.compile(graph, varied_length=True, ports="axi-stream", name="varied")


def test_an_event_ends_where_it_says(design):
    x, lengths = events()
    found = design.predict(x, lengths=lengths)
    for n in range(1, STEPS + 1):
        assert np.array_equal(found[lengths == n], shorter("simple", x[lengths == n][:, :n]))
    behind = np.arange(STEPS) >= lengths[:, None]
    other = np.where(behind[..., None], 1.0, x)  # what is behind the end does not matter
    assert np.array_equal(design.predict(other, lengths=lengths), found)
    assert np.array_equal(design.simulate(x, lengths=lengths), found)
    assert np.array_equal(design.predict(x), shorter("simple", x))
    assert (design.predict(x, lengths=np.zeros(40, int)) == 0).all()
    assert design.stream.inputs[0].beat == recurrent_graphs.FEATURES + 1


def test_frames_of_every_length_in_cycles(design):
    """TLAST ends an event early; that is no wrong frame, and one too long is."""
    x, lengths = events(6, 1)
    wanted = design.predict(x, lengths=lengths)
    port, out = design.stream.inputs[0], design.stream.outputs[0]
    codes = np.rint(x * 4).astype(np.int64)
    beats = [
        ([*codes[i, k], 1], k + 1 == lengths[i]) for i in range(len(x)) for k in range(lengths[i])
    ]
    beats += [([0] * port.beat, False)] * STEPS + [([0] * port.beat, True)]  # too long
    simulator = Simulator(design.module)
    simulator.reset()
    pad = len(design.module.inputs["s_axis_x_tdata"]) - port.beat
    answers, errors, cycle = [], [], 0
    while len(answers) < len(x) * out.beats:
        beat, last = beats[0] if beats else ([0] * port.beat, False)
        given = {
            "s_axis_x_tdata": [*beat, *[0] * pad], "s_axis_x_tvalid": [int(bool(beats))],
            "s_axis_x_tlast": [int(last)], "m_axis_y0_tready": [1],
        }  # fmt: skip
        found = simulator.step({name: np.asarray([v]) for name, v in given.items()})
        if beats and found["s_axis_x_tready"][0, 0]:
            beats.pop(0)
        if found["m_axis_y0_tvalid"][0, 0]:
            answers.append(found["m_axis_y0_tdata"][0, : out.beat])
            errors.append(int(found["x_frame_error"][0, 0]))
        cycle += 1
        assert cycle < 40 * design.interval
    got = FixedArray(np.concatenate(answers).reshape(len(x), -1), out.types.frac[0]).value
    assert np.array_equal(got, wanted)
    assert errors[: len(x) - 1] == [0] * (len(x) - 1)
    assert Packing.of(port.types).bits == 9


def test_a_design_of_varied_length_comes_back_from_disk(tmp_path):
    graph = recurrent_graphs.layer("simple", steps=STEPS)
    built = gw.compile(graph, varied_length=True, stateful=True)
    x, lengths = events(20, 2)
    rows = np.concatenate([x[i, :n] for i, n in enumerate(lengths)])
    wanted = shorter("simple", rows[None], each=True)[0][np.cumsum(lengths) - 1]
    assert np.array_equal(built.predict(x, lengths=lengths), wanted)
    design = gw.load(built.save(tmp_path / "design"))
    assert design.options.varied_length
    assert varied_input(design.graph) == "x"
    run = design.session()
    parts = [run.predict(x[:7], lengths=lengths[:7]), run.predict(x[7:], lengths=lengths[7:])]
    assert np.array_equal(np.concatenate(parts), wanted)
    assert design.verify(random=20).verified


def test_calibration_is_of_full_events():
    x = events(30, 3)[0]
    graph = recurrent_graphs.layer("simple", steps=STEPS)
    design = gw.compile(graph, calibration=x, varied_length=True)
    assert (design.calibration["x"].q[..., -1] == 1).all()
    assert design.facts()["metrics"]["relative_error"] == 0.0


def over_all_steps():
    graph = recurrent_graphs.layer("gru", each=True, steps=STEPS)
    total = Node("total", Sum((0,)), (graph.outputs[0].value,), "total")
    return replace(graph, nodes=(*graph.nodes, total), outputs=(Output("y", "total"),))


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (over_all_steps, r"also those that an event does not have(.|\n)*layer 'total'"),
        (lambda: recurrent_graphs.both_ways("gru"), "also those that an event does not have"),
        (
            lambda: recurrent_graphs.layer("gru", each=True, steps=STEPS),
            "also those that an event does not have",
        ),
        (
            lambda: replace(recurrent_graphs.layer("gru"), nodes=(), outputs=(Output("y", "x"),)),
            "a model without recurrent layers has no steps to be left out",
        ),
    ],
)
def test_what_would_see_all_rows_is_refused(graph, words):
    with pytest.raises(OptionError, match=words):
        with_lengths(graph())


@pytest.mark.parametrize("kind", ["simple", "lstm", "gru"])
@pytest.mark.parametrize("more", [{}, {"backwards": True}, {"states": True}], ids=str)
def test_a_shorter_event_is_that_of_a_shorter_model(kind, more):
    x, lengths = events(30, 4)
    varied = with_lengths(recurrent_graphs.layer(kind, steps=STEPS, **more))
    (port,) = varied.inputs
    codes = np.rint(x * 4).astype(np.int64)
    rolled = roll(varied)
    assert sum(isinstance(node.op, Loop) for node in rolled.nodes) == 1
    inputs = {"x": FixedArray(marked(codes, lengths), port.type.frac)}
    found, again = evaluate(varied, inputs), evaluate(rolled, inputs)
    for n in range(1, STEPS + 1):
        graph = recurrent_graphs.layer(kind, steps=n, **more)
        part = FixedArray(codes[lengths == n][:, :n], graph.inputs[0].type.frac)
        wanted = evaluate(graph, {"x": part})
        for own, theirs in zip(varied.outputs, graph.outputs, strict=True):
            for got in (found, again):
                assert np.array_equal(
                    got[own.value].value[lengths == n], wanted[theirs.value].value
                )


def test_two_directions_side_by_side_feed_another_layer():
    graph = with_lengths(stacked())
    assert [n.op.kind for n in roll(graph).nodes if n.op.kind == "loop"] == ["loop"] * 3


def stacked():
    """Both directions, and a layer over what they give."""
    first = recurrent_graphs.both_ways("simple")
    to = recurrent_graphs.Nodes("top", list(first.nodes))
    x = recurrent_graphs.Value(first.outputs[0].value, (recurrent_graphs.STEPS, 6))
    run = recurrent(to, recurrent_graphs.cell_of("simple", features=6), x)
    return recurrent_graphs.graph_of(to, first.inputs, run.outputs[-1])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"varied_length": 1}, "is a yes or no"),
        ({"varied_length": True, "reuse": 2}, r"reuse = 2, varied_length = True"),
        (
            {"varied_length": True, "stateful": True, "event_steps": 1},
            "for events of varied length",
        ),
        (
            {"varied_length": True, "plan": {"x": {"beat": 1}}},
            r"come row by row(.|\n)*supported: beat 3",
        ),
    ],
)
def test_what_cannot_be_is_refused(more, words):
    with pytest.raises(GatewrightError, match=words):
        gw.compile(recurrent_graphs.layer("gru"), **more)


def test_lengths_that_do_not_fit(design):
    x, lengths = events(5)
    for wrong in (lengths[:4], lengths + 4, lengths / 2.0, -lengths):
        with pytest.raises(DataError, match="the lengths of events do not fit the data"):
            design.predict(x, lengths=wrong)
    plain = gw.compile(recurrent_graphs.layer("simple"), ii=40)
    with pytest.raises(OptionError, match="events all have the same number of steps"):
        plain.predict(x[:, :3], lengths=lengths)
