"""The command that measures shapes of hardware: what it holds designs to, on a small one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench.context import Bench
from bench.record import MissingError, Row, Target
from bench.shape_networks import (
    SHAPE_SECTIONS,
    Point,
    planning_row,
    saving_rows,
    unrolled_row,
    within,
)
from bench.shape_rows import (
    Run,
    case,
    cycle_rows,
    estimate_row,
    fifo_row,
    resource_rows,
    simulated,
    tried_row,
)

import gatewright as gw
from bench import shape_rows, shapes
from gatewright.tools.yosys_counts import counts_of

sys.path.append(str(Path(__file__).parents[1] / "flow"))
X = np.random.default_rng(0).normal(size=(20, 6))
QUIET = Bench(quick=True, tell=lambda text: None)


@pytest.fixture(scope="module")
def design():
    from flow_models import quantized_mlp

    return gw.compile(quantized_mlp(), ii=3, ports="stream", plan={"x": {"beat": 2}})


def verdicts(rows):
    return [row.verdict for row in rows]


def test_a_design_that_does_what_it_says(design):
    run = simulated(QUIET, design, X, 4)
    assert run == Run(design.latency, design.interval, True, 4)
    assert verdicts(cycle_rows(QUIET, "small", design, run)) == ["met", "met"]


def test_other_cycles_or_integers_are_missed(design):
    run = Run(design.latency, design.interval, True, 4)
    for other in (
        replace(run, latency=run.latency + 1),
        replace(run, interval=run.interval + 1),
        replace(run, equal=False),
    ):
        assert verdicts(cycle_rows(QUIET, "small", design, other))[0] == "MISSED"


def test_a_fifo_with_a_place_too_many_is_found(design):
    network = design.stream.network
    depths = [link.depth for link in network.links]
    depths[1] += 3
    stream = replace(design.stream, network=network.with_depths(depths))
    row = fifo_row(QUIET, "small", replace(design, stream=stream))
    assert row.verdict == "MISSED"
    assert row.facts["spare"] == [1]


def test_each_fifo_one_smaller_is_simulated(design):
    network = design.stream.network
    assert not any(network.depths)
    assert tried_row(QUIET, "small", design, X, 4).verdict == "for information"
    stream = replace(design.stream, network=network.with_depths([5, *network.depths[1:]]))
    row = tried_row(QUIET, "small", replace(design, stream=stream), X, 4)
    assert row.facts["surprises"] == [0]
    assert row.verdict == "MISSED"


def test_estimates_stand_beside_what_was_synthesised(design):
    row = estimate_row("small", design, {"LUT": 100.0, "FF": 50.0, "BRAM": 0.0, "DSP": 0.0})
    guess = row.facts["estimate"]
    assert row.verdict == "for information"
    assert f"LUT {guess['LUT']:,g} ({guess['LUT'] / 100 - 1:+.0%})" in row.measured


def test_limits_are_those_of_the_device_and_seconds_those_of_planning(design):
    device = design.options.device
    assert within(design, "LUT")["LUT"] == (f"at most {device.lut:,} ({device.name})", device.lut)
    slow = {"plan": 50.0, "emit": 11.0, "quantize": 1e3, "synthesise": 9.0}
    row = planning_row("small", slow)
    assert (row.value, row.verdict) == (61.0, "MISSED")


def test_a_parallel_design_is_simulated_too():
    from flow_models import quantized_mlp

    parallel = gw.compile(quantized_mlp())
    run = simulated(QUIET, parallel, X, 8)
    assert run == Run(parallel.latency, 1, True, 8)
    assert verdicts(cycle_rows(QUIET, "small", parallel, run)) == ["met"]


def test_resources_are_held_to_limits():
    counts = counts_of({"LUT6": 90, "SRL16E": 12, "FDRE": 5, "DSP48E1": 3})
    found = resource_rows("n", counts, {"LUT": ("at most 100", 100), "DSP": ("at most 3", 3)})
    assert verdicts(found) == ["MISSED", "met"]
    assert verdicts(resource_rows("n", None, {})) == ["not run"]
    assert verdicts(resource_rows("n", counts, {})) == ["for information"]


def test_savings_are_shares_of_the_ideal():
    found = {4: Point(4, 9000, 100, 0), 16: Point(16, 3000, 30, 0), 64: Point(64, 2900, 20, 2)}
    rows = saving_rows("n", found)
    assert verdicts(rows) == ["met", "MISSED", "for information"]  # the last: 4 to 64
    assert [row.value * 4 for row in rows[:2]] == pytest.approx([100 / 30, 30 / 20])
    assert rows[2].value == pytest.approx(100 / 20 / 16)
    assert "LUT 3.00 times less, DSP 3.33 times less, ideally 4" in rows[0].measured
    assert verdicts(saving_rows("n", found, is_target=False)) == ["for information"] * 3
    assert verdicts(saving_rows("n", {})) == ["not run"]


def test_fewer_blocks_count_only_beside_fewer_luts():
    grown = {4: Point(4, 3000, 100, 0), 16: Point(16, 3001, 10, 0)}
    assert verdicts(saving_rows("n", grown)) == ["MISSED"]
    none = {4: Point(4, 9000, 0, 0), 16: Point(16, 3000, 0, 0)}  # no blocks: no ratio of them
    assert "DSP 0 -> 0" in saving_rows("n", none)[0].measured
    assert "DSP 1" not in saving_rows("n", none)[0].measured


def test_a_cell_for_each_step_is_held_to_its_interval():
    assert unrolled_row("gru", Run(100, 20, True, 6)).verdict == "met"
    assert unrolled_row("gru", Run(100, 21, True, 6)).verdict == "MISSED"


def test_data_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(shape_rows, "SHARED", tmp_path)
    case.cache_clear()
    with pytest.raises(MissingError, match="mlperf_tiny_kws_w3a3"):
        case("keywords")


def test_the_command_prints_writes_and_keeps(monkeypatch, tmp_path, capsys):
    def good(bench):
        bench.tell("measuring")
        return [Row("latency", "3", Target("at most 4", most=4), 3.0, note="how")]

    def absent(bench):
        raise MissingError("needs data")

    for name in SHAPE_SECTIONS:
        monkeypatch.setitem(SHAPE_SECTIONS, name, absent)
    monkeypatch.setitem(SHAPE_SECTIONS, "keywords", good)
    assert shapes.main(["--no-synthesis", "--json", str(tmp_path / "o.json")]) == 0
    assert "1 met" in capsys.readouterr().out
    facts = json.loads((tmp_path / "o.json").read_text())
    assert [row["verdict"] for row in facts["rows"]].count("met") == 1
    about = facts["about"]
    rows = [Row("latency", "3", Target("at most 4", most=4), 3.0, section="keywords")]
    shapes.keep(rows, about, tmp_path)
    shapes.keep([replace(rows[0], value=5.0, measured="5")], about, tmp_path)
    text = (tmp_path / "benchmarks.md").read_text()
    assert "### Shapes of hardware: keywords" in text
    assert text.count("| latency |") == 1
    assert "| latency | at most 4 | 5 |  | MISSED |" in text
    with pytest.raises(SystemExit):
        shapes.main(["nothing"])


def test_every_network_is_measured():
    assert [shape.name for shape in shape_rows.SHAPES] == list(SHAPE_SECTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["keywords", "interaction", "gru", "lstm"])
def test_shapes_of_real_networks_keep_to_their_targets(shared_data, monkeypatch, name):
    """Cycles, FIFOs and answers; resources are left to the command."""
    monkeypatch.setattr(shape_rows, "SHARED", shared_data)
    case.cache_clear()
    rows = SHAPE_SECTIONS[name](QUIET)
    assert {row.verdict for row in rows} <= {"met", "not run", "for information"}
    assert len([row for row in rows if row.verdict == "met"]) >= 4
