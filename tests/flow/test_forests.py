"""Forests in the whole flow: an input format that the user fixes, leaves within a tolerance."""

import numpy as np
import pytest

import gatewright as gw
from gatewright.base import DataError, OptionError

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
