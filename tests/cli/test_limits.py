"""Limits on the command line: the table, the errors, and the design that is loaded again."""

from __future__ import annotations

import json

import pytest
from tests.cli.cli_models import quantized, run, write


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write(tmp_path_factory.mktemp("limits") / "small.onnx", quantized())


def test_limits_in_a_process_of_their_own(small, tmp_path):
    words = ("--max-luts", 2000, "--max-dsps", 6, "--max-latency", "100ns", "--clock", "100MHz")
    done = run("compile", small, "-o", "fw", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Limits: 2,000 LUTs, 6 DSPs, 100 ns (10 cycles)" in done.stdout
    assert "fits" in done.stdout
    described = json.loads((tmp_path / "fw" / "design.json").read_text())
    limits = [described[k] for k in ("max_luts", "max_dsps", "max_latency")]
    assert limits == [2000, 6, "100 ns"]
    assert "--max-luts 2000 --max-dsps 6" in described["facts_of_model"]["command"]
    done = run("verify", "fw", "--json", cwd=tmp_path)
    assert done.returncode in (0, 1)  # 1 where no C++ compiler simulates the RTL
    assert json.loads(done.stdout)


def test_what_does_not_fit_is_refused(small, tmp_path):
    done = run("compile", small, "-o", "fw", "--max-luts", 5, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the design needs more LUTs than it may take" in done.stderr
    assert "max_luts = 5, " in done.stderr
    assert "allow at least" in done.stderr
    assert not (tmp_path / "fw").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--max-luts", "-1"), "number of LUTs is impossible"),
        (("--max-dsps", "99999"), "fewer DSP blocks than the design may take"),
        (("--max-latency", "soon"), "latency limit cannot be read"),
        (("--max-latency", "0"), "takes longer than it may"),
        (("--latency", "9", "--max-latency", "8"), "latency asked for exceeds its limit"),
    ],
)
def test_refused(call, small, tmp_path, words, text):
    done = call("compile", small, "-o", tmp_path / "fw", "--clock", "900MHz", *words)
    assert (done.status, done.out) == (2, "")
    assert text in done.err
    assert not (tmp_path / "fw").exists()


def test_json_tells_the_limits(call, small, tmp_path):
    done = call("compile", small, "-o", tmp_path / "fw", "--max-latency", "3", "--json")
    budget = json.loads(done.out)["budget"]
    assert (budget["max_latency"], budget["max_cycles"], budget["fits"]) == ("3 cycles", 3, True)
    assert budget["max_luts_from"] == "xcvu13p"
    assert len(budget["plans"]) == 1


def test_a_clock_too_fast_for_blocks_is_noted(call, small, tmp_path):
    done = call("compile", small, "-o", tmp_path / "fw", "--max-dsps", 4, "--clock", "600MHz")
    assert done.status == 0
    assert "a DSP block takes" in done.err + done.out
