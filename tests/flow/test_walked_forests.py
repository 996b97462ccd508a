"""Forests walked level by level, by the whole flow: planned, simulated, saved, written."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import gatewright as gw
from gatewright.base import ModelError, OptionError
from gatewright.flow.streams import StreamDesign
from gatewright.ops import Forest

RNG = np.random.default_rng(8)
X = RNG.integers(0, 64, (400, 5)).astype(np.float64)
Y = (X[:, 0] > 30).astype(int) + (X[:, 1] + X[:, 2] > 70)
FORMATS = {"input_format": "ufixed<6,6>", "formats": {"*.weight": "fixed<9,3>"}}


def booster(rounds: int = 4, depth: int = 3, seed: int = 0, classes: int = 3, **options):
    library = pytest.importorskip("xgboost")
    model = library.XGBClassifier(
        n_estimators=rounds, max_depth=depth, random_state=seed, nthread=1, subsample=0.8, **options
    )
    return model.fit(X, np.minimum(Y, classes - 1))


def forest_of(design) -> Forest:
    (op,) = (node.op for node in design.graph.nodes if isinstance(node.op, Forest))
    return op


@pytest.fixture(scope="module")
def design() -> StreamDesign:
    return gw.compile(booster(), calibration=X, ii=24, **FORMATS)


def lanes_of(design) -> int:
    (choice,) = design.stream.planned.choices
    return choice.plan.lanes


def test_as_many_trees_are_walked_at_once_as_the_interval_needs(design):
    assert lanes_of(design) == 2  # 3 classes of 4 trees: 6 trees a lane, of 3 levels
    assert (design.interval, design.stream.planned.choices[0].steps) == (18, 18)
    plan = {"forest": {"lanes": 12}}  # a tree a lane: a walk's next step is some cycles later
    wider = gw.compile(booster(), calibration=X, ii=15, plan=plan, **FORMATS)
    assert 3 * 3 <= wider.interval <= 15
    parallel = gw.compile(booster(), calibration=X, **FORMATS)
    assert (parallel.interval, parallel.latency < 5) == (1, True)
    for other in (wider, parallel):
        assert np.array_equal(other.predict(X), design.predict(X))


@pytest.mark.parametrize("depth", [1, 6])
def test_two_classes_and_trees_of_any_depth(depth):
    """Trees of six levels with few samples are not full: their nodes name their children."""
    model = booster(rounds=7, depth=depth, classes=2, min_child_weight=4 * depth)
    design = gw.compile(model, calibration=X, ii=300, plan={"forest": {"lanes": 2}})
    (line,) = [c for c in design.verify(random=20, rtl=False).checks if c.subject == "netlist"]
    assert line.status == "exact"


def test_a_design_is_verified_saved_and_built_again(design, tmp_path):
    checks = {c.subject: c.status for c in design.verify(random=20).checks}
    assert checks["simulated RTL"] == checks["simulated RTL under stalls"] == "exact"
    folder = design.save(tmp_path / "design")
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["plans"]["forest"]["lanes"] == 2
    again = gw.load(folder)
    assert (again.latency, again.interval) == (design.latency, design.interval)
    plan["plans"]["forest"] |= {"lanes": 6, "memory": "block"}
    edited = gw.compile(booster(), calibration=X, plan=plan, **FORMATS)
    assert edited.interval < design.interval
    assert lanes_of(edited) == 6
    assert np.array_equal(edited.predict(X), design.predict(X))


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ({"forest": {"lanes": 13}}, "`lanes` of a plan is impossible(.|\n)*1 to 12, the trees"),
        ({"x": {"lanes": 2}}, "on an input, which has a beat alone"),
        ({"forest": {"lanes": "2"}}, "`lanes` of a plan"),
        ({"forest": {"taken": 2}}, "`multipliers` of a forest, which multiplies nothing"),
    ],
)
def test_lanes_that_cannot_be_are_refused(plan, text):
    with pytest.raises(OptionError, match=text):
        gw.compile(booster(), calibration=X, ii=30, plan=plan, **FORMATS)


def test_a_forest_that_is_too_large_for_a_circuit_is_walked():
    found = gw.compile(booster(rounds=12, depth=4), calibration=X, max_luts=420, **FORMATS)
    assert isinstance(found, StreamDesign)
    assert lanes_of(found) > 0
    assert found.facts()["budget"]["fits"]
    with pytest.raises(OptionError, match="max_luts"):
        gw.compile(booster(rounds=12, depth=4), calibration=X, max_luts=420, latency=2, **FORMATS)


@pytest.mark.slow
def test_five_hundred_trees_of_six_levels():
    library = pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (20_000, 16)).astype(np.float64)
    score = x[:, :5] + rng.normal(0, 40, (len(x), 5)) + x[:, 5:10] * x[:, 10:15] / 400
    model = library.XGBClassifier(n_estimators=100, max_depth=6, nthread=2, tree_method="hist")
    model.fit(x, score.argmax(1))
    formats = {"input_format": "ufixed<8,8>", "formats": {"*.weight": "fixed<10,3>"}}
    design = gw.compile(model, calibration=x[:500], ii=200, **formats)
    assert forest_of(design).trees == 500
    assert design.interval == 180  # 17 lanes: 6 trees of each class and lane, 6 levels
    assert design.latency < 200
    checks = {c.subject: c.status for c in design.verify(random=20).checks}
    assert checks["simulated RTL"] == checks["simulated RTL under stalls"] == "exact"


def writable(rounds: int = 4, **more) -> StreamDesign:
    plan = {"forest": {"lanes": 3, "writable": True, **more}}
    return gw.compile(booster(rounds), calibration=X, ii=60, plan=plan, **FORMATS)


@pytest.fixture(scope="module")
def open_design() -> StreamDesign:
    return writable(weight_bits=9, bias_bits=12)


def test_another_forest_is_written_into_the_hardware(open_design):
    assert "nodes of lane 2" in open_design.register_table
    other = gw.compile(booster(3, seed=5), calibration=X, ii=60, **FORMATS)
    loaded, writes = open_design.load_forest("forest", other)
    assert np.array_equal(loaded.predict(X), other.predict(X))
    assert not np.array_equal(loaded.predict(X), open_design.predict(X))
    assert len(writes) == len(open_design.register_words)
    checks = {c.subject: c.status for c in loaded.verify(random=10).checks}
    assert checks["simulated RTL"] == "exact"


def test_what_does_not_fit_the_hardware_is_refused(open_design):
    own = forest_of(open_design)

    def refused(text: str, forest) -> None:
        with pytest.raises(ModelError, match=text):
            open_design.load_forest("forest", forest)

    compiled = [gw.compile(booster(*size), calibration=X, **FORMATS) for size in ((7, 3), (4, 5))]
    refused(r"\[7, 7, 7\] trees of each output(.|\n)*supported: \[6, 6, 6\]", compiled[0])
    refused("5 levels(.|\n)*supported: 3 levels", compiled[1])
    refused("several outputs that a tree adds to", replace(own, leaves=own.leaves + 0.5))
    refused("a leaf is not a number of the format", replace(own, leaves=own.leaves * 2.0**-9))
    refused("a base score is not a number", replace(own, base=own.base + 1e6))
    refused("another number of features", replace(
        own, missing=np.zeros(6), has_missing=np.zeros(6, np.bool_)))  # fmt: skip
    refused("other numbers for missing values", replace(own, has_missing=np.full(5, True)))
    refused("other operations", replace(open_design.graph, nodes=(), outputs=()))
    free = gw.compile(booster(), calibration=X)
    refused("the same `input_format`", free)
    with pytest.raises(OptionError, match="use `load_forest`"):
        open_design.load_weights("forest", np.zeros(3))
    for wrong in (booster(), "model.json", None):  # which are to be compiled first
        with pytest.raises(OptionError, match=r"is no forest(.|\n)*compile the trained model"):
            open_design.load_forest("forest", wrong)


@pytest.mark.parametrize("bits", [0, 12])
def test_base_scores_that_end_early_leave_room_for_others(open_design, bits):
    """Bits at the end of a base score are zero by chance, and others' are not."""
    model, (node,) = open_design.graph, open_design.graph.nodes
    own = forest_of(open_design)
    whole = replace(own, base=np.round(own.base))
    plain = replace(model, nodes=(replace(node, op=whole),))
    plan = {"forest": {"lanes": 3, "writable": True, "bias_bits": bits}}
    built = gw.compile(plain, calibration=X, ii=60, plan=plan)
    loaded, _ = built.load_forest("forest", own)
    assert np.array_equal(loaded.predict(X), open_design.predict(X))


def test_a_forest_that_was_not_planned_to_be_written_is_refused(design):
    with pytest.raises(OptionError, match="no weights of this name that can be written"):
        design.load_forest("forest", design)
