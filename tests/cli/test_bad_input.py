"""Bad input gives one clear error, exit status 2, and leaves nothing behind."""

import errno
import json
import os
import pickle
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from tests.cli.cli_models import (
    LAMBDA,
    OUTPUTS,
    START,
    dynamic_shape,
    external,
    floating,
    keras_archive,
    quantized,
    samples,
    unknown_operation,
    write,
)


@pytest.fixture
def refuse(call, tmp_path):
    """Return a function that compiles, and checks that it is refused and leaves nothing."""

    def check(*words, texts, output=None):
        output = tmp_path / "out" if output is None else output
        before = sorted(tmp_path.rglob("*"))
        done = call("compile", *words, "-o", output)
        assert done.status == 2, done.err
        assert done.out == ""
        for text in texts:
            assert text in done.err, done.err
        assert done.err.count("error: ") == 1
        assert "defect" not in done.err
        assert sorted(tmp_path.rglob("*")) == before

    return check


def save(path, array, **more):
    np.save(path, array, **more)
    return path


# ---- models


@pytest.mark.parametrize("ending", [".onnx", ".keras", ".h5"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no", b"hello, world", b"\x89HDF\r\n\x1a\n"])
def test_not_a_model(refuse, tmp_path, ending, content):
    path = tmp_path / f"model{ending}"
    path.write_bytes(content)
    refuse(path, texts=[f"model{ending}"])


def test_truncated_model(refuse, tmp_path):
    path = write(tmp_path / "m.onnx", quantized())
    path.write_bytes(path.read_bytes()[:-40])
    refuse(path, texts=["m.onnx"])


def test_missing_model_folder_and_ending(refuse, tmp_path):
    refuse(tmp_path / "none.onnx", texts=["cannot be read", "none.onnx", "nothing there"])
    (tmp_path / "folder.onnx").mkdir()
    refuse(tmp_path / "folder.onnx", texts=["a folder"])
    (tmp_path / "model.txt").write_text("x")
    refuse(tmp_path / "model.txt", texts=[".txt", ".keras"])


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("model.pkl", "load that with skops.io.load"),
        ("model.pt", "save it as a .pt2 file with torch.export.save"),
        ("model.joblib", "the library's own save_model"),
    ],
)
def test_a_pickled_model_is_never_loaded(refuse, tmp_path, name, remedy):
    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    refuse(tmp_path / name, texts=["not read", name, "XGBoost", remedy])


class Trap:
    """Ends the tests where it is unpickled."""

    def __reduce__(self):
        return os._exit, (66,)


def test_lambda_layer(refuse, tmp_path):
    path = keras_archive(tmp_path / "m.keras", LAMBDA)
    refuse(path, texts=["Lambda", "trick", "supported"])


def test_zip_bomb(refuse, tmp_path):
    path = keras_archive(tmp_path / "m.keras", [], bomb=True)
    refuse(path, texts=["unpacks to far more", "config.json"])


def test_unknown_operation(refuse, tmp_path):
    path = write(tmp_path / "m.onnx", unknown_operation())
    refuse(path, texts=["NonZero", "strange", "m.onnx", "supported"])


