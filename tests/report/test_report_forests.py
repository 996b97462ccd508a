"""The section on forests."""

from gatewright.report import render
from gatewright.report.forests import forests_of
from gatewright.report.ranges import ranges_of


def forest(before=True, kept=True, features=3):
    size = {"trees": 5, "asking": 4, "nodes": 9, "leaves": 13, "levels": 2, "sets": 0}
    lines = [
        {"number": k, "name": "", "format": "ufixed<4,2>", "bits": 4, "before": 8, "after": k,
         "nodes": k, "low": 0.25, "high": 0.25 if k == 1 else 3.5}
        for k in range(features)
    ]  # fmt: skip
    lines[0] |= {"low": None, "high": None, "bits": 0}
    return {
        "layer": "trees", "input": "x", "sides_kept": kept,
        "before": size | {"nodes": 40, "comparisons": [8] * features} if before else {},
        "after": size | {"comparisons": list(range(features))}, "features": lines,
    }  # fmt: skip


def test_comparisons_before_and_after(facts):
    facts["forests"] = [forest()]
    (view,) = forests_of(facts)
    assert ("nodes", "40", "9") in view.lines
    assert ("different comparisons", "24", "3") in view.lines
    assert not [line for line in view.lines if line[0] == "sets of categories"]
    assert [f.name for f in view.features] == ["x[2]", "x[1]", "x[0]"]
    assert [f.share for f in view.features] == [66.7, 33.3, 0.0]
    assert [f.range for f in view.features] == ["0.25 \u2026 3.5", "0.25", "\u2014"]
    assert view.unused.startswith("1 of 3 features are not asked for")
    page = render(facts)
    assert '<section id="forests">' in page
    assert "no sample changes sides" in page


def test_a_design_that_kept_nothing_of_its_model(facts):
    facts["forests"] = [forest(before=False, kept=False)]
    (view,) = forests_of(facts)
    assert view.lines[0] == ("trees", "\u2014", "5")
    assert view.features[0].before == "\u2014"
    assert "no sample changes sides" not in render(facts)


def test_many_features_are_cut_short(facts):
    facts["forests"] = [forest(features=150)]
    (view,) = forests_of(facts)
    assert len(view.features) == 100
    assert view.left_out == 50
    assert "50 more features are not shown" in render(facts)


def test_no_section_without_a_forest(facts):
    facts["forests"] = []
    assert forests_of(facts) == ()
    assert "forests" not in render(facts).partition("<main>")[2].partition("glossary")[0]


def test_clipping_beyond_the_last_cut_is_no_alarm(facts):
    tensor = facts["tensors"][0]
    tensor |= {"observed_low": tensor["low"], "observed_high": tensor["high"]}
    assert ranges_of(facts).rows[0].limited
    facts["forests"] = [forest() | {"input": tensor["name"]}]
    assert not ranges_of(facts).rows[0].limited
    facts["forests"] = [forest(kept=False) | {"input": tensor["name"]}]
    assert ranges_of(facts).rows[0].limited
