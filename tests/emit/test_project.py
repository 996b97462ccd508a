"""The hand-over is complete, its scripts run, and hostile facts stay text."""

from __future__ import annotations

import numpy as np
import pytest
from circuits import folded, pipelined

from gatewright.base import OptionError
from gatewright.emit import emit_project, emit_verilog, read_hex
from gatewright.emit.constraints import emit_yosys, yosys_family

X, Y = np.array([[1, -2, 3, 4], [0, 0, 0, 1]]), np.array([[52], [2]])
VECTORS = {"inputs": {"x": X}, "outputs": {"y": Y}}


def test_everything_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = emit_project(folded(), clock_ns=2.5, part="xcvu13p-flga2577-2-e", **VECTORS)
    assert sorted(files) == [
        "README.md",
        "constraints/folded_dot.xdc",
        "folded_dot.core",
        "rtl/folded_dot.v",
        "scripts/synth.ys",
        "scripts/vivado.tcl",
        "tb/tb_folded_dot.v",
        "vectors/golden.npz",
        "vectors/inputs.hex",
        "vectors/outputs.hex",
    ]
    assert not list(tmp_path.iterdir())  # the caller writes
    for path, text in files.items():
        if path != "README.md":
            assert f"- `{path}`" in files["README.md"]
        if isinstance(text, str):
            assert text.isascii(), path
            assert text.endswith("\n"), path
    assert "create_clock -name clk -period 2.500" in files["constraints/folded_dot.xdc"]
    ports = {"x": folded().intervals(folded().inputs["x"])}
    np.testing.assert_array_equal(read_hex(files["vectors/inputs.hex"], ports)["x"], X)


def test_page_states_ports_latency_and_protocol():
    facts = {"model": "a|b\n# title `code`", "estimate": {"lut": 37, "by": [1]}, "none": None}
    vectors = {"inputs": {"x": X}, "outputs": {"y": np.zeros((2, 2), int)}}
    files = emit_project(pipelined(), clock_ns=4, part="xc7a35t", facts=facts, **vectors)
    page = files["README.md"]
    assert "| x | input | 32 | 4 x fixed<8,4> |" in page
    assert "| latency | 2 cycles, 8.000 ns |" in page
    assert "| clock | 4.000 ns (250.0 MHz asked for) |" in page
    assert "| rst | input | 1 | reset, synchronous, active high |" in page
    assert "| model | a/b<U+000A># title <U+0060>code<U+0060> |" in page
    assert "| estimate lut | 37 |" in page
    assert "none" not in page
    assert page.count("\n# ") == 0


def test_rtl_made_before_is_taken_over():
    rtl = emit_verilog(folded())
    files = emit_project(folded(), clock_ns=1, part="xc7a35t", rtl=rtl, **VECTORS)
    assert files["rtl/folded_dot.v"] is rtl["folded_dot.v"]


def test_yosys_script_runs(tmp_path, monkeypatch):
    libyosys = pytest.importorskip("pyosys.libyosys", reason="pyosys is not installed")
    monkeypatch.chdir(tmp_path)
    files = emit_project(folded(), clock_ns=2.5, part="unknown", **VECTORS)
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl/folded_dot.v").write_text(files["rtl/folded_dot.v"])
    (tmp_path / "synth.ys").write_text(files["scripts/synth.ys"])
    design = libyosys.Design()
    libyosys.run_pass(f"tee -q -o {tmp_path / 'log'} script {tmp_path / 'synth.ys'}", design)
    assert (tmp_path / "folded_dot.json").stat().st_size > 1000


@pytest.mark.parametrize(
    ("part", "family"),
    [
        ("xcvu13p-flga2577-2-e", "xcup"),
        ("xcku5p", "xcup"),
        ("xczu7ev-ffvc1156-2-e", "xcup"),
        ("xcu250-figd2104-2L-e", "xcup"),
        ("xcku040", "xcu"),
        ("xcvu440", "xcu"),
        ("XC7A35T", "xc7"),
        ("xc7vx690t", "xc7"),
        ("LFE5U-85F-6BG381C", "ecp5"),
        ("xcvc1902", None),
        ("5CSEBA6U23I7", None),
    ],
)
def test_family_of_a_part(part, family):
    assert yosys_family(part) == family
    how = f"synth_xilinx -family {family} -flatten"
    how = {None: "synth -flatten", "ecp5": "synth_ecp5 -top top"}.get(family, how)
    assert how in emit_yosys("top", ["rtl/top.v"], part)


def test_an_ecp5_part_is_routed_by_nextpnr():
    files = emit_project(folded(), clock_ns=12.5, part="LFE5UM5G-45F-8BG381C", **VECTORS)
    assert "scripts/vivado.tcl" not in files
    wanted = "nextpnr-ecp5 --um5g-45k --speed 8 --freq 80 --timing-allow-fail --out-of-context"
    assert wanted in files["scripts/nextpnr.sh"]
    assert "--json folded_dot.json" in files["scripts/nextpnr.sh"]
    assert "sh scripts/nextpnr.sh" in files["README.md"]
    assert "default_tool: trellis" in files["folded_dot.core"]
    assert "vivado" not in "".join(t for t in files.values() if isinstance(t, str)).lower()


@pytest.mark.parametrize("part", ["", "xc7; exec rm", "a\nb", "[exit]"])
def test_a_part_that_is_none(part):
    with pytest.raises(OptionError, match="not a part number"):
        emit_project(folded(), clock_ns=2.5, part=part, **VECTORS)


@pytest.mark.parametrize("clock", [0, -1, float("nan"), float("inf")])
def test_an_impossible_clock(clock):
    with pytest.raises(OptionError, match="an impossible clock period"):
        emit_project(folded(), clock_ns=clock, part="xc7a35t", **VECTORS)
