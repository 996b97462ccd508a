"""Figures, rails, ranges, costs: what the sections are made of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.report import render, text
from gatewright.report.accuracy import accuracy_of
from gatewright.report.figures import draw_cost, draw_ranges, draw_search, draw_timeline
from gatewright.report.layers import costs_of
from gatewright.report.ledger import ledger_of
from gatewright.report.rail import rails
from gatewright.report.ranges import _top, ranges_of


def node(name, *inputs):
    return {"name": name, "inputs": list(inputs)}


def test_a_chain_stays_in_one_lane():
    drawn = rails([node("a"), node("b", "a"), node("c", "b")])
    assert [r.lane for r in drawn] == [0, 0, 0]
    assert [r.leaves for r in drawn] == [True, True, False]
    assert {r.width for r in drawn} == {1}


def test_a_skip_passes_by_and_joins():
    drawn = rails([node("x"), node("a", "x"), node("b", "a"), node("sum", "x", "b")])
    assert drawn[2].passes.count(drawn[0].lane) == 1
    assert set(drawn[3].joins) == {drawn[0].lane, drawn[2].lane}


@given(st.lists(st.lists(st.integers(0, 30), max_size=3), min_size=1, max_size=30))
def test_every_operand_is_drawn(graph):
    """Each operand's line is there in every row between its own and its last reader's."""
    rows = [node(str(i), *(str(k % i) for k in ks if i)) for i, ks in enumerate(graph)]
    drawn = rails(rows)
    for i, row in enumerate(rows):
        wanted = {drawn[int(k)].lane for k in row["inputs"]}
        assert set(drawn[i].joins) == wanted
        for k in row["inputs"]:
            assert all(drawn[int(k)].lane in drawn[j].passes for j in range(int(k) + 1, i))


@pytest.mark.parametrize(
    ("low", "high", "top"),
    [
        (0, 0, 0),
        (0, 1, 1),
        (0, 0.999, 0),
        (-1, 0.5, 0),
        (-1.01, 0, 1),
        (-8, 7.5, 3),
        (0, 8, 4),
        (0.25, 0.3, -1),
    ],
)
def test_top_is_the_bits_before_the_point(low, high, top):
    assert _top(low, high) == top


def test_ranges_mark_what_reached_its_limit(facts):
    tensor = {
        "name": "q",
        "layer": "q",
        "operation": "quantize",
        "shape": [1],
        "format": "1 fixed<4,2>",
        "bits": {"min": 4, "max": 4, "mean": 4.0},
        "low": -2.0,
        "high": 1.75,
        "frac": 2,
        "observed_low": -1.0,
        "observed_high": 1.75,
    }
    facts["tensors"] = [tensor, {**tensor, "observed_high": 0.4, "observed_low": -0.5}]
    first, second = ranges_of(facts).rows
    assert (first.lsb, first.msb, first.headroom, first.limited) == (-2, 1, 0, True)
    assert (second.headroom, second.limited) == (2, False)
    assert ">reached<" in render(facts)


def test_saturation_is_told_where_quantization_counted_it(facts):
    for choice in facts["quantization"]["choices"]:
        choice["saturated"] = 0.0123
    rows = ranges_of(facts).rows
    assert all(row.limited and row.saturated == "1.23\u202f%" for row in rows)
    assert "cut: 1.23" in render(facts)


def test_constants_stand_beside_their_operation(facts):
    chosen = {(c["layer"], c["kind"]): c for c in facts["quantization"]["choices"]}
    for row in ranges_of(facts).rows:
        assert row.weight == chosen[row.layer, row.operation]["weight"]


def test_figures_are_drawn_in_the_pages_colours(facts):
    ranges, costs = ranges_of(facts), costs_of(facts)
    drawings = [
        draw_ranges(ranges.rows),
        draw_cost(costs.rows),
        draw_timeline(costs.rows, 9, 2.5),
        draw_search(facts["quantization"]),
    ]
    for drawing in drawings:
        assert drawing is not None
        colours = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", str(drawing.svg)))
        assert all(c == "none" or c.startswith("var(--") for c in colours)
        assert "font-family" not in drawing.svg
        assert drawing.left_out == ""


def test_figures_of_nothing_are_no_figures():
    assert draw_ranges([]) is None
    assert draw_cost([]) is None
    assert draw_timeline([], 1, 5.0) is None
    assert draw_search(None) is None
    assert draw_search({"history": []}) is None


def test_every_layer_is_in_the_figures(facts):
    costs = costs_of(facts)
    drawn = draw_cost(costs.rows)
    for row in costs.rows:
        assert f">{text.shorten(row.name, 30)}<" in drawn.svg
    drawn = draw_timeline(costs.rows, 9, 2.5)
    for row in costs.rows:
        assert (f">{row.name}<" in drawn.svg) != row.is_top


def test_the_row_of_other_layers_sums_them(facts):
    layer = facts["layers"][0]
    facts["layers"] = [
        {
            **layer,
            "layer": f"l{i}",
            "module": f"l{i}",
            "estimate": {"lut": 10 + (i < 30), "ff": 1, "dsp": 0},
            "synthesised": {"lut": 7, "ff": 1, "dsp": 0, "bram": 0},
        }
        for i in range(40)
    ]
    drawn = draw_cost(costs_of(facts).rows)
    assert ">(10 other layers)<" in drawn.svg
    assert ">100<" in drawn.svg
    assert ">70<" in drawn.svg
    assert "the other 10 are summed" in drawn.left_out


def test_the_estimate_is_measured_against_synthesis(facts):
    layer = facts["layers"][0]
    layer["estimate"]["lut"] = 120
    layer["synthesised"] = {"lut": 100, "ff": 1, "dsp": 0, "bram": 0}
    assert costs_of(facts).rows[0].difference == "+20\u202f%"


def test_the_tops_own_logic_is_taken_from_synthesis(facts):
    facts["synthesis"]["modules"][facts["name"]].update(lut=11, lutram=2, srl=1)
    top = costs_of(facts).rows[-1]
    assert top.is_top
    assert top.synthesised["lut"] == 14


def test_copies_are_told(facts):
    facts["synthesis"]["instances"] = {facts["layers"][0]["module"]: 16}
    assert "\u00d7 16" in render(facts)


def test_a_loss_above_the_tolerance_is_told(facts):
    assert accuracy_of(facts).loss.within
    facts["quantization"].update(loss=0.03, tolerance=0.002)
    assert not accuracy_of(facts).loss.within
    assert "above tolerance" in render(facts)


def test_metrics_that_are_new_are_shown_too(facts):
    facts["metrics"]["auc_top"] = 0.93125
    page = render(facts)
    assert "auc top" in page
    assert "0.93125" in page


def test_the_ledger_holds_the_import_first(facts):
    ran = {"method": "ONNX (float64)", "vectors": 256, "worst": 1.9e-15, "share": 0.00013}
    facts["source_checks"] = [
        {**ran, "detail": ""},
        {**ran, "method": "Keras (float32)", "vectors": 0, "detail": "it is not installed"},
    ]
    replayed = {"method": "replay", "vectors": 500, "status": "equal"}
    lines = ledger_of({**facts, "import_check": replayed})
    assert [line.subject for line in lines[:3]] == 2 * ["import of the model"] + [
        "integers of the model"
    ]
    assert (lines[0].status, lines[0].state) == ("within rounding", "exact")
    assert lines[0].detail == "largest difference 1.9e-15, 0.01% of its bound"
    assert (lines[1].status, lines[1].detail) == ("not run", "it is not installed")
    assert len(lines) == 3 + len(facts["verification"]["checks"])
    assert facts["quantization"]
    assert len(ledger_of(facts)) == len(lines) - 1  # a float model has no integers of its own


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (None, "\u2014"),
        (0, "0"),
        (-1234, "\u22121,234"),
        (0.1, "0.1"),
        (1023.75, "1,023.8"),
        (2.0, "2"),
    ],
)
def test_numbers(value, printed):
    assert text.number(value) == printed


def test_small_shares_are_not_called_zero():
    assert text.share(1, 1_000_000) == "<\u202f0.01\u202f%"
    assert text.share(0, 1_000_000) == "0.00\u202f%"
    assert text.points(-0.0) == "0.00\u202fpoints"
    assert text.points(-0.0013) == "\u22120.13\u202fpoints"
    assert text.seconds(0.0002) == "<\u202f1\u202fms"


STREAM = {
    "ports": "valid", "interval_asked": 16, "interval_planned": 14, "full_latency": 40,
    "streams": [
        {"name": "x", "direction": "input", "shape": [4, 3], "beat": 3, "beats": 4, "bits": 24,
         "pace": 3, "format": "3 x fixed<8,3>"},
        {"name": "y", "direction": "output", "shape": [5], "beat": 5, "beats": 1, "bits": 40,
         "pace": None, "format": "5 x fixed<8,3>"},
    ],
    "actors": [
        {"name": "dense", "layer": "<b>dense</b>", "note": "2 x 3 products a step", "steps": 12,
         "beats_in": [4], "beats_out": [1], "latency": 4, "elements": [5], "begin": 0, "end": 16,
         "estimate": {"lut": 50, "ff": 60, "dsp": 6, "bram": 0.5}},
    ],
    "fifos": [{"from": "x", "to": "dense", "layer": "dense", "depth": 2, "bits": 24, "beats": 4,
               "why": "with one less, an event every 17 cycles"}],
}  # fmt: skip


def test_a_design_on_streams_has_a_section_of_its_own(facts):
    from gatewright.report import render
    from gatewright.report.page import sections_of

    facts["stream"] = STREAM
    page = render(facts)
    assert ("streams", "Streams") in sections_of(facts)
    for words in ("every 3 cycles", "2 x 3 products a step", "with one less, an event every 17"):
        assert words in page
    assert "at full rate it is up to 40 cycles" in page
    assert "&lt;b&gt;dense" in page
    facts["stream"] = {**STREAM, "fifos": []}
    assert "all of them are joined by wires" in render(facts)
    facts["stream"] = None
    assert '<section id="streams">' not in render(facts)
