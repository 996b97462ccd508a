"""The test bench passes on right answers, and says what is wrong with others."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest
from circuits import answers, folded, hierarchical, pipelined

from gatewright.base import DataError
from gatewright.emit import emit_project, emit_testbench
from gatewright.hw import Module, evaluate
from gatewright.tools.verilator import run_testbench

icarus = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="Icarus Verilog is not installed"
)
SAMPLES = 40


def project(m: Module, samples: int = SAMPLES) -> dict[str, str | bytes]:
    rng = np.random.default_rng(5)
    types = m.intervals(m.inputs["x"])
    x = rng.integers(types.lo, types.hi + 1, (samples, types.size))
    y = answers(m, x) if m.is_sequential else evaluate(m, {"x": x})["y"]
    return emit_project(m, clock_ns=2.5, part="xcvu13p", inputs={"x": x}, outputs={"y": y})


def texts(files: dict[str, str | bytes]) -> dict[str, str]:
    return {path: text for path, text in files.items() if isinstance(text, str)}


def play(files: dict[str, str | bytes], folder, top: str, *arguments: str) -> str:
    for path, text in texts(files).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    rtl = [path for path in files if path.startswith("rtl/")]
    build = ["iverilog", "-g2005", "-Wall", "-o", "tb.vvp", f"tb/tb_{top}.v", *rtl]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    run = ["vvp", "-n", "tb.vvp", *arguments]
    return subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True).stdout


def verdict(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("PASS", "FAIL"))]


@icarus
@pytest.mark.parametrize("make", [pipelined, folded, hierarchical])
def test_right_answers_pass(make, tmp_path):
    m = make()
    assert verdict(play(project(m), tmp_path, m.name)) == [f"PASS {SAMPLES} vectors"]


@icarus
def test_vectors_from_another_folder(tmp_path):
    files = project(folded())
    moved = {path.replace("vectors/", "elsewhere/"): text for path, text in files.items()}
    text = play(moved, tmp_path, "folded_dot", "+vectors=elsewhere")
    assert verdict(text) == [f"PASS {SAMPLES} vectors"]
    assert (
        verdict(play(files | {"vectors/inputs.hex": ""}, tmp_path, "folded_dot"))[0][:4] == "FAIL"
    )


def changed(files, path, old, new):
    assert re.search(old, files[path])
    return files | {path: re.sub(old, new, files[path], count=1)}


@icarus
@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        ("vectors/outputs.hex", r"\A...", "fff", r"FAIL sample 0: got [0-9a-f]{3}, expected fff"),
        (
            "tb/tb_folded_dot.v",
            "LATENCY = 5",
            "LATENCY = 6",
            r"FAIL sample 0: latency 5 .* expected 6",
        ),
        ("rtl/folded_dot.v", r"step <= 3'd4", "step <= 3'd0", "FAIL .* answer without a question"),
        (
            "rtl/folded_dot.v",
            "valid_out = r35",
            "valid_out = 1'd0",
            "FAIL 0 answers to 40 questions",
        ),
        ("rtl/folded_dot.v", "r35 <= 1'd0", "r35 <= 1'dx", "FAIL cycle .* valid_out is unknown"),
        (
            "rtl/folded_dot.v",
            "2'd1: rom_weights = 5'd11",
            "2'd1: rom_weights = 5'd10",
            "FAIL sample",
        ),
    ],
)
def test_each_fault_is_named(path, old, new, message, tmp_path):
    files = changed(project(folded()), path, old, new)
    lines = verdict(play(files, tmp_path, "folded_dot"))
    assert len(lines) == 1
    assert re.match(message, lines[0]), lines


@icarus
def test_questions_in_reset_are_not_answered(tmp_path):
    files = changed(project(pipelined()), "rtl/dense_relu.v", r"if \(rst\)", "if (1'd0)")
    lines = verdict(play(files, tmp_path, "dense_relu"))
    assert len(lines) == 1
    assert re.match("FAIL cycle .*: an answer without a question", lines[0])


def test_it_runs_in_verilator():
    files = texts(project(pipelined()))
    text = run_testbench(files, "tb_dense_relu")
    assert verdict(text) == [f"PASS {SAMPLES} vectors"]


def test_no_vectors_no_test_bench():
    with pytest.raises(DataError, match="a test bench needs golden vectors"):
        emit_testbench(pipelined(), 0)
