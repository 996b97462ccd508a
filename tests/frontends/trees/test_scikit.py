"""scikit-learn's estimators of trees against the library."""

import numpy as np
import pytest
from library_rows import rows

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends import list_layers, read_model
from gatewright.frontends.trees.heads import HALF
from gatewright.frontends.trees.scikit import build_scikit
from gatewright.ir import run_real

ensemble = pytest.importorskip("sklearn.ensemble", reason="needs scikit-learn")
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.tree import (  # noqa: E402
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

RNG = np.random.default_rng(3)
X = RNG.normal(size=(500, 6))
X[:, 5] = RNG.integers(0, 8, 500)
GAPS = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int) + (X[:, 3] > 1)
REAL = X[:, 0] * X[:, 1]
TWO = np.stack([REAL, X[:, 3]], axis=1)
CATEGORY = (np.nan_to_num(GAPS[:, 5]) % 3).astype(int)


def boosted(**options):
    return ensemble.GradientBoostingClassifier(n_estimators=5, random_state=1, **options)


def histogram(**options):
    return ensemble.HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=8, **options)


def histogram_of_reals(**options):
    return ensemble.HistGradientBoostingRegressor(max_iter=5, max_leaf_nodes=8, **options)


def averaged(kind, **options):
    return getattr(ensemble, kind)(5, max_depth=5, random_state=1, **options)


def adaboost():
    tree = DecisionTreeClassifier(max_depth=2)
    return ensemble.AdaBoostClassifier(tree, n_estimators=5, random_state=1)


def isolation(**options):
    return ensemble.IsolationForest(n_estimators=8, max_samples=64, random_state=1, **options)


MODELS = {
    "boosting": lambda: boosted().fit(X, Y),
    "boosting, two classes": lambda: boosted().fit(X, Y > 0),
    "boosting, words for classes": lambda: boosted().fit(X, np.array(["q", "g", "t"])[Y]),
    "exponential": lambda: boosted(loss="exponential", init="zero").fit(X, Y > 0),
    "boosted regression": lambda: ensemble.GradientBoostingRegressor(n_estimators=5).fit(X, REAL),
    "quantile": lambda: ensemble.GradientBoostingRegressor(loss="quantile", n_estimators=5).fit(
        X, REAL
    ),
    "random forest": lambda: averaged("RandomForestClassifier").fit(GAPS, Y),
    "random forest, two classes": lambda: averaged("RandomForestClassifier").fit(GAPS, Y > 0),
    "extra trees": lambda: averaged("ExtraTreesClassifier").fit(GAPS, Y),
    "forest regression": lambda: averaged("RandomForestRegressor").fit(GAPS, REAL),
    "forest of two targets": lambda: averaged("ExtraTreesRegressor").fit(X, TWO),
    "extra tree": lambda: ExtraTreeClassifier(max_depth=5, random_state=0).fit(GAPS, Y),
    "extra tree regression": lambda: ExtraTreeRegressor(max_depth=5, random_state=0).fit(
        GAPS, REAL
    ),
    "tree": lambda: DecisionTreeClassifier(max_depth=5).fit(GAPS, Y),
    "tree regression": lambda: DecisionTreeRegressor(max_depth=6).fit(GAPS, REAL),
    "adaboost": lambda: adaboost().fit(X, Y),
    "adaboost, two classes": lambda: adaboost().fit(X, Y > 0),
    "histogram": lambda: histogram().fit(GAPS, Y),
    "histogram, two classes": lambda: histogram().fit(GAPS, Y > 0),
    "histogram, categories": lambda: histogram(categorical_features=[5]).fit(GAPS, CATEGORY),
    "histogram regression": lambda: histogram_of_reals().fit(GAPS, REAL),
    "poisson": lambda: histogram_of_reals(loss="poisson").fit(GAPS, np.abs(REAL) + 0.1),
    "gamma": lambda: histogram_of_reals(loss="gamma").fit(GAPS, np.abs(REAL) + 0.1),
    "isolation": lambda: isolation().fit(GAPS),
    "isolation, few features": lambda: isolation(max_features=3, contamination=0.05).fit(X),
}


def answers(model, x):
    if hasattr(model, "predict_proba"):
        found = model.predict_proba(x)
        return found[:, 1:] if found.shape[1] == 2 else found
    if hasattr(model, "offset_"):
        return model.decision_function(x)[:, None]
    return model.predict(x).reshape(len(x), -1)


def leaves(model, x):
    if hasattr(model, "apply"):
        return model.apply(x).reshape(len(x), -1)
    features = getattr(model, "estimators_features_", [slice(None)] * len(model.estimators_))
    pairs = zip(model.estimators_, features, strict=True)
    return np.stack([tree.apply(x[:, chosen]) for tree, chosen in pairs], axis=1)


