"""Designs on streams from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from keras_files import layer, sequential, start, write_keras
from tests.cli.cli_models import quantized, run, write


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write(tmp_path_factory.mktemp("streams") / "small.onnx", quantized())


def test_a_stream_design_in_processes_of_their_own(small, tmp_path):
    (tmp_path / "slow.json").write_text(
        json.dumps({"format": 1, "plans": {"x": {"beat": 1}}, "planned_for": 6})
    )
    words = ("--ports", "axi-stream", "--plan", "slow.json", "--plan-out", "built.json")
    done = run("compile", small, "-o", "fw", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("Streams, axi-stream ports", "Actors, for one event", "6 cycles"):
        assert text in done.stdout
    assert json.loads((tmp_path / "built.json").read_text())["plans"]["x"]["beat"] == 1
    described = json.loads((tmp_path / "fw" / "design.json").read_text())
    assert "--ports axi-stream --plan slow.json" in described["facts_of_model"]["command"]
    done = run("verify", "fw", "--random", 5, "--json", cwd=tmp_path)
    found = {c["subject"]: c["status"] for c in json.loads(done.stdout)["checks"]}
    assert found["netlist"] == found["golden vectors"] == "exact"
    assert found["simulated RTL"] in ("exact", "not run")  # without a C++ compiler
    done = run("report", "fw", cwd=tmp_path)
    assert done.returncode == 0
    page = (tmp_path / "fw" / "report.html").read_text()
    assert '<section id="streams">' in page
    assert "The ports are AXI4-Stream" in page


def test_json_tells_of_actors(call, small, tmp_path):
    done = call("compile", small, "-o", tmp_path / "fw", "--ports", "stream", "--json")
    found = json.loads(done.out)["stream"]
    assert found["ports"] == "stream"
    assert [s["name"] for s in found["streams"]] == ["x", "y"]
    assert all({"name", "steps", "latency", "estimate"} <= set(a) for a in found["actors"])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--ii", "0"), "initiation interval (ii) is impossible"),
        (("--ii", "4", "--throughput", "1e6"), "the interval was given twice"),
        (("--throughput", "1e10"), "more than one event a clock cycle"),
        (("--ports", "wires"), "the kind of ports is not known"),
        (("--ii", "4", "--reuse", "4"), "options for designs without streams"),
        (("--plan-out", "p.json"), "only a design on streams has a plan"),
        (("--plan", "none.json"), "a plan cannot be read"),
        (("--stateful",), "a model without recurrent layers has no state to keep"),
        (("--stateful", "--reuse", "4"), "reuse = 4, stateful = True"),
        (("--event-steps", "1"), "were given for a model that keeps no state"),
        (("--varied-length",), "a model without recurrent layers has no steps to be left out"),
        (("--max-brams", "-1"), "number of block memories is impossible"),
        (("--ports", "stream", "--max-luts", "5"), "no design on streams fits the limits"),
    ],
)
def test_refused(call, small, tmp_path, words, text):
    done = call("compile", small, "-o", tmp_path / "fw", *words)
    assert (done.status, done.out) == (2, "")
    assert text in done.err
    assert not (tmp_path / "fw").exists()


def test_a_design_that_keeps_its_state(call, tmp_path):
    rng = np.random.default_rng(0)
    groups = [rng.normal(size=s).astype(np.float32) / 2 for s in ((2, 2), (2, 2), (2,))]
    entry = layer("SimpleRNN", "memory", units=2, stateful=True)
    model = sequential(start(3, 2), entry)
    path = write_keras(tmp_path, model, {"layers/simple_rnn/cell": groups})
    x = rng.normal(size=(100, 3, 2))
    np.save(tmp_path / "x.npy", x)
    words = ("compile", path, "--calibrate", tmp_path / "x.npy", "--event-steps", "1")
    done = call(*words, "-o", tmp_path / "fw")
    assert done.status == 0, done.err
    for text in ("State of recurrent layers", "by rst alone", "each from the initial state"):
        assert text in " ".join(done.out.split())
    described = json.loads((tmp_path / "fw" / "design.json").read_text())
    assert "--event-steps 1" in described["facts_of_model"]["command"]
    assert (described["stateful"], described["event_steps"]) == (["memory"], 1)
    np.save(tmp_path / "ticks.npy", x.reshape(300, 1, 2))
    done = call("predict", tmp_path / "fw", tmp_path / "ticks.npy", "-o", tmp_path / "y.npy")
    assert done.status == 0, done.err
    assert np.load(tmp_path / "y.npy").shape == (300, 2)
    done = call(*words[:4], "--no-stateful", "--ii", "40", "-o", tmp_path / "other")
    assert "behind each event" in " ".join(done.out.split()), done.err
    described = json.loads((tmp_path / "other" / "design.json").read_text())
    assert "--no-stateful" in described["facts_of_model"]["command"]


def test_completion_of_ports():
    from gatewright.cli.parameters import complete_ports

    assert [name for name, _ in complete_ports("")] == ["valid", "stream", "axi-stream"]
    assert [name for name, _ in complete_ports("a")] == ["axi-stream"]
