import shutil

import pytest
import rtl_samples as samples

from gatewright.base.errors import ToolError, VerificationError
from gatewright.tools import icarus, verilator
from gatewright.tools.compiler import find_compiler
from gatewright.tools.verilator_program import find_verilator


def _lacks(tool):
    try:
        if tool == "icarus":
            icarus.icarus_version()
        else:
            find_compiler()
            find_verilator()
    except ToolError as error:
        return str(error)
    return ""


def _marked(tool):
    reason = _lacks(tool)
    run = icarus.run_testbench if tool == "icarus" else verilator.run_testbench
    return pytest.param(run, id=tool, marks=pytest.mark.skipif(bool(reason), reason=reason))


@pytest.fixture(params=[_marked("icarus"), _marked("verilator")])
def run_testbench(request):
    return request.param


def test_a_bench_passes_and_a_changed_golden_vector_fails(run_testbench):
    assert "PASS: 4 outputs" in run_testbench(samples.bench_sources(), "bench")


def test_a_changed_golden_vector_fails(run_testbench):
    with pytest.raises(VerificationError, match="the test bench 'bench' fails") as error:
        run_testbench(samples.bench_sources((6, 7, 9, 9), "$stop;"), "bench")
    assert error.value.exit_status == 1


@pytest.mark.skipif(bool(_lacks("icarus")), reason=_lacks("icarus"))
def test_a_failure_that_is_only_printed_is_returned():
    assert "FAIL: 1 wrong" in icarus.run_testbench(samples.bench_sources((6, 7, 9, 9)), "bench")


def test_a_bench_that_does_not_compile_wrong(run_testbench):
    sources = samples.bench_sources()
    sources["bench.v"] = sources["bench.v"].replace("initial begin", "initial begun")
    with pytest.raises(ToolError, match=r"refuses the test bench 'bench':\n.*bench.v:\d+:"):
        run_testbench(sources, "bench")


def test_no_icarus_wrong(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ToolError, match="no iverilog on PATH") as error:
        icarus.run_testbench(samples.bench_sources(), "bench")
    assert "apt install iverilog" in str(error.value)