def test_dynamic_shape(refuse, tmp_path):
    path = write(tmp_path / "m.onnx", dynamic_shape())
    refuse(path, texts=["m.onnx", "'M'"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers(refuse, tmp_path, bad):
    weight = np.ones((6, OUTPUTS))
    weight[2, 1] = bad
    path = write(tmp_path / "m.onnx", floating(weight))
    refuse(path, texts=["NaN or infinity", "m.onnx"])


def test_external_data_outside_the_folder(refuse, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(4 * 6 * OUTPUTS))
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner/m.onnx"
    path.write_bytes(external("../secret").SerializeToString())
    refuse(path, texts=["outside the model's folder", "../secret"])


@pytest.mark.parametrize(
    "name", ["module; endmodule", "a\nb", "\x1b[31mred", "`include", "../../etc", "💥"]
)
def test_hostile_names_of_layers(call, tmp_path, name):
    """They do no harm: printed names are escaped, Verilog's are made anew."""
    path = write(tmp_path / "m.onnx", quantized(name))
    done = call("compile", path, "-o", tmp_path / "d", "--json")
    assert done.status == 0, done.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d", "m.onnx"]
    for rtl in (tmp_path / "d/rtl").glob("*.v"):
        code = [line.partition("//")[0] for line in rtl.read_text().splitlines()]
        words = " ".join(code).split()
        assert words.count("module") == words.count("endmodule") == 1
        assert "`include" not in words
    broken = quantized(name)
    broken.graph.node[2].op_type = "Einsum"
    done = call("compile", write(tmp_path / "b.onnx", broken), "-o", tmp_path / "e")
    assert done.status == 2
    assert "\x1b[31mred" not in done.err
    assert "a\nb" not in done.err


# ---- data


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (samples(inputs=5), ["wrong shape", "(200, 5)", "6"]),
        (samples()[0], ["wrong shape", "(6,)"]),
        (np.full((200, 6), np.nan), ["NaN", "1200 of 1200"]),
        (np.full((200, 6), "text"), ["not numbers", "<U4"]),
        (samples()[:5], ["too few", "100"]),
    ],
)
def test_calibration_that_does_not_fit(refuse, tmp_path, array, texts):
    path = write(tmp_path / "m.onnx", floating())
    refuse(path, "--calibrate", save(tmp_path / "x.npy", array), texts=texts)


def test_a_float_model_needs_calibration(refuse, tmp_path):
    refuse(write(tmp_path / "m.onnx", floating()), texts=["calibration"])


def test_pickled_data_are_never_loaded(refuse, tmp_path):
    path = write(tmp_path / "m.onnx", quantized())
    data = save(tmp_path / "x.npy", np.array([Trap()], object), allow_pickle=True)
    refuse(path, "--calibrate", data, texts=["never loaded", "x.npy", "numpy.save"])
    data.write_bytes(pickle.dumps(Trap()))
    refuse(path, "--calibrate", data, texts=["damaged", "x.npy", "numpy.save"])
    np.savez(tmp_path / "x.npz", x=np.array([Trap()], object))
    refuse(path, "--calibrate", tmp_path / "x.npz", texts=["never loaded"])


def test_damaged_data(refuse, tmp_path):
    model = write(tmp_path / "m.onnx", quantized())
    np.savez_compressed(tmp_path / "x.npz", x=samples())
    content = (tmp_path / "x.npz").read_bytes()
    data = tmp_path / "cut.npz"
    for length in (0, 10, len(content) // 2, len(content) - 30):
        data.write_bytes(content[:length])
        refuse(model, "--calibrate", data, texts=["damaged", "cut.npz"])
    save(tmp_path / "cut.npy", samples())
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-8])
    refuse(model, "--calibrate", tmp_path / "cut.npy", texts=["damaged", "cut.npy"])
    head = b"\x93NUMPY\x01\x00\x0f\x00{'descr': '<f8'\n"  # ends amid the description
    (tmp_path / "head.npy").write_bytes(head)
    refuse(model, "--calibrate", tmp_path / "head.npy", texts=["damaged", "head.npy"])
    refuse(model, "--calibrate", tmp_path / "none.npy", texts=["cannot be read", "no such file"])
    refuse(model, "--calibrate", tmp_path, texts=["cannot be read", "a folder"])


def test_data_that_unpack_to_too_much(refuse, tmp_path, monkeypatch):
    model = write(tmp_path / "m.onnx", quantized())
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(8 << 20))
    monkeypatch.setattr("gatewright.cli.arrays.MOST_BYTES", 4 << 20)
    refuse(model, "--calibrate", tmp_path / "x.npz", texts=["unpacks to too much", "x.npz"])
    monkeypatch.undo()
    refuse(model, "--calibrate", tmp_path / "x.npz", texts=["damaged", "x is not an array"])


def test_which_array_is_meant(refuse, tmp_path):
    model = write(tmp_path / "m.onnx", quantized())
    np.savez(tmp_path / "x.npz", train=samples(), test=samples())
    data = tmp_path / "x.npz"
    refuse(model, "--calibrate", data, texts=["not clear", "train, test", "x.npz:train"])
    refuse(model, "--calibrate", f"{data}:none", texts=["no such array", "train, test"])


