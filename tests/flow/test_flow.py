"""The whole way on small models: compile, predict, verify, save, load; and what must fail."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import onnx
import pytest
from flow_models import quantized_mlp

import gatewright as gw
from gatewright.base import DataError, FileError, GatewrightError, OptionError, VerificationError
from gatewright.frontends import read_model
from gatewright.ir import run_real
from gatewright.tools.verilator import find_compiler


@pytest.fixture(scope="module")
def model():
    return quantized_mlp()


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(0, 3, (300, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def parallel(model, x):
    return gw.compile(model, calibration=x, clock="300 MHz", name="tagger")


@pytest.fixture(scope="module")
def folded(model, x):
    return gw.compile(
        model, calibration=x, reuse=4, device="xc7z020", clock="100 MHz", name="tagger"
    )


@pytest.fixture(scope="module")
def saved(parallel, tmp_path_factory):
    return parallel.save(tmp_path_factory.mktemp("parallel") / "design")


@pytest.fixture(scope="module")
def saved_folded(folded, tmp_path_factory):
    return folded.save(tmp_path_factory.mktemp("folded") / "design")


def needs_compiler():
    try:
        find_compiler()
    except GatewrightError as error:
        pytest.skip(f"RTL cannot be simulated: {error.what}")


@pytest.mark.parametrize("which", ["parallel", "folded"])
def test_predict_equals_the_source_model(which, request, model, x):
    design = request.getfixturevalue(which)
    source = read_model(model)
    wanted = run_real(source, {source.inputs[0].name: x})[source.outputs[0].value]
    np.testing.assert_array_equal(design.predict(x), wanted)


@pytest.mark.parametrize("which", ["parallel", "folded"])
def test_verify_simulates_the_rtl(which, request):
    needs_compiler()
    verification = request.getfixturevalue(which).verify(random=100)
    assert verification.verified
    assert {c.subject: c.status for c in verification.checks} == {
        "netlist": "exact",
        "emulator": "exact" if which == "parallel" else "not run",
        "simulated RTL": "exact",
    }


def test_folding_trades_cycles_for_multipliers(parallel, folded):
    assert (parallel.interval, folded.interval) == (1, 4)
    assert folded.latency > parallel.latency


@pytest.mark.parametrize("reuse", [1, 2, 7])
def test_stated_latency_is_the_simulated_one(model, x, reuse):
    needs_compiler()
    design = gw.compile(model, reuse=reuse, clock="350 MHz")
    run = design.simulate_codes({"x": np.zeros((20, 6), np.int64)}, np.arange(20) % 3)
    assert set(run.latency.tolist()) == {design.latency}


def test_scales_that_are_no_powers_of_two_become_integers(x):
    needs_compiler()
    design = gw.compile(quantized_mlp(scale=0.1337), calibration=x, name="scaled")
    assert design.verify(random=50).verified


@pytest.mark.parametrize("which", ["saved", "saved_folded"])
def test_a_loaded_design_is_the_same(which, request, x, parallel):
    needs_compiler()
    folder = request.getfixturevalue(which)
    design = gw.load(folder)
    np.testing.assert_array_equal(design.predict(x), parallel.predict(x))
    verification = design.verify(random=20)
    assert verification.verified
    assert "golden vectors" in {c.subject for c in verification.checks}
    assert design.facts_of_model["changed_files"] == []


def mutate(folder, name, old, new, tmp_path):
    """Copy a design and change one place in a file of it."""
    copy = tmp_path / "changed"
    shutil.copytree(folder, copy)
    path = copy / name
    text = path.read_text()
    assert old in text, f"{old!r} is not in {name}"
    path.write_text(text.replace(old, new, 1))
    return copy


def test_a_flipped_rtl_constant_fails(saved_folded, tmp_path):
    """A bit of the weight ROM."""
    needs_compiler()
    rom = next(p for p in sorted((saved_folded / "rtl").glob("*.v")) if "case" in p.read_text())
    line = next(
        t for t in rom.read_text().splitlines() if "'h" in t and ":" in t and "//" not in t[:3]
    )
    digits = line.rpartition("'h")[2]
    flipped = line[: -len(digits)] + f"{int(digits[0], 16) ^ 1:x}" + digits[1:]
    copy = mutate(saved_folded, f"rtl/{rom.name}", line, flipped, tmp_path)
    design = gw.load(copy)
    assert design.facts_of_model["changed_files"] == [f"rtl/{rom.name}"]
    with pytest.raises(VerificationError, match="simulated RTL differs from the integer reference"):
        design.verify(random=200)


def test_a_flipped_rtl_operator_fails(saved, tmp_path):
    needs_compiler()
    file = next(p for p in sorted((saved / "rtl").glob("*.v")) if " - " in p.read_text())
    line = next(
        t
        for t in file.read_text().splitlines()
        if "=" in t and " - " in t.split("//")[0] and "wire" in t
    )
    copy = mutate(saved, f"rtl/{file.name}", line, line.replace(" - ", " + ", 1), tmp_path)
    with pytest.raises(VerificationError, match="simulated RTL differs"):
        gw.load(copy).verify(random=200)


@pytest.mark.parametrize("part", ["in:", "out:"])
def test_a_flipped_golden_vector_fails(saved, tmp_path, part):
    copy = tmp_path / "changed"
    shutil.copytree(saved, copy)
    path = copy / "vectors" / "golden.npz"
    with np.load(path) as data:
        arrays = {name: data[name].copy() for name in data.files}
    name = next(n for n in arrays if n.startswith(part))
    arrays[name][7] ^= 1 if part == "out:" else 64
    np.savez_compressed(path, **arrays)
    with pytest.raises(VerificationError, match="golden vectors differs"):
        gw.load(copy).verify(rtl=False)


def test_a_changed_weight_fails_against_golden_vectors(saved, tmp_path):
    copy = tmp_path / "changed"
    shutil.copytree(saved, copy)
    with np.load(copy / "model.npz") as data:
        arrays = {name: data[name].copy() for name in data.files}
    name = max(arrays, key=lambda n: arrays[n].size if arrays[n].dtype == np.float64 else 0)
    arrays[name].flat[np.flatnonzero(arrays[name])[0]] *= -1
    np.savez_compressed(copy / "model.npz", **arrays)
    with pytest.raises(VerificationError, match="golden vectors differs"):
        gw.load(copy).verify(rtl=False)


def test_without_a_compiler_nothing_counts_as_verified(parallel, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None)
    verification = parallel.verify(random=10)
    (rtl,) = [c for c in verification.checks if c.subject == "simulated RTL"]
    assert rtl.status == "not run"
    assert "compiler" in rtl.detail
    assert not verification.verified


def test_synthesis_counts_and_maps_to_layers(parallel):
    result = parallel.synthesize(flow="fast")
    assert result.total.lut > 0
    assert result.total.dsp == 0
    layers = {row["layer"]: row for row in parallel.facts()["layers"]}
    assert any("synthesised" in row for row in layers.values())


def test_the_estimated_clock_says_its_error(parallel, folded):
    band = parallel.options.device.calibration
    fmax = parallel.slowest_path.fmax
    assert parallel.timing == f"estimated fmax {fmax:.0f} MHz ({band})"
    assert re.fullmatch(r"-\d+ %/\+\d+ %: \d+ published Vivado results", str(band))
    assert fmax >= 300, "registers were placed for 300 MHz under the same model"
    clock = parallel.facts()["clock"]
    assert (clock["fmax"], clock["fmax_mhz"]) == (parallel.timing, round(fmax, 1))
    assert clock["calibration"]["points"] == band.points
    assert folded.timing.endswith("MHz (not calibrated)")
    assert folded.facts()["clock"]["calibration"] is None


def test_a_design_for_ecp5(model, x, tmp_path):
    design = gw.compile(model, calibration=x, clock="60 MHz", device="lfe5u-25f", name="tagger")
    assert design.slowest_path.fmax >= 60
    assert design.timing.endswith(" networks routed with nextpnr)")
    counts = design.synthesize(flow="fast")
    assert counts.total.cells["TRELLIS_FF"] == counts.total.ff > 0
    folder = design.save(tmp_path / "design")
    assert not (folder / "scripts" / "vivado.tcl").exists()
    assert "nextpnr-ecp5 --25k --speed 6 --freq 60 " in (folder / "scripts/nextpnr.sh").read_text()
    assert "synth_ecp5 -top tagger" in (folder / "scripts/synth.ys").read_text()
    assert "sh scripts/nextpnr.sh" in (folder / "README.md").read_text()
    assert gw.load(folder).slowest_path == design.slowest_path


def test_a_device_without_open_tools_is_not_routed(parallel):
    with pytest.raises(OptionError, match="no open tool places and routes for this part"):
        parallel.route()


def test_facts_are_json(parallel):
    facts = json.loads(json.dumps(parallel.facts()))
    assert facts["latency"]["cycles"] == parallel.latency
    assert facts["estimate"]["status"] == "estimated"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"clock": "0 MHz"}, "the clock cannot be read"),
        ({"clock": "40 GHz"}, "the clock is impossible"),
        ({"clock": "fast"}, "the clock cannot be read"),
        ({"clock": "1499 MHz"}, "the clock is too fast for this circuit"),
        ({"device": "xcvu13"}, "did you mean xcvu13p"),
        ({"reuse": 0}, "the reuse factor is impossible"),
    ],
)
def test_impossible_options(model, options, text):
    with pytest.raises(OptionError, match=text):
        gw.compile(model, **options)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (np.zeros((5, 7)), "data have the wrong shape"),
        (np.full((5, 6), np.nan), "data hold numbers that are not finite"),
        (np.full((5, 6), "a"), "data are not numbers"),
        ({"z": np.zeros((5, 6))}, "the inputs given are not those of the model"),
    ],
)
def test_bad_calibration_and_inputs(model, parallel, data, text):
    with pytest.raises(DataError, match=text):
        gw.compile(model, calibration=data)
    with pytest.raises(DataError, match=text):
        parallel.predict(data)


def test_a_float_model_without_calibration_says_so():
    mlp = quantized_mlp()
    del mlp.graph.node[0]  # the input's quantizer
    mlp.graph.node[1].input[0] = "x"
    with pytest.raises(DataError, match="calibration"):
        gw.compile(mlp)


def test_save_refuses_what_is_not_a_design(parallel, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileError, match="holds something that is not a design"):
        parallel.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"
    target = tmp_path / "a" / "design"
    parallel.save(target)
    with pytest.raises(FileError, match="holds a design already"):
        parallel.save(target)
    parallel.save(target, replace=True)
    assert [p.name for p in target.parent.iterdir()] == ["design"]


def test_a_full_disk_leaves_nothing(parallel, tmp_path, monkeypatch):
    from pathlib import Path

    original, count = Path.write_bytes, [0]

    def write(self, content):
        count[0] += 1
        if count[0] > 3:
            raise OSError(28, "No space left on device")
        return original(self, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(FileError, match="No space left on device"):
        parallel.save(tmp_path / "design")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["json", "format", "npz", "missing", "not a design"])
def test_damaged_designs_are_refused(saved, tmp_path, damage):
    copy = tmp_path / "design"
    shutil.copytree(saved, copy)
    description = copy / "design.json"
    if damage == "json":
        description.write_bytes(description.read_bytes()[:-100])
    elif damage == "format":
        text = re.sub(r'"format": \d+', '"format": 99', description.read_text(), count=1)
        description.write_text(text)
    elif damage == "npz":
        (copy / "model.npz").write_bytes((copy / "model.npz").read_bytes()[:200])
    elif damage == "missing":
        (copy / "model.npz").unlink()
    else:
        description.unlink()
    with pytest.raises(GatewrightError):
        gw.load(copy)


def test_a_hostile_name_stays_out_of_the_rtl(model):
    hostile = onnx.ModelProto()
    hostile.CopyFrom(model)
    hostile.graph.node[2].name = 'module; endmodule\n`include "/etc/passwd" //'
    design = gw.compile(hostile, name="a/b; module")
    text = "\n".join(design.sources.values())
    code = "\n".join(line.split("//")[0] for line in text.splitlines())
    assert "`include" not in code
    assert design.name.isidentifier()


def test_the_page_of_a_design_lists_its_files(saved):
    page = (saved / "README.md").read_text()
    for path in saved.rglob("*"):
        assert not path.is_file() or f"- `{path.relative_to(saved)}`: " in page


def test_a_design_says_nothing_of_where_and_when_it_was_made(tmp_path):
    """Times and folders stand in `facts.json`; what is handed over is the same each time."""
    model = tmp_path / "model.onnx"
    onnx.save(quantized_mlp(), model)
    design = gw.compile(model)
    first = design.save(tmp_path / "first")
    second = gw.compile(model).save(tmp_path / "second")
    for path in first.rglob("*"):
        if path.suffix in (".md", ".v", ".hex", ".xdc", ".tcl", ".ys", ".core"):
            text = path.read_text()
            assert text == (second / path.relative_to(first)).read_text()
            assert str(tmp_path) not in text
    assert "computes model.onnx" in (first / f"rtl/{design.name}.v").read_text()


@pytest.mark.parametrize(
    ("given", "name"),
    [("torch_jit_export", "tagger_v2"), ("functional_3", "tagger_v2"), ("b", "b")],
)
def test_a_model_without_a_name_of_its_own_has_its_files(given, name, tmp_path):
    model = quantized_mlp()
    model.graph.name = given
    onnx.save(model, tmp_path / "tagger_v2.onnx")
    assert gw.compile(tmp_path / "tagger_v2.onnx").name == name
    assert gw.compile(tmp_path / "tagger_v2.onnx", name="mine").name == "mine"


@pytest.fixture(scope="module")
def padded(model, x, parallel):
    return gw.compile(
        model, calibration=x, clock="300 MHz", name="tagger", latency=parallel.latency + 5
    )


def test_a_latency_is_kept_and_counted_in_simulation(parallel, padded):
    needs_compiler()
    assert padded.latency == parallel.latency + 5
    assert padded.verify(random=100).verified
    assert padded.facts()["latency"] == {
        "cycles": parallel.latency + 5,
        "ns": pytest.approx((parallel.latency + 5) * 1e3 / 300),
        "status": "simulated",
        "asked": parallel.latency + 5,
        "least": parallel.latency,
    }


def test_a_latency_outlives_retraining(padded, x):
    retrained = gw.compile(
        quantized_mlp(seed=3), calibration=x, clock="300 MHz", latency=padded.latency
    )
    assert retrained.latency == padded.latency


def test_a_latency_is_saved(padded, tmp_path):
    loaded = gw.load(padded.save(tmp_path / "design"))
    assert loaded.options.latency == loaded.latency == padded.latency
    assert loaded.sources == padded.sources


def test_a_folded_design_takes_a_latency(model, x, folded):
    needs_compiler()
    design = gw.compile(
        model, calibration=x, reuse=4, device="xc7z020", clock="100 MHz",
        latency=folded.latency + 3,
    )  # fmt: skip
    assert design.latency == folded.latency + 3
    assert design.verify(random=50).verified


def test_a_latency_that_is_too_short_names_the_least(model, x, parallel):
    with pytest.raises(OptionError) as error:
        gw.compile(model, calibration=x, clock="300 MHz", latency=0)
    assert "the latency is too short for this circuit" in str(error.value)
    assert f"ask for {parallel.latency} cycles or more" in str(error.value)


@pytest.mark.parametrize("latency", [-1, 2.5, "4", True])
def test_a_latency_that_is_no_number_of_cycles(model, x, latency):
    with pytest.raises(OptionError) as error:
        gw.compile(model, calibration=x, latency=latency)
    assert str(error.value) == (
        "the latency is no number of cycles\n"
        f"  found:     {latency!r}\n"
        "  supported: a whole number of clock cycles, 0 or more\n"
        "  remedy:    one cycle is 5 ns at this clock"
    )
