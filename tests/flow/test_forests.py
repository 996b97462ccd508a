"""Forests in the whole flow: an input format that the user fixes, leaves within a tolerance."""

import numpy as np
import pytest

import gatewright as gw
from gatewright.base import DataError, OptionError
from gatewright.cli import main
from gatewright.flow import inspect, load_design

ensemble = pytest.importorskip("sklearn.ensemble", reason="needs scikit-learn")

RNG = np.random.default_rng(5)
X = np.rint(np.clip(RNG.normal(size=(3000, 4)), -3.9, 3.9) * 16) / 16
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int) + (X[:, 3] > 1)
FORMAT = "fixed<7,3>"


@pytest.fixture(scope="module")
def model():
    xgb = pytest.importorskip("xgboost", reason="needs XGBoost")
    return xgb.XGBClassifier(n_estimators=4, max_depth=3, nthread=1).fit(X, Y)


def lut(design):
    return design.facts()["estimate"]["lut"]


def formats(design):
    return {str(design.graph.inputs[0].encode[0].format.fixed(k)) for k in range(4)}


def on_grid(x):
    return np.clip(np.floor(x * 16 + 0.5) / 16, -4, 4 - 1 / 16)


def test_a_fixed_input_leaves_the_rest_to_be_quantized(model):
    exact = gw.compile(model, input_format=FORMAT)
    np.testing.assert_allclose(exact.predict(X), model.predict_proba(on_grid(X)), rtol=0, atol=1e-6)
    options = {"calibration": X, "labels": Y, "input_format": FORMAT}
    coarse = gw.compile(model, **options, tolerance=0.01)
    assert "quantization" in coarse.facts_of_model
    assert coarse.facts_of_model["quantization"]["loss"] <= 0.01
    assert "quantization" not in exact.facts_of_model
    assert lut(coarse) < lut(exact) / 2
    fine = gw.compile(model, **options, tolerance=0.001)
    assert lut(coarse) <= lut(fine) < lut(exact)
    for design in (exact, coarse, fine):
        fixed = design.graph.inputs[0].type
        assert (fixed.frac == 4).all()
        assert fixed.lo.min() == -64
        assert fixed.hi.max() == 63
    theirs = model.predict(X)
    assert ((coarse.predict(X).argmax(1) == Y).mean()) >= (theirs == Y).mean() - 0.01


def test_leaves_of_few_bits_stay(model):
    """A forest that was made for hardware is built as it is, unless a tolerance is asked for."""
    tree = pytest.importorskip("sklearn.tree").DecisionTreeRegressor(max_depth=4)
    tree.fit(X, Y)
    tree.tree_.value[:] = np.rint(tree.tree_.value * 8) / 8
    options = {"calibration": X, "input_format": FORMAT}
    exact = gw.compile(tree, **options)
    np.testing.assert_array_equal(exact.predict(X)[:, 0], tree.predict(on_grid(X)))
    assert "quantization" not in exact.facts_of_model
    rounded = gw.compile(tree, **options, tolerance=0.2)
    assert rounded.facts_of_model["quantization"]["tolerance"] == 0.2
    assert lut(rounded) <= lut(exact)


def test_a_tolerance_needs_data(model):
    with pytest.raises(OptionError, match="a tolerance was given for a forest without") as error:
        gw.compile(model, input_format=FORMAT, tolerance=0.01)
    assert "leave the tolerance out" in str(error.value)


def test_leaves_of_float64_need_data():
    model = ensemble.GradientBoostingClassifier(n_estimators=4, max_depth=3).fit(X, Y)
    with pytest.raises(DataError, match="too many bits to be built as they are") as error:
        gw.compile(model, input_format=FORMAT)
    assert "give calibration data" in str(error.value)
    design = gw.compile(model, input_format=FORMAT, calibration=X, labels=Y)
    assert design.facts_of_model["quantization"]["loss"] <= 0.002


def test_the_report_says_what_became_of_the_trees(tmp_path):
    frame = pytest.importorskip("pandas", reason="needs pandas").DataFrame(X, columns=list("abcd"))
    model = ensemble.GradientBoostingClassifier(n_estimators=4, max_depth=3).fit(frame, Y)
    design = gw.compile(model, calibration=X, labels=Y)
    (told,) = design.facts()["forests"]
    assert told["before"]["trees"] == told["after"]["trees"] == 12
    assert told["before"]["levels"] == 3
    assert sum(told["after"]["comparisons"]) < sum(told["before"]["comparisons"])
    assert [f["name"] for f in told["features"]] == list("abcd")
    assert told["sides_kept"]
    design.save(tmp_path / "design")
    again = load_design(tmp_path / "design").facts()["forests"]
    assert again == [told]
    assert not any("cost bits" in note for note in design.facts()["quantization"]["notes"])


@pytest.mark.parametrize("told", [{"forest": 3}, {"forest": {"comparisons": [1]}}, {"x": []}])
def test_what_a_damaged_design_says_of_its_model_is_left_out(model, told):
    design = gw.compile(model, input_format=FORMAT)
    design.facts_of_model["forests"] = told
    (found,) = design.facts()["forests"]
    assert found["before"] == {}
    assert found["features"][0]["before"] == found["features"][0]["after"]


def test_inspect_says_how_large_a_forest_is(model):
    (layer, _) = inspect(model).layers
    assert layer.becomes[0].startswith("forest of 12 trees, ")


def test_missing_values_are_quantized_by_cuts_too(tmp_path):
    xgb = pytest.importorskip("xgboost", reason="needs XGBoost")
    gaps = np.where(np.random.default_rng(6).random(X.shape) < 0.1, np.nan, X)
    model = xgb.XGBClassifier(n_estimators=4, max_depth=3, nthread=1).fit(gaps, Y)
    design = gw.compile(model, calibration=gaps, labels=Y, missing=-16)
    facts = design.facts()
    assert any("comparisons of the forest" in n for n in facts["quantization"]["notes"])
    assert facts["quantization"]["loss"] <= 0.002
    ours, theirs = design.predict(gaps), model.predict_proba(gaps)
    assert (ours.argmax(1) == theirs.argmax(1)).mean() > 0.97
    np.testing.assert_array_equal(ours, design.predict(np.nan_to_num(gaps, nan=-16.0)))
    model.save_model(tmp_path / "model.json")
    np.save(tmp_path / "x.npy", gaps)
    folder = str(tmp_path / "design")
    design.save(folder)
    given = ["predict", folder, str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy"), "-q"]
    assert main(given) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), ours)


@pytest.mark.parametrize("kind", ["RandomForestClassifier", "ExtraTreesClassifier"])
def test_the_probability_of_one_of_two_classes_is_judged_at_a_half(kind):
    """A forest without sigmoid sums up a probability: its firmware gives that less a half."""
    two = (Y > 0).astype(int)
    model = getattr(ensemble, kind)(6, max_depth=4, random_state=1).fit(X, two)
    design = gw.compile(model, calibration=X, labels=two)
    quantization = design.facts_of_model["quantization"]
    assert quantization["metric_float"] > two.mean() + 0.05
    assert quantization["loss"] <= 0.002
    theirs = model.predict(X)
    ours = design.predict(X)[:, 0]
    assert ((ours > 0.5) == (theirs == 1)).mean() > 0.97
    codes = design.predict_codes(X)["score"].q[:, 0]
    np.testing.assert_array_equal(codes > 0, ours > 0.5)