@pytest.mark.parametrize("name", MODELS)
def test_leaf_and_prediction(name):
    model = MODELS[name]()
    built, found = build_scikit(model)
    graph = read_model(model)
    nans = graph.facts["missing values"].startswith("go")
    x = rows(built.forest, GAPS if nans else X, single=found.compare.single, missing=nans * 0.05)
    if name == "histogram, categories":
        x[:, 5] = np.where(np.isnan(x[:, 5]), np.nan, RNG.integers(0, 12, len(x)))
    if not name.startswith(("histogram", "poisson", "gamma")):  # which tell no leaves
        ours = built.origin[built.forest.reached(x)]
        np.testing.assert_array_equal(ours, leaves(model, x))
    ours = run_real(graph, {"x": x})[graph.outputs[0].value]
    np.testing.assert_allclose(ours, answers(model, x), rtol=1e-12, atol=1e-13)
    assert len(list_layers(model)) == 2


def test_infinite_thresholds_part_what_is_missing():
    x = np.array([[np.nan], [np.nan], [1.0], [2.0]] * 5)
    model = DecisionTreeClassifier().fit(x, np.isnan(x[:, 0]))
    assert np.isinf(model.tree_.threshold).any()
    forest = build_scikit(model)[0].forest
    np.testing.assert_array_equal(forest.real(x)[:, 0] + HALF, model.predict_proba(x)[:, 1])


def test_bins_do_not_move_thresholds():
    """Histogram boosting bins training data; predictions compare float64 numbers."""
    x = np.linspace(0, 1, 400)[:, None] + 1e-9
    model = histogram_of_reals(min_samples_leaf=2).fit(x, np.sin(20 * x[:, 0]))
    forest = build_scikit(model)[0].forest
    at = forest.thresholds[:, None]
    for moved in (at, np.nextafter(at, 2), np.nextafter(at, -2), at.astype(np.float32)):
        np.testing.assert_allclose(forest.real(moved)[:, 0], model.predict(moved), rtol=1e-13)


# ---- what conifer got wrong


def test_multiclass_forest_has_all_columns():
    """conifer keeps the first class's column alone: 18 % of answers agree."""
    model = averaged("RandomForestClassifier").fit(X, (X[:, 0] * 2.5 + 10).astype(int) % 5)
    graph = read_model(model)
    ours = run_real(graph, {"x": X})[graph.outputs[0].value]
    np.testing.assert_array_equal(model.classes_[ours.argmax(1)], model.predict(X))


@pytest.mark.parametrize("name", ["boosted regression", "forest regression"])
def test_regression_is_read(name):
    model = MODELS[name]()
    graph = read_model(model)
    ours = run_real(graph, {"x": X})[graph.outputs[0].value]
    np.testing.assert_allclose(ours[:, 0], model.predict(X), rtol=1e-12, atol=1e-13)


# ---- errors


def refused(model, kind, *texts):
    with pytest.raises(kind) as caught:
        read_model(model)
    for text in texts:
        assert text in str(caught.value), str(caught.value)


def test_not_fitted():
    refused(boosted(), ModelError, "lacks what a fitted one has", "fit it first")


def test_initial_estimator():
    tree = DecisionTreeClassifier(max_depth=1)
    refused(
        boosted(init=tree).fit(X, Y), UnsupportedError, "starts from another", "init=None or 'zero'"
    )


def test_other_estimators():
    linear = LogisticRegression().fit(X, Y)
    refused(linear, UnsupportedError, "LogisticRegression", "RandomForestClassifier")
    refused(make_pipeline(linear), UnsupportedError, "compile its last step")
    refused(
        ensemble.AdaBoostRegressor(n_estimators=2).fit(X, REAL), UnsupportedError, "a median of"
    )
    boosted_lines = ensemble.AdaBoostClassifier(LogisticRegression(), n_estimators=2).fit(X, Y)
    refused(boosted_lines, UnsupportedError, "AdaBoost of other estimators")


def test_classifier_of_several_targets():
    model = averaged("RandomForestClassifier").fit(X, np.stack([Y, Y], axis=1))
    refused(model, UnsupportedError, "several targets")


def test_categories_that_are_words_or_negative():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": X[:, 0], "b": np.array(["u", "v"])[Y % 2]})
    model = histogram(categorical_features=["b"]).fit(table, Y)
    refused(model, UnsupportedError, "categories are no numbers")
    model = histogram(categorical_features=[5]).fit(np.where(X == 3, -3, X), Y)
    refused(model, UnsupportedError, "categories are no whole numbers", "-3")