def test_labels_that_do_not_fit(refuse, tmp_path):
    model, data = write(tmp_path / "m.onnx", floating()), save(tmp_path / "x.npy", samples())
    refuse(model, "--labels", data, texts=["labels were given without calibration"])
    words = [model, "--calibrate", data, "--labels"]
    refuse(*words, save(tmp_path / "a.npy", np.zeros(7, int)), texts=["labels", "(7,)", "(200,)"])
    refuse(*words, save(tmp_path / "b.npy", np.full(200, 0.5)), texts=["class numbers"])
    refuse(*words, save(tmp_path / "c.npy", np.full(200, -1)), texts=["negative"])


# ---- options


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["--clock", "9 GHz"], ["clock is impossible", "1500"]),
        (["--clock", "0"], ["clock cannot be read"]),
        (["--clock", "nan"], ["clock cannot be read"]),
        (["--clock", "fast"], ["clock cannot be read", "400 MHz"]),
        (["--device", "xcvu13q"], ["not known", "did you mean xcvu13p"]),
        (["--reuse", "0"], ["reuse", "0"]),
        (["--reuse", "-4"], ["reuse", "-4"]),
        (["--reuse", "many"], ["--reuse"]),
        (["--latency", "-1"], ["no number of cycles", "0 or more"]),
        (["--latency", "0", "--clock", "1 GHz"], ["too short", "ask for", "cycles or more"]),
        (["--latency", "5 ns"], ["--latency"]),
        (["--format", "dense"], ["rule cannot be read", "fixed<6,1>"]),
        (["--format", "a.weight=fixed<4,1>", "--format", "a.weight=fixed<5,1>"], ["same pattern"]),
        (["--input-format", "int8"], ["int8", "format"]),
    ],
)
def test_options(refuse, tmp_path, words, texts):
    refuse(write(tmp_path / "m.onnx", quantized()), *words, texts=texts)


@pytest.mark.parametrize(
    ("rule", "texts"),
    [
        ("nothing_*.weight=fixed<6,1>", ["meets nothing", "nothing_*", "dense"]),
        ("dense.weight=fixed<6", ["fixed<6"]),
        ("dense.weight=fixed<99,1>", ["99"]),
    ],
)
def test_format_rules(refuse, tmp_path, rule, texts):
    model, data = write(tmp_path / "m.onnx", floating()), save(tmp_path / "x.npy", samples())
    refuse(model, "--calibrate", data, "--format", rule, texts=texts)


@pytest.mark.parametrize("tolerance", ["-0.1", "nan", "2"])
def test_tolerance(refuse, tmp_path, tolerance):
    model, data = write(tmp_path / "m.onnx", floating()), save(tmp_path / "x.npy", samples())
    refuse(model, "--calibrate", data, "--tolerance", tolerance, texts=["tolerance"])


@pytest.mark.parametrize("words", [["compile"], ["compile", "a", "b", "-o", "c"], ["bake"], ["-x"]])
def test_usage(call, words):
    done = call(*words)
    assert done.status == 2
    assert "--help" in done.err
    done = call(*words, "--json")
    assert json.loads(done.out)["error"]["kind"] == "usage"
    assert done.err == ""


# ---- the output folder


def test_output_in_use_or_a_file(refuse, tmp_path):
    model = write(tmp_path / "m.onnx", quantized())
    (tmp_path / "file").write_text("x")
    (tmp_path / "used").mkdir()
    (tmp_path / "used/notes").write_text("x")
    refuse(model, output=tmp_path / "file", texts=["is a file", "file"])
    refuse(model, output=tmp_path / "file/in", texts=["inside a file"])
    refuse(model, output=tmp_path / "used", texts=["not a design", "choose an empty"])
    refuse(model, "--force", output=tmp_path / "used", texts=["not a design"])
    refuse(model, output=Path("/dev/null"), texts=["is a file"])


def test_output_is_the_working_folder(refuse, tmp_path, monkeypatch):
    model = write(tmp_path / "m.onnx", quantized())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    refuse(model, output=".", texts=["the one you are working in"])
    refuse(model, "--force", output="..", texts=["the one you are working in"])


def test_output_without_permission(refuse, tmp_path, monkeypatch):
    model = write(tmp_path / "m.onnx", quantized())
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.geteuid() == 0:  # permissions do not bind root
        real = os.access
        monkeypatch.setattr(os, "access", lambda p, mode: p != locked and real(p, mode))
    refuse(model, output=locked / "d", texts=["cannot be written", "locked", "no permission"])


