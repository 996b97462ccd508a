"""Saved designs that someone changed: one clear error, whatever was changed, and no other harm."""

from __future__ import annotations

import io
import json
import shutil
import threading
import zipfile

import numpy as np
import pytest
from flow_models import quantized_mlp

import gatewright as gw
from gatewright.base import FileError, GatewrightError, ModelError, VerificationError
from gatewright.flow import save_results
from gatewright.train import Encoder, Network, TableLayer, save


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    x = np.random.default_rng(1).normal(0, 3, (30, 6))
    design = gw.compile(quantized_mlp(), calibration=x, name="tagger", reuse=4)
    return design.save(tmp_path_factory.mktemp("tamper") / "design")


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "design")


def described(copy):
    return json.loads((copy / "design.json").read_text())


def put(data, path, value):
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value


NODE = ("graph", "fields", "nodes", 2, "fields")
INPUT = ("graph", "fields", "inputs", 0, "fields")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("graph",), []),
        (("graph",), {"record": "Relu", "fields": {}}),
        (("graph", "fields", "name"), 7),
        (("graph", "fields", "facts"), {"map": {"a": 1}}),
        (("graph", "fields", "nodes", 0, "fields", "op"), {"float": "0x1p0"}),
        ((*NODE, "layer"), {"array": "a0"}),
        ((*NODE, "op", "fields", "low"), {"float": "a" * 400}),
        ((*NODE, "op", "fields", "low"), {"float": "nan"}),
        ((*NODE, "inputs"), "x"),
        ((*INPUT, "shape"), [10**30]),
        ((*INPUT, "shape"), [7]),
        ((*INPUT, "encode"), [None]),
        ((*INPUT, "type", "fields", "lo"), {"array": "none such"}),
        ((*INPUT, "type", "fields", "hi"), 3),
        (("graph", "fields", "outputs", 0, "fields", "decode"), 0),
        (("clock_mhz",), [400]),
        (("clock_mhz",), float("nan")),
        (("device",), None),
        (("reuse",), "4"),
        (("timings",), []),
        (("timings", "plan"), "soon"),
        (("sha256",), {"/etc/hostname": ""}),
        (("sha256",), {"../other": ""}),
        (("facts_of_model",), []),
        (("facts_of_model", "model"), 5),
        (("facts_of_model", "metrics"), "x"),
        (("facts_of_model", "import_check"), [[1]]),
        (("facts_of_model", "source_checks"), ["x"]),
        (("latency",), 3),
        (("top",), "other"),
    ],
    ids=lambda v: ".".join(map(str, v)) if isinstance(v, tuple) else None,
)
def test_a_changed_description_is_refused(copy, path, value):
    data = described(copy)
    put(data, path, value)
    (copy / "design.json").write_text(json.dumps(data))
    with pytest.raises(GatewrightError) as caught:
        gw.load(copy)
    assert caught.value.exit_status == 2


def test_nesting_without_end_is_refused(copy):
    whole = described(copy)
    (copy / "design.json").write_text("[" * 200_000)
    with pytest.raises(FileError, match="description is damaged"):
        gw.load(copy)
    text = json.dumps({**whole, "graph": {"record": "DEEP"}})
    (copy / "design.json").write_text(text.replace('"DEEP"', "[" * 900 + "]" * 900))
    with pytest.raises(ModelError, match="damaged"):
        gw.load(copy)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda a: a.astype(np.float32), ModelError),
        (lambda a: a.astype(object), FileError),
        (lambda a: np.full_like(a, np.nan), ModelError),
        (lambda a: a[..., None, None], GatewrightError),
        (lambda a: a[:0], GatewrightError),
    ],
    ids=["type", "objects", "nan", "shape", "empty"],
)
def test_changed_weights_of_another_kind_are_refused(copy, change, kind):
    with np.load(copy / "model.npz") as data:
        arrays = {name: data[name] for name in data.files}
    name = max((n for n in arrays if arrays[n].dtype == np.float64), key=lambda n: arrays[n].size)
    arrays[name] = change(arrays[name])
    np.savez_compressed(copy / "model.npz", **arrays)
    with pytest.raises(kind):
        gw.load(copy)


def test_an_empty_range_is_refused(copy):
    names = described(copy)["graph"]["fields"]["inputs"][0]["fields"]["type"]["fields"]
    with np.load(copy / "model.npz") as data:
        arrays = {name: data[name].copy() for name in data.files}
    arrays[names["lo"]["array"]] += 10_000
    np.savez_compressed(copy / "model.npz", **arrays)
    with pytest.raises(ModelError, match="damaged"):
        gw.load(copy)


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


@pytest.mark.parametrize(
    "member",
    [
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }\n"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }\n"),
        npy("{'descr': '<f8' " * 100),
        b"no array",
    ],
    ids=["huge", "negative", "cut", "text"],
)
@pytest.mark.parametrize("name", ["model.npz", "vectors/golden.npz", "calibration.npz"])
def test_bombs_and_rubbish_in_archives_are_refused(copy, name, member):
    with np.load(copy / name) as data:
        first = data.files[0]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{first}.npy", member)
    (copy / name).write_bytes(buffer.getvalue())
    with pytest.raises(GatewrightError) as caught:
        gw.load(copy)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("name", ["design.json", "model.npz", "rtl/tagger.v"])
def test_links_are_not_followed(copy, name):
    (copy / name).rename(copy.parent / "elsewhere")
    (copy / name).symlink_to(copy.parent / "elsewhere")
    with pytest.raises(FileError, match="is a link"):
        gw.load(copy)


