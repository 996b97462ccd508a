"""Stream designs on disk: written, read back, played by their test bench, edited by their plan."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from flow_models import quantized_mlp

import gatewright as gw
from gatewright.base import FileError, GatewrightError, OptionError, VerificationError
from gatewright.flow import save_results
from gatewright.tools.icarus import run_testbench

KINDS = ("valid", "stream", "axi-stream")


def written(ports, factory):
    plan = {"x": {"beat": 4}}
    design = gw.compile(quantized_mlp(), ii=6, ports="stream", plan=plan, name="tagger")
    return design.save(factory.mktemp("streams") / "design")


@pytest.fixture(scope="module", params=KINDS)
def every(request, tmp_path_factory):
    return written(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return written("stream", tmp_path_factory)


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "design")


def test_a_design_comes_back_as_it_was(every):
    design = gw.load(every)
    facts = json.loads((every / "facts.json").read_text())
    assert design.facts_of_model["changed_files"] == []
    again = design.facts()
    for part in ("latency", "interval", "layers", "plan", "stream", "estimate"):
        assert again[part] == facts[part], part
    assert design.verify(random=5, rtl=False).checks[2].status == "exact"
    x = np.random.default_rng(0).normal(size=(9, 6))
    assert np.array_equal(design.predict(x), gw.compile(quantized_mlp()).predict(x))


def bench(folder):
    names = [*folder.glob("rtl/*.v"), *folder.glob("tb/*.v"), *folder.glob("vectors/*.hex")]
    sources = {
        str(path.relative_to(folder)) if path.suffix == ".hex" else path.name: path.read_text()
        for path in names
    }
    return run_testbench(sources, "tb_tagger")


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_the_test_bench_finds_a_changed_beat(every, tmp_path):
    copy = shutil.copytree(every, tmp_path / "design")
    assert "PASS 200 events" in bench(copy)
    path = copy / "vectors" / "y.hex"
    lines = path.read_text().splitlines()
    lines[120] = lines[120][:-1] + f"{int(lines[120][-1], 16) ^ 1:x}"
    path.write_text("\n".join(lines) + "\n")
    assert "FAIL output y, event 120, beat 0" in bench(copy)
    design = gw.load(copy)
    with pytest.raises(VerificationError, match=r"golden vectors differs(.|\n)*vectors/y.hex"):
        design.verify(random=5, rtl=False)


def test_a_changed_golden_beat_is_found(copy):
    with np.load(copy / "vectors" / "golden.npz") as data:
        arrays = {name: data[name].copy() for name in data.files}
    arrays["out:y"][7, 1] ^= 1
    np.savez_compressed(copy / "vectors" / "golden.npz", **arrays)
    with pytest.raises(VerificationError, match=r"golden vectors differs(.|\n)*sample 7"):
        gw.load(copy).verify(random=5, rtl=False)


@pytest.mark.parametrize("change", ["cut", "missing", "shape"])
def test_damaged_golden_beats_are_refused(copy, change):
    with np.load(copy / "vectors" / "golden.npz") as data:
        arrays = {name: data[name].copy() for name in data.files}
    if change == "cut":
        arrays["in:x"] = arrays["in:x"][:-1]
    elif change == "missing":
        del arrays["in:x"]
    else:
        arrays["out:y"] = arrays["out:y"][:, :-1]
    np.savez_compressed(copy / "vectors" / "golden.npz", **arrays)
    with pytest.raises(FileError, match="golden vectors"):
        gw.load(copy)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("stream",), None),
        (("stream", "depths"), [0]),
        (("stream", "depths"), [-1, 0, 0, 0, 0]),
        (("stream", "interval"), "6"),
        (("stream", "plans"), {"x": {"beat": 3}}),
        (("stream", "plans"), {"nope": {"beat": 3}}),
        (("stream", "reasons"), {"x": 3}),
        (("ports",), "wires"),
        (("ii",), 0),
        (("max_brams",), -1),
        (("throughput",), "fast"),
        (("interval",), 2),
    ],
    ids=lambda v: ".".join(map(str, v)) if isinstance(v, tuple) else None,
)
def test_a_changed_description_is_refused(copy, path, value):
    data = json.loads((copy / "design.json").read_text())
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    (copy / "design.json").write_text(json.dumps(data))
    with pytest.raises(GatewrightError) as caught:
        gw.load(copy)
    assert caught.value.exit_status == 2


def test_results_are_kept(copy):
    design = gw.load(copy)
    design.verify(random=5, rtl=False)
    save_results(design, copy)
    checks = gw.load(copy).verification.checks
    assert [c.subject for c in checks] == ["netlist", "emulator", "golden vectors"]


def test_a_plan_is_edited_and_fed_back(saved, tmp_path):
    plan = json.loads((saved / "plan.json").read_text())
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    same = gw.compile(quantized_mlp(), ports="stream", plan=path, name="tagger")
    again = json.loads(same.plan_text())
    reasons = {name: part.pop("reason", "") for name, part in again["plans"].items()}
    assert reasons["MatMul_h"] == "as asked"
    for part in plan["plans"].values():
        part.pop("reason", "")
    assert again == plan
    plan["plans"]["x"]["beat"] = 1
    path.write_text(json.dumps(plan))
    assert gw.compile(quantized_mlp(), ports="stream", plan=path).interval == 6
    plan["plans"]["MatMul_h"]["beat"] = 2
    path.write_text(json.dumps(plan))
    with pytest.raises(OptionError, match=r"cannot give the beats(.|\n)*MatMul_h(.|\n)*beat 2"):
        gw.compile(quantized_mlp(), plan=path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "a plan is no JSON"),
        ("[]", "a plan is given by node"),
        ("{}", "the file is not a plan"),
        ('{"format": 7, "plans": {}}', "a plan was written by another version"),
        ('{"format": 1, "plans": {"MatMul": {"beat": 1}}}', "did you mean MatMul_"),
        ('{"format": 1, "plans": {}, "planned_for": 0}', "planned_for of a plan is impossible"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path, text, words):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(GatewrightError, match=words):
        gw.compile(quantized_mlp(), plan=path)
    with pytest.raises(FileError, match="a plan cannot be read"):
        gw.compile(quantized_mlp(), plan=tmp_path / "none.json")


@pytest.mark.parametrize(
    "part",
    [
        {"taken": 1, "beat": 2, "memory": "block"},
        {"bits": 3, "memory": "block"},
        {"writable": True},
        {"taken": 1, "beat": 2, "memory": "block", "writable": True},
    ],
    ids=["weights in blocks", "sums in blocks", "writable", "writable blocks"],
)
def test_designs_with_memories_come_back(part, tmp_path):
    plan = {"MatMul_h": part}
    design = gw.compile(quantized_mlp(), ii=60, ports="axi-stream", plan=plan, name="tagger")
    layers = [row["layer"] for row in design.facts()["layers"]]
    again = gw.load(design.save(tmp_path / "design"))
    assert [row["layer"] for row in again.facts()["layers"]] == layers
    assert len(layers) > 2
    x = np.random.default_rng(0).normal(size=(9, 6))
    assert np.array_equal(again.predict(x), design.predict(x))
    assert len(again.predict(x[:0])) == 0


@pytest.mark.parametrize(
    ("name", "part", "words"),
    [
        ("x", {"bits": 3}, "on an input"),
        ("x", {"writable": True}, "on an input"),
        ("MatMul_h", {"unroll": True}, "no recurrent layer"),
        ("MatMul_h", {"weight_bits": 8}, "not writable"),
        ("MatMul_h", {"bits": 2, "writable": True}, "beside `writable`"),
        ("MatMul_h", {"bits": 2, "taken": 2}, "beside `taken`"),
    ],
)
def test_what_a_plan_would_not_use_is_refused(name, part, words):
    with pytest.raises(OptionError, match=rf"would not be used(.|\n)*{name}(.|\n)*{words}"):
        gw.compile(quantized_mlp(), ports="stream", plan={name: part})
