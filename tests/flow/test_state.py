"""Recurrent layers that keep their state from event to event, through the whole way."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import recurrent_graphs
from keras_files import layer, sequential, start, write_keras

import gatewright as gw
from gatewright.base import FileError, GatewrightError, OptionError, UnsupportedError
from gatewright.ir import evaluate
from gatewright.num import FixedArray
from gatewright.tools.icarus import run_testbench


def long_run(kind, rows):
    """Return what the layer gives behind each of all rows, unrolled."""
    graph = recurrent_graphs.layer(kind, each=True, steps=len(rows))
    (port,), (out,) = graph.inputs, graph.outputs
    return evaluate(graph, {"x": FixedArray(rows[None], port.type.frac)})[out.value].value[0]


def rows_of(count, seed=0):
    return np.random.default_rng(seed).integers(-8, 8, (count, recurrent_graphs.FEATURES))


@pytest.fixture(scope="module")
def design():
    return gw.compile(recurrent_graphs.layer("lstm"), stateful=True, name="memory")


def test_events_are_parts_of_one_sequence(design):
    steps = recurrent_graphs.STEPS
    rows = rows_of(12 * steps)
    wanted = long_run("lstm", rows)[steps - 1 :: steps]
    x = rows.reshape(12, steps, -1) / 4
    assert np.array_equal(design.predict(x), wanted)
    assert np.array_equal(design.simulate(x), wanted)
    assert np.array_equal(design.simulate(x, gaps=np.arange(12) % 5), wanted)
    assert not np.array_equal(design.predict(x[1:]), wanted[1:])  # the first is remembered
    assert design.verify(random=20).verified
    (loop,) = [a for a in design.stream.network.actors if "state kept" in a.note]
    assert loop.note.startswith("recurrent cell, 3 steps, state kept from event to event")


def test_a_session_goes_on_until_it_is_reset(design):
    x = rows_of(30).reshape(10, 3, -1) / 4
    wanted, run = design.predict(x), design.session()
    assert run.state == {}
    parts = [run.predict(x[:4]), run.predict(x[4:5]), run.predict(x[5:])]
    assert np.array_equal(np.concatenate(parts), wanted)
    assert {name: v.shape for name, v in run.state.items()} == {
        "lstm/state0": (3,), "lstm/state1": (3,),
    }  # fmt: skip
    assert np.array_equal(run.state["lstm/state0"], np.floor(wanted[-1] * 16 + 0.5) / 16)
    run.reset()
    assert np.array_equal(run.predict(x[:4]), wanted[:4])


@pytest.mark.parametrize("ports", ["valid", "stream", "axi-stream"])
def test_an_answer_at_every_tick_comes_back_from_disk(ports, tmp_path):
    rows = rows_of(20, 1)
    wanted, x = long_run("simple", rows), rows[:, None] / 4
    graph = recurrent_graphs.layer("simple")
    built = gw.compile(graph, stateful=True, event_steps=1, ports=ports, name="memory")
    assert np.array_equal(built.predict(x), wanted)
    folder = built.save(tmp_path / "design")
    assert "kept from event to event, cleared by rst alone" in (folder / "README.md").read_text()
    design = gw.load(folder)
    assert (design.options.stateful, design.options.event_steps) == (True, 1)
    assert design.stateless.inputs[0].shape == (3, 2)
    assert np.array_equal(design.predict(x), wanted)
    assert design.facts()["state"] == built.facts()["state"]
    found = design.verify(random=20, rtl=ports != "stream")
    simulated = {"simulated RTL", "simulated RTL under stalls"} if ports != "stream" else set()
    exact = {c.subject for c in found.checks if c.status == "exact"}
    assert exact == {"netlist", "golden vectors"} | simulated
    if shutil.which("iverilog"):
        names = [*folder.glob("rtl/*.v"), *folder.glob("tb/*.v"), *folder.glob("vectors/*.hex")]
        texts = {
            str(p.relative_to(folder)) if p.suffix == ".hex" else p.name: p.read_text()
            for p in names
        }
        assert "PASS" in run_testbench(texts, "tb_memory")


def test_the_report_tells_of_the_state(design, tmp_path):
    facts = design.facts()
    assert [(r["layer"], r["state"], r["cleared"]) for r in facts["state"]] == [
        ("lstm", "state0", "by rst alone"), ("lstm", "state1", "by rst alone"),
    ]  # fmt: skip
    page = design.report(tmp_path / "report.html").read_text()
    assert "<h3>State</h3>" in page
    assert "by rst alone" in page
    without = gw.compile(recurrent_graphs.layer("gru"), ii=40)
    assert [r["cleared"] for r in without.facts()["state"]] == ["behind each event, and by rst"]


def test_calibration_is_cut_into_events():
    graph = recurrent_graphs.layer("simple", steps=4)
    x = np.random.default_rng(0).integers(-8, 8, (25, 4, 2)) / 4
    design = gw.compile(graph, calibration=x, stateful=True, event_steps=2)
    assert design.calibration["x"].q.shape == (50, 2, 2)
    found = design.facts()["metrics"]
    assert found["state"] == "each from the initial state"
    assert found["relative_error"] == 0.0
    with pytest.raises(UnsupportedError, match="calibration samples cannot be cut into events"):
        gw.compile(graph, calibration=x, stateful=True, event_steps=3)


def keras_file(folder, steps):
    rng = np.random.default_rng(0)
    own = layer("SimpleRNN", "memory", units=2, stateful=True)
    groups = [rng.normal(size=s).astype(np.float32) / 2 for s in ((3, 2), (2, 2), (2,))]
    return write_keras(folder, sequential(start(steps, 3), own), {"layers/simple_rnn/cell": groups})


def test_a_model_that_keeps_its_state_makes_a_design_that_does(tmp_path):
    path = keras_file(tmp_path, 4)
    x = np.random.default_rng(0).normal(size=(100, 4, 3))
    design = gw.compile(path, calibration=x)
    assert design.options.stateful == ("memory",)
    assert design.facts()["state"][0]["kept"]
    alone = gw.compile(path, calibration=x, stateful=False, ii=40)
    assert not alone.facts()["state"][0]["kept"]
    first = design.predict(x[:1])
    assert np.array_equal(first, alone.predict(x[:1]))
    one = alone.predict(x)
    assert not np.array_equal(design.predict(x)[1:], one[1:])
    with pytest.raises(OptionError, match=r"without streams(.|\n)*stateful = \('memory',\)"):
        gw.compile(path, calibration=x, latency=9)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"stateful": 3}, "which layers keep their state cannot be read"),
        ({"stateful": ["gru", 3]}, "which layers keep their state cannot be read"),
        ({"stateful": "lstm"}, r"is not recurrent(.|\n)*found: *lstm(.|\n)*supported: gru"),
        ({"stateful": True, "event_steps": 0}, "number of steps of an event is impossible"),
        ({"event_steps": 1}, "were given for a model that keeps no state"),
        ({"stateful": True, "reuse": 2}, r"without streams(.|\n)*reuse = 2, stateful = True"),
        (
            {"stateful": True, "plan": {"gru_loop": {"unroll": True}}},
            "cannot have a cell for each step and keep its state",
        ),
        ({"stateful": True, "ii": 2}, r"takes fewer events than asked for(.|\n)*ii = 2"),
    ],
)
def test_what_cannot_be_is_refused(more, words):
    with pytest.raises(GatewrightError, match=words):
        gw.compile(recurrent_graphs.layer("gru"), **more)


def test_a_model_of_single_steps_is_refused(tmp_path):
    path = keras_file(tmp_path, 1)
    x = np.random.default_rng(0).normal(size=(100, 1, 3))
    with pytest.raises(OptionError, match=r"build the model for 2 steps(.|\n)*event_steps = 1"):
        gw.compile(path, calibration=x)


def test_a_changed_description_is_refused(design, tmp_path):
    folder = design.save(tmp_path / "design")
    path = folder / "design.json"
    for key, value in (("stateful", ["nope"]), ("stateful", None), ("event_steps", "1")):
        data = json.loads(path.read_text()) | {key: value}
        other = tmp_path / "other"
        shutil.copytree(folder, other)
        (other / "design.json").write_text(json.dumps(data))
        with pytest.raises((FileError, OptionError)):
            gw.load(other)
        shutil.rmtree(other)