@pytest.mark.parametrize(
    "text",
    [
        'initial $system("touch /tmp/harm");',
        'initial $c("std::abort();");',
        '`include "/etc/passwd"',
        'import "DPI-C" function void harm();',
        "wire \\// ; initial $finish;",
        "/* $signed */",
        "// verilator lint_off WIDTH",
        "// synthesis translate_off",
        "`define wire reg",
    ],
)
def test_rtl_that_tools_would_act_upon_is_refused(copy, text):
    """A Verilog file can ask a simulator to run programs: what is not ours is not simulated."""
    path = copy / "rtl" / "tagger.v"
    path.write_text(path.read_text().replace("endmodule", f"{text}\nendmodule"))
    with pytest.raises(FileError, match="the RTL holds what Gatewright never writes"):
        gw.load(copy)


def test_modules_that_synthesis_keeps_apart_are_ours(tmp_path):
    """A saved network of tables is taken again with the attribute that its text carries."""
    words = np.random.default_rng(0).integers(-20, 20, (12, 32))
    layer = TableLayer(np.arange(12)[:, None], np.zeros(12, int), words, np.zeros(1, int), codes=32)
    network = Network("kan", Encoder(np.ones(12), np.zeros(12), 5), (layer,))
    design = gw.compile(save(network, tmp_path / "edges"))
    folder = design.save(tmp_path / "design")
    assert any("keep_hierarchy" in text for text in design.sources.values())
    again = gw.load(folder)
    assert again.sources == design.sources
    assert not again.facts_of_model["changed_files"]


def test_added_rtl_is_told(copy):
    (copy / "rtl" / "extra.v").write_text("module extra; endmodule\n")
    assert gw.load(copy).facts_of_model["changed_files"] == ["rtl/extra.v"]


@pytest.mark.parametrize("name", ["inputs.hex", "outputs.hex"])
def test_a_flipped_vector_of_the_test_bench_fails(copy, name):
    path = copy / "vectors" / name
    lines = path.read_text().splitlines()
    lines[3] = lines[3][:-1] + f"{int(lines[3][-1], 16) ^ 1:x}"
    path.write_text("\n".join(lines) + "\n")
    design = gw.load(copy)
    with pytest.raises(VerificationError, match=rf"golden vectors differs(.|\n)*{name}"):
        design.verify(random=5, rtl=False)


@pytest.mark.parametrize("change", ["cut", "text", "missing"])
def test_damaged_vectors_of_the_test_bench_are_refused(copy, change):
    path = copy / "vectors" / "outputs.hex"
    if change == "missing":
        path.unlink()
    else:
        lines = path.read_text().splitlines()
        lines[2] = lines[2][1:] if change == "cut" else "x" * len(lines[2])
        path.write_text("\n".join(lines))
    with pytest.raises(FileError, match="cannot be read"):
        gw.load(copy)


def test_fewer_vectors_than_were_written_fail(copy):
    path = copy / "vectors" / "outputs.hex"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(VerificationError, match="golden vectors differs"):
        gw.load(copy).verify(random=5, rtl=False)


def test_a_golden_input_out_of_range_fails(copy):
    with np.load(copy / "vectors" / "golden.npz") as data:
        arrays = {name: data[name].copy() for name in data.files}
    arrays[next(n for n in arrays if n.startswith("in:"))][0, 0] = 10**6
    np.savez_compressed(copy / "vectors" / "golden.npz", **arrays)
    with pytest.raises(VerificationError, match="golden vectors differs"):
        gw.load(copy).verify(random=5, rtl=False)


@pytest.mark.parametrize("change", ["missing", "range", "labels", "type"])
def test_changed_calibration_is_refused(copy, change):
    with np.load(copy / "calibration.npz") as data:
        arrays = {name: data[name].copy() for name in data.files}
    if change == "missing":
        del arrays["x:x"]
    elif change == "range":
        arrays["x:x"][0, 0] = 1 << 40
    elif change == "labels":
        arrays["labels"] = np.zeros(3)
    else:
        arrays["x:x"] = arrays["x:x"].astype(float)
    np.savez_compressed(copy / "calibration.npz", **arrays)
    with pytest.raises(FileError, match="calibration data"):
        gw.load(copy)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verification", "checks"), 5),
        (("verification", "checks", 0, "vectors"), "many"),
        (("verification", "checks", 0, "status"), "exact, truly"),
        (("verification", "checks", 0, "detail"), None),
        (("timings",), 5),
        (("synthesis",), {"total": 5}),
    ],
)
def test_changed_results_are_refused(copy, path, value):
    design = gw.load(copy)
    design.verify(random=5, rtl=False)
    kept = json.loads(save_results(design, copy).read_text())
    put(kept, path, value)
    (copy / "results.json").write_text(json.dumps(kept))
    with pytest.raises(FileError, match="results kept with a design are damaged"):
        gw.load(copy)


def test_results_nested_without_end_are_refused(copy):
    (copy / "results.json").write_text("[" * 200_000)
    with pytest.raises(FileError, match="results kept with a design are damaged"):
        gw.load(copy)


@pytest.mark.parametrize("replace", [False, True])
def test_of_several_writers_at_once_one_wins_and_nothing_stays(saved, tmp_path, replace):
    design = gw.load(saved)
    told: list[str] = []

    def write() -> None:
        try:
            design.save(tmp_path / "d", replace=replace)
            told.append("written")
        except FileError as error:
            told.append(error.what)

    writers = [threading.Thread(target=write) for _ in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [p.name for p in tmp_path.iterdir()] == ["d"]
    others = "written" if replace else "the output folder holds a design already"
    assert sorted(told) == sorted(["written", *[others] * 5])
    gw.load(tmp_path / "d")