def test_full_disk(tmp_path):
    """Files are cut off at 2 kB by the system while the design is written."""
    model = write(tmp_path / "m.onnx", quantized())
    words = [sys.executable, "-c", START, "compile", model, "-o", tmp_path / "d", "--json"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # noqa: E731
    done = subprocess.run(words, capture_output=True, text=True, check=False, preexec_fn=limit)
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 2, done.stderr
    assert error["what"] == "the design could not be written"
    assert "free space" in error["remedy"]
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_full_disk_while_a_design_is_replaced(call, design, compiled, monkeypatch):
    """The old design stays."""
    before = {p: p.read_bytes() for p in design.rglob("*") if p.is_file()}
    real, calls = Path.rename, []

    def full(source, target):
        calls.append(source)
        if len(calls) == 3:  # onto the old one, the old one aside, into its place
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(source, target)

    monkeypatch.setattr(Path, "rename", full)
    done = call("compile", compiled / "small.onnx", "-o", design, "--force")
    assert (done.status, "No space left" in done.err) == (2, True)
    assert {p: p.read_bytes() for p in design.rglob("*") if p.is_file()} == before
    assert [p.name for p in design.parent.iterdir()] == ["design"]


def test_answers_that_cannot_be_written(call, compiled, tmp_path):
    words = ["predict", compiled / "design", compiled / "x.npy", "-o"]
    (tmp_path / "file").write_text("x")
    done = call(*words, tmp_path / "file/y.npy")
    assert (done.status, "could not be written" in done.err) == (2, True)
    (tmp_path / "f.npy").mkdir()
    done = call(*words, tmp_path / "f.npy")
    assert (done.status, "no plain file" in done.err) == (2, True)


# ---- designs


@pytest.mark.parametrize("command", ["verify", "synth", "report"])
def test_no_design(call, tmp_path, command):
    for folder in (tmp_path, tmp_path / "none"):
        done = call(command, folder)
        assert (done.status, "not a design" in done.err) == (2, True)
        assert "gatewright compile -o" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("design.json", b"{"),
        ("design.json", b"[1, 2]"),
        ("design.json", b'{"format": 99}'),
        ("design.json", b'{"format": 1}'),
        ("model.npz", b"no"),
        ("vectors/golden.npz", b""),
    ],
)
def test_a_damaged_design(call, design, name, content):
    (design / name).write_bytes(content)
    done = call("verify", design)
    assert done.status == 2, done.err
    assert name in done.err or "design.json" in done.err
    assert "defect" not in done.err


def test_a_link_in_a_design_is_not_followed(call, design, tmp_path):
    (tmp_path / "elsewhere").write_bytes((design / "model.npz").read_bytes())
    (design / "model.npz").unlink()
    (design / "model.npz").symlink_to(tmp_path / "elsewhere")
    done = call("verify", design)
    assert (done.status, "link" in done.err) == (2, True)


def test_an_unknown_flow_of_synthesis(call, compiled):
    done = call("synth", compiled / "design", "--flow", "quick")
    assert (done.status, "full, fast" in done.err) == (2, True)


def test_data_of_the_wrong_shape_for_predict(call, compiled, tmp_path):
    data = save(tmp_path / "x.npy", samples(inputs=7))
    done = call("predict", compiled / "design", data, "-o", tmp_path / "y.npy")
    assert (done.status, "wrong shape" in done.err) == (2, True)
    assert not (tmp_path / "y.npy").exists()


def test_every_error_is_data_for_a_script(call, tmp_path):
    done = call("compile", tmp_path / "none.onnx", "-o", tmp_path / "d", "--json")
    error = json.loads(done.out)["error"]
    assert done.err == ""
    assert error["kind"] == "file"
    assert {"what", "place", "found", "supported"} <= set(error)


def test_a_bad_attribute_names_it(refuse, tmp_path):
    model = quantized()
    model.graph.node[0].attribute.append(helper.make_attribute("unheard_of", 1))
    onnx.save(model, tmp_path / "m.onnx")
    refuse(tmp_path / "m.onnx", texts=["unheard_of", "Quant"])
