"""The commands, from a model to a report, as a user and as a script calls them."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from tests.cli.cli_models import build, node, quant, quantized, run, samples, write

import gatewright
from gatewright.base import ToolError
from gatewright.cli import tables
from gatewright.flow import load_design
from gatewright.tools.compiler import find_compiler
from gatewright.tools.nextpnr import RoutingResult


@pytest.fixture
def cxx():
    try:
        find_compiler()
    except ToolError:
        pytest.skip("needs a C++ compiler")


def one_object(text):
    """Return the JSON object that a command printed; nothing may stand around it."""
    facts = json.loads(text)
    assert isinstance(facts, dict)
    return facts


# ---- the program


def test_in_processes_of_their_own(tmp_path):
    model = write(tmp_path / "small.onnx", quantized())
    np.save(tmp_path / "x.npy", samples())
    done = run("compile", model, "-o", "fw", "--calibrate", "x.npy", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("latency", "estimated", "gatewright verify fw", "200 MHz", "inputs from `x.npy`"):
        assert text in done.stdout, text
    done = run("predict", "fw", "x.npy", "-o", "y.npy", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert np.load(tmp_path / "y.npy").shape == (200, 3)


def test_version_and_help():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"gatewright {gatewright.__version__}\n")
    done = run("--help")
    assert done.returncode == 0
    assert re.findall(r"^\W*(compile|predict|verify|synth|report|devices|demo) ", done.stdout, re.M)


def test_start_loads_nothing_heavy():
    code = (
        "import sys; from gatewright.cli import main; main(['--help']);"
        "heavy = {'numpy', 'numba', 'llvmlite', 'onnx', 'h5py', 'matplotlib', 'jinja2'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_command_shows_help(call):
    done = call()
    assert (done.status, done.err) == (2, "")
    assert "Usage" in done.out


# ---- compile


def test_compile_tells_facts(call, tmp_path, compiled):
    out = tmp_path / "a b"
    done = call("compile", compiled / "small.onnx", "-o", out, "--clock", "2.5 ns", "--json")
    facts = one_object(done.out)
    assert (done.status, done.err) == (0, "")
    assert facts["folder"] == str(out)
    assert facts["clock"]["mhz"] == 400
    assert facts["estimate"]["status"] == "estimated"
    assert facts["command"].startswith("gatewright compile ")
    assert f"'{out}'" in facts["command"]


def test_quiet_prints_nothing(call, tmp_path, compiled):
    done = call("compile", compiled / "small.onnx", "-o", tmp_path / "d", "-q")
    assert (done.status, done.out, done.err) == (0, "", "")


def test_folded(call, tmp_path, compiled):
    done = call("compile", compiled / "small.onnx", "-o", tmp_path / "d", "--reuse", 3, "--json")
    assert one_object(done.out)["interval"]["cycles"] == 3
    done = call("compile", compiled / "small.onnx", "-o", tmp_path / "e", "--reuse", 500)
    assert "dense: reuse factor 18 instead of 500, it has 18 products" in done.err


def test_a_design_is_replaced_only_on_demand(call, design, compiled):
    (design / "mine.txt").write_text("keep")
    done = call("compile", compiled / "small.onnx", "-o", design)
    assert done.status == 2
    assert "holds a design already" in done.err
    assert (design / "mine.txt").exists()
    assert call("compile", compiled / "small.onnx", "-o", design, "--force", "-q").status == 0
    assert not (design / "mine.txt").exists()
    assert [p.name for p in design.parent.iterdir()] == ["design"]


def test_labels_of_the_file_give_accuracy(call, tmp_path, compiled):
    words = ["--calibrate", compiled / "data.npz", "--json"]
    done = call("compile", compiled / "small.onnx", "-o", tmp_path / "d", *words)
    metrics = one_object(done.out)["metrics"]
    assert metrics["samples"] == 200
    assert metrics["accuracy_firmware"] == metrics["accuracy_model"]


# ---- predict


def test_predict_gives_what_the_design_gives(call, tmp_path, compiled):
    done = call("predict", compiled / "design", compiled / "x.npy", "-o", tmp_path / "y.npy")
    assert (done.status, done.err) == (0, "")
    assert "200 samples" in done.out
    expected = load_design(compiled / "design").predict(samples())
    assert np.array_equal(np.load(tmp_path / "y.npy"), expected)


def test_predict_with_labels_and_json(call, tmp_path, compiled):
    words = [compiled / "design", compiled / "data.npz", "-o", tmp_path / "y.npz", "--json"]
    facts = one_object(call("predict", *words).out)
    assert facts["samples"] == 200
    scores = np.load(tmp_path / "y.npz")["y"]
    assert facts["accuracy"] == (scores.argmax(1) == 0).mean()


def test_raw_integers_are_the_numbers(call, tmp_path, compiled):
    words = [compiled / "design", compiled / "x.npy", "-o"]
    assert call("predict", *words, tmp_path / "r.npz", "--raw").status == 0
    raw = np.load(tmp_path / "r.npz")
    expected = load_design(compiled / "design").predict(samples())
    assert raw["y"].dtype == np.int64
    assert np.array_equal(np.ldexp(raw["y"], -raw["y.frac"]), expected)
    done = call("predict", *words, tmp_path / "r.npy", "--raw")
    assert (done.status, "need a .npz file" in done.err) == (2, True)


@pytest.mark.parametrize("name", ["y.txt", "y"])
def test_predict_into_an_unknown_kind_of_file(call, tmp_path, compiled, name):
    done = call("predict", compiled / "design", compiled / "x.npy", "-o", tmp_path / name)
    assert (done.status, "not known" in done.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


# ---- verify


def test_verify_tells_the_ledger(call, design, cxx):
    done = call("verify", design, "--random", 50, "--json")
    facts = one_object(done.out)
    assert (done.status, facts["verified"], facts["changed_files"]) == (0, True, [])
    assert {c["status"] for c in facts["checks"]} == {"exact"}
    kept = load_design(design).verification
    assert kept.verified


def test_verify_proves_each_layer(call, design, cxx):
    done = call("verify", design, "--random", 10, "--prove", "--json")
    facts = one_object(done.out)
    proofs = [c for c in facts["checks"] if c["method"] == "proof for every input"]
    assert done.status == 0
    assert proofs
    assert {c["status"] for c in proofs} == {"proven"}, proofs
    assert "Proven for every input." in call("verify", design, "--random", 10, "--prove").out


def test_a_changed_golden_vector_fails(call, design):
    with np.load(design / "vectors/golden.npz") as file:
        vectors = dict(file)
    name = next(n for n in vectors if n.startswith("out:"))
    vectors[name][3, 1] += 1
    np.savez(design / "vectors/golden.npz", **vectors)
    done = call("verify", design, "--random", 10)
    assert done.status == 1
    assert "NOT VERIFIED" in done.out
    assert "golden vectors differs from the integer reference" in done.err
    assert "sample 3" in done.err
    assert "vectors/golden.npz is not as it was written" in done.err
    assert not load_design(design).verification.verified


def test_a_changed_weight_fails(call, design):
    with np.load(design / "model.npz") as file:
        arrays = dict(file)
    name = next(n for n, a in arrays.items() if a.shape == (6, 3) and a.dtype.kind == "f")
    arrays[name][0, 0] += 0.25
    np.savez(design / "model.npz", **arrays)
    done = call("verify", design, "--random", 10, "--json")
    facts = one_object(done.out)
    assert (done.status, facts["verified"]) == (1, False)
    assert facts["error"]["kind"] == "verification"


def test_changed_rtl_fails(call, design, cxx):
    changed = 0
    for path in (design / "rtl").glob("*.v"):
        text = path.read_text()
        path.write_text(re.sub(r"^(\s*(?:wire|assign)\b[^/\n]*?) \+ ", r"\1 - ", text, flags=re.M))
        changed += path.read_text() != text
    assert changed
    done = call("verify", design, "--random", 10)
    assert (done.status, "NOT VERIFIED" in done.out) == (1, True)
    assert "simulated RTL differs" in done.err


def test_without_a_compiler_nothing_is_called_verified(call, design, monkeypatch, tmp_path):
    def missing(*_):
        raise ToolError("no C++ compiler: RTL cannot be simulated with Verilator")

    monkeypatch.setattr("gatewright.tools.verilator.find_compiler", missing)
    done = call("verify", design, "--random", 10)
    assert done.status == 1
    assert "NOT VERIFIED" in done.out
    assert "the RTL was not simulated" in done.err
    assert "pip install ziglang" in done.err
    facts = one_object(call("verify", design, "--random", 10, "--json").out)
    assert not facts["verified"]
    assert "g++" in facts["error"]["remedy"]
    assert call("verify", design, "--random", 10, "-q").err


# ---- synth, report


def test_results_are_kept_for_the_report(call, design, cxx):
    done = call("synth", design, "--flow", "fast")
    assert (done.status, done.err) == (0, "")
    for text in ("synthesised, fast flow", "est. = estimated", "dense", "whole design", "LUT"):
        assert text in done.out, text
    assert call("verify", design, "--random", 10, "-q").status == 0
    page = design / "report.html"
    done = call("report", design)
    assert (done.status, done.err) == (0, "")
    facts = json.loads(page.with_suffix(".json").read_text())
    assert facts["synthesis"]["flow"] == "fast"
    assert facts["verification"]["verified"]
    assert "<html" in page.read_text()


def test_results_of_another_state_are_not_shown(call, design):
    assert call("synth", design, "--flow", "fast", "-q").status == 0
    assert load_design(design).synthesis is not None
    path = next((design / "rtl").glob("*.v"))
    path.write_text(path.read_text() + "// changed\n")
    assert load_design(design).synthesis is None


def test_damaged_results(call, design):
    (design / "results.json").write_text("{")
    done = call("report", design)
    assert (done.status, "results kept with a design are damaged" in done.err) == (2, True)


def test_report_names_what_was_not_done(call, design, tmp_path):
    done = call("report", design, "-o", tmp_path / "page.html")
    assert done.status == 0
    assert "not verified yet" in done.err
    assert "not synthesised yet" in done.err
    assert (tmp_path / "page.html").exists()


@pytest.mark.parametrize("name", ["design.html", "facts.html", "results.htm", "page.json"])
def test_report_never_replaces_a_file_of_the_design(call, design, name):
    before = (design / "design.json").read_bytes()
    done = call("report", design, "-o", design / name)
    assert done.status == 2
    assert (design / "design.json").read_bytes() == before


# ---- devices, completion


def test_devices(call):
    shown = call("devices").out
    assert "xcvu13p (default)" in shown
    assert "not calibrated" in shown
    assert re.search(r"-\d+ %/\+\d+ %: \d+", shown)
    facts = one_object(call("devices", "--json").out)
    assert facts["default"] in {d["name"] for d in facts["devices"]}
    known = {d["name"]: d["calibration"] for d in facts["devices"]}
    assert known["xc7z020"] is None
    assert known["xcvu13p"]["source"] == "published Vivado results"


def test_the_estimated_clock_is_shown(call, compiled):
    facts = json.loads((compiled / "design" / "facts.json").read_text())
    band = facts["clock"]["calibration"]
    lines = dict(line[:2] for line in tables.timing(facts))
    assert lines["fmax"] == (
        f"{facts['clock']['fmax_mhz']:.0f} MHz ({100 * band['low']:+.0f} %/"
        f"{100 * band['high']:+.0f} %)"
    )
    facts["clock"]["calibration"] = None
    assert tables.timing(facts)[-1][2] == "estimated, not calibrated"


def test_routing_for_a_part_without_open_tools(call, design):
    done = call("synth", design, "--route")
    assert done.status == 2
    assert "no open tool places and routes for this part" in done.err
    assert "xcvu13p" in done.err


def test_a_routed_clock_is_shown_kept_and_reported(call, design, monkeypatch):
    found = RoutingResult(
        "25k", 6, 1, 60.0, 81.25, 900, 500, 0, 0, 40, 120, {"lut": 24288}, [("logic", 12.3)],
        1.0, 2.0, "nextpnr 0.11",
    )  # fmt: skip
    monkeypatch.setattr("gatewright.flow.design.route", lambda *a, **k: found)
    done = call("synth", design, "--flow", "fast", "--route")
    assert done.status == 0
    text = " ".join(done.out.split())
    assert "routed: 81.2 MHz for 200 MHz asked for (estimated fmax" in text
    assert "860 LUT4, 380 FF, 4 % of the part" in text
    assert "Not placed, not routed" not in text
    assert load_design(design).routing == found
    assert call("report", design).status == 0
    page = (design / "report.html").read_text()
    assert "MHz routed, seed 1" in page
    assert "The routed clock above is of this design" in page


def test_completion_of_devices():
    from gatewright.cli.parameters import complete_device, complete_flow

    assert [name for name, _ in complete_device("xcvu")] == ["xcvu13p", "xcvu9p"]
    assert [name for name, _ in complete_flow("f")] == ["full", "fast"]


def test_several_inputs_and_outputs_by_name(call, tmp_path):
    first, a = quant("p", "pq", 0.25, 4)
    second, b = quant("q", "qq", 0.25, 4)
    model = build([first, second, node("Add", "pq qq", "y")], {**a, **b}, names=("p", "q"))
    write(tmp_path / "m.onnx", model)
    np.savez(tmp_path / "x.npz", p=samples(), q=samples(), other=np.zeros(3))
    assert call("compile", tmp_path / "m.onnx", "-o", tmp_path / "d", "-q").status == 0
    words = ["predict", tmp_path / "d", tmp_path / "x.npz", "-o", tmp_path / "y.npy"]
    assert call(*words, "-q").status == 0
    done = call("predict", tmp_path / "d", tmp_path / "x.npz:p", "-o", tmp_path / "y.npy")
    assert (done.status, "several inputs" in done.err) == (2, True)


@pytest.mark.slow
def test_demo(tmp_path, cxx):
    done = run("demo", "-o", "out", "--json", cwd=tmp_path)
    facts = one_object(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert facts["verified"]
    jets, figures = facts["jets"], facts["facts"]
    assert jets["accuracy_firmware"] > jets["accuracy_model"] - 0.01
    assert figures["latency"]["status"] == figures["interval"]["status"] == "simulated"
    assert figures["synthesis"]["total"]["lut"] > 0
    assert {p.name for p in tmp_path.iterdir()} == {"out"}
    assert json.loads((tmp_path / "out/report.json").read_text())["verification"]["verified"]
    again = run("verify", "out", "--random", 10, cwd=tmp_path)
    assert again.returncode == 0
