"""Limits on LUTs, DSP blocks and latency, from the option to the files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from flow_models import quantized_mlp

import gatewright as gw
from gatewright.base import FileError, OptionError
from gatewright.flow.options import Options, parse_latency
from gatewright.passes.netlist import total_resources


@pytest.fixture(scope="module")
def model():
    return quantized_mlp(8, 10, 3)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(0, 3, (60, 8))


@pytest.fixture(scope="module")
def plain(model, x):
    return gw.compile(model, calibration=x)


@pytest.fixture(scope="module")
def blocks(model, x):
    return gw.compile(model, calibration=x, max_dsps=24, device="xc7z020", clock="100 MHz")


def estimate(design):
    return design.facts()["estimate"]


# ---- options


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (12, (12, "cycles")), ("12", (12, "cycles")), ("1 cycle", (1, "cycles")),
        ("100 ns", (100, "ns")), ("0.1us", (100, "ns")), ("2500 ps", (2.5, "ns")),
        ("2 \u00b5s", (2000, "ns")), ("2 \u03bcs", (2000, "ns")),
        (0, (0, "cycles")),
    ],
)  # fmt: skip
def test_latencies(text, wanted):
    number, unit = parse_latency(text)
    assert (pytest.approx(number), unit) == wanted


def test_a_limit_is_kept_to_the_last_digit():
    assert Options.of("400 MHz", max_latency="99.99999 ns").most_cycles == 39
    assert Options.of(max_latency=1234567).most_cycles == 1234567
    again = Options.of(max_latency="0.1us").max_latency
    assert Options.of(max_latency=again).max_latency == again == "100 ns"


def test_a_latency_of_numpy_is_a_number():
    options = Options.of(latency=np.int64(9))
    assert json.dumps(options.latency) == "9"


@pytest.mark.parametrize(
    "latency",
    ["", "soon", "1.5", 2.5, "-3", "5 MHz", True, "nan ns", "1e308 ms", "1e400", "2 n\u017f"],
)
def test_latencies_that_cannot_be_read_wrong(latency):
    with pytest.raises(OptionError) as error:
        Options.of(max_latency=latency)
    assert str(error.value) == (
        "the latency limit cannot be read\n"
        f"  found:     {latency!r}\n"
        "  supported: a number of cycles such as 12, or a time such as `100 ns`"
    )


def test_a_time_is_counted_in_whole_cycles():
    assert Options.of("400 MHz", max_latency="100 ns").most_cycles == 40
    assert Options.of("400 MHz", max_latency="99 ns").most_cycles == 39
    assert Options.of("300 MHz", max_latency="10 ns").most_cycles == 3
    assert Options.of(max_latency=7).most_cycles == 7
    assert Options.of().most_cycles is None


@pytest.mark.parametrize(("option", "what"), [("max_luts", "LUTs"), ("max_dsps", "DSP blocks")])
def test_limits_that_are_no_numbers_wrong(option, what):
    for bad in (-1, 1.5, "many", True):
        with pytest.raises(OptionError, match=f"the number of {what} is impossible"):
            Options.of(**{option: bad})


def test_limits_beyond_the_device_wrong():
    with pytest.raises(OptionError) as error:
        Options.of(device="xc7z020", max_dsps=221)
    assert str(error.value) == (
        "the device has fewer DSP blocks than the design may take\n"
        "  found:     221\n"
        "  supported: up to 220 in xc7z020\n"
        "  remedy:    lower the limit, or choose a larger device"
    )
    with pytest.raises(OptionError, match="fewer LUTs"):
        Options.of(device="xc7z020", max_luts=53201)


def test_a_latency_beyond_its_limit_wrong():
    with pytest.raises(OptionError) as error:
        Options.of("400 MHz", latency=5, max_latency="10 ns")
    assert str(error.value) == (
        "the latency asked for exceeds its limit\n"
        "  found:     latency 5 cycles, 12.5 ns\n"
        "  supported: max_latency = 10 ns, 4 cycles\n"
        "  remedy:    leave one of the two out"
    )


# ---- plans


def test_without_limits_nothing_changes(plain):
    assert [t.excess for t in plain.tried] == [{}]
    assert estimate(plain)["dsp"] == 0
    assert plain.facts()["budget"]["max_luts_from"] == "xcvu13p"
    assert plain.facts()["budget"]["fits"]


def test_blocks_save_luts_and_compute_the_same(model, x, plain, blocks):
    assert 0 < estimate(blocks)["dsp"] <= 24
    assert estimate(blocks)["lut"] < estimate(plain)["lut"]
    np.testing.assert_array_equal(plain.predict(x), blocks.predict(x))
    assert blocks.verify(random=200, rtl=False)  # RTL: tests/conformance/test_dsp_blocks.py
    assert any("DSP" in row["plan"] for row in blocks.facts()["plan"])


def test_the_attribute_is_written(plain, blocks):
    text = "".join(blocks.sources.values())
    assert text.count('(* use_dsp = "yes" *)') >= estimate(blocks)["dsp"]
    assert "use_dsp" not in "".join(plain.sources.values())


def test_no_block_where_a_clock_is_too_fast_for_it(model, x):
    fast = gw.compile(model, calibration=x, clock="600 MHz", max_dsps=24)
    assert estimate(fast)["dsp"] == 0
    assert "a DSP block takes 1.5 ns" in fast.facts()["budget"]["note"]


def test_a_register_between_product_and_sum_where_the_clock_wants_one(model, x, plain):
    fast = gw.compile(model, calibration=x, clock="400 MHz", max_dsps=24)
    assert 0 < estimate(fast)["dsp"] <= 24
    np.testing.assert_array_equal(plain.predict(x), fast.predict(x))
    fast.verify(random=100, rtl=False)
    assert "none is used for products of two variables" in fast.facts()["budget"]["note"]


def test_products_of_a_folded_design_go_to_blocks(model, x):
    without, some = (gw.compile(model, calibration=x, reuse=5, max_dsps=dsps) for dsps in (None, 7))
    assert estimate(some)["dsp"] == 7
    assert estimate(some)["lut"] < estimate(without)["lut"]
    assert total_resources(without.module).dsp == 0
    text = "".join(some.sources.values())
    assert text.count('use_dsp = "yes"') >= 1
    assert "u_product_" in text  # those in LUTs are modules that add rows


def test_too_many_luts_are_folded(model, x, plain):
    luts = estimate(plain)["lut"] * 3 // 5
    design = gw.compile(model, calibration=x, max_luts=luts)
    assert estimate(design)["lut"] <= luts
    assert design.interval > 1
    budget = design.facts()["budget"]
    assert budget["plans"][0]["excess"] == {"lut": estimate(plain)["lut"] - luts}
    assert budget["plans"][-1]["excess"] == {}
    assert {c.reason for c in design.planned.choices} == {"folded to meet the limits"}


def test_too_many_luts_wrong(model, x, plain):
    need = estimate(plain)["lut"]
    with pytest.raises(OptionError) as error:
        gw.compile(model, calibration=x, max_luts=need - 60, reuse=1)
    text = str(error.value)
    assert f"{need:,} LUT, 0 DSP" in text
    assert f"max_luts = {need - 60:,}, 60 fewer" in text
    assert "DSPs it would fit" in text
    assert "with reuse = " in text
    assert f"allow at least {need:,} LUTs" in text


def test_what_the_error_advises_helps(model, x, plain):
    need = estimate(plain)["lut"]
    with pytest.raises(OptionError) as error:
        gw.compile(model, calibration=x, max_luts=need - 60, reuse=1)
    dsps = int(error.value.remedy.split(" DSPs")[0].split()[-1])
    again = gw.compile(model, calibration=x, max_luts=need - 60, reuse=1, max_dsps=dsps)
    assert estimate(again)["lut"] <= need - 60


def test_too_long_wrong(model, x, plain):
    with pytest.raises(OptionError) as error:
        gw.compile(model, calibration=x, clock="400 MHz", max_latency="4 ns")
    text = str(error.value)
    assert "the design takes longer than it may" in text
    assert "max_latency = 4 ns" in text
    assert "MHz it takes" in text
    assert "the least latency at this clock is" in text


def test_a_latency_that_holds(model, x, plain):
    design = gw.compile(model, calibration=x, max_latency=plain.latency)
    assert design.latency == plain.latency


def test_a_saved_design_repeats_the_plan(blocks, tmp_path):
    folder = blocks.save(tmp_path / "design")
    described = json.loads((folder / "design.json").read_text())
    assert (described["max_luts"], described["max_dsps"]) == (None, 24)
    again = gw.load(folder)
    assert again.options == blocks.options
    assert again.facts()["budget"] == blocks.facts()["budget"]
    assert again.sources == blocks.sources
    described["max_latency"] = 4
    (folder / "design.json").write_text(json.dumps(described))
    with pytest.raises(FileError, match="max_latency"):
        gw.load(folder)


def test_limits_are_saved(model, x, plain, tmp_path):
    design = gw.compile(model, calibration=x, max_luts=50_000, max_latency="40 ns", name="tagger")
    again = gw.load(design.save(tmp_path / "design"))
    assert (again.options.max_luts, again.options.max_latency) == (50_000, "40 ns")
