"""CatBoost models against the library."""

import json

import numpy as np
import pytest
from library_rows import rows

from gatewright.base import GatewrightError, ModelError, UnsupportedError
from gatewright.frontends import list_layers, read_model
from gatewright.frontends.trees.catboost import _document, build_catboost
from gatewright.ir import run_real

cb = pytest.importorskip("catboost", reason="needs CatBoost")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(500, 5)).astype(np.float32)
GAPS = np.where(RNG.random(X.shape) < 0.1, np.float32(np.nan), X)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int) + (X[:, 3] > 1)
REAL = np.abs(X[:, 0] * X[:, 1])
COMMON = {"iterations": 8, "depth": 3, "verbose": 0, "allow_writing_files": False,
          "thread_count": 1}  # fmt: skip


def classifier(**options):
    return cb.CatBoostClassifier(**COMMON, **options)


def regressor(**options):
    return cb.CatBoostRegressor(**COMMON, **options)


def reals(loss):
    return lambda: regressor(loss_function=loss).fit(GAPS, REAL)


MODELS = {
    "classes": lambda: classifier().fit(X, Y),
    "gaps": lambda: classifier().fit(GAPS, Y),
    "two classes": lambda: classifier().fit(GAPS, Y > 0),
    "above": lambda: classifier(nan_mode="Max").fit(GAPS, Y > 0),
    "one against all": lambda: classifier(loss_function="MultiClassOneVsAll").fit(GAPS, Y),
    "targets": lambda: regressor(loss_function="MultiRMSE").fit(GAPS, np.stack([REAL, Y, Y], 1)),
    **{loss: reals(loss) for loss in ("RMSE", "MAE", "Poisson", "Tweedie:variance_power=1.5")},
}


@pytest.mark.parametrize("name", MODELS)
def test_leaf_sum_and_prediction(name):
    model = MODELS[name]()
    root, _ = _document(model)
    built, _, _ = build_catboost(root)
    x = rows(built.forest, GAPS if name != "classes" else X, missing=0.05 * (name != "classes"))
    sizes = np.array([len(tree["leaf_weights"]) for tree in root.value["oblivious_trees"]])
    ours = built.origin[built.forest.reached(x)] - (sizes - 1)
    np.testing.assert_array_equal(ours, model.calc_leaf_indexes(x))
    graph = read_model(model)
    ours = run_real(graph, {"x": x})[graph.outputs[0].value]
    if hasattr(model, "predict_proba"):
        theirs = model.predict_proba(x)
        theirs = theirs[:, 1:] if theirs.shape[1] == 2 else theirs
    else:
        theirs = model.predict(x).reshape(len(x), -1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
    assert len(list_layers(model)) == 2


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("cb") / "m.json"
    model = MODELS["two classes"]()
    model.save_model(str(path), format="json")
    return model, path


def test_file(saved):
    model, path = saved
    graph = read_model(path)
    ours = run_real(graph, {"x": GAPS.astype(np.float64)})[graph.outputs[0].value]
    np.testing.assert_allclose(ours[:, 0], model.predict_proba(GAPS)[:, 1], rtol=1e-12)


def refused(tmp_path, document, kind, *texts):
    path = tmp_path / "bad.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(kind) as caught:
        read_model(path)
    for text in texts:
        assert text in str(caught.value), str(caught.value)


def changed(saved, **tree):
    document = json.loads(saved[1].read_text())
    document["oblivious_trees"][0].update(tree)
    return document


def test_cut_short(saved, tmp_path):
    text = saved[1].read_text()
    refused(tmp_path, text[: len(text) // 2], ModelError, "a CatBoost model is cut short")


def test_leaves_that_do_not_fit(saved, tmp_path):
    document = changed(saved, leaf_values=[1.0, 2.0])
    refused(tmp_path, document, ModelError, "numbers for each of 2**3 leaves")


def test_border_that_is_no_number(saved, tmp_path):
    document = changed(saved)
    document["oblivious_trees"][0]["splits"][0]["border"] = float("nan")
    refused(tmp_path, document, ModelError, "a threshold of a forest is not a finite number")


def test_statistics_of_categories(saved, tmp_path):
    document = changed(saved)
    document["oblivious_trees"][0]["splits"][0]["split_type"] = "OnlineCtr"
    refused(
        tmp_path, document, UnsupportedError, "statistics of categories", "without cat_features"
    )


def test_one_hot_categories():
    x = np.array([[str(v % 3), v] for v in range(60)], dtype=object)
    model = classifier(one_hot_max_size=9).fit(x, [v % 3 == 0 for v in range(60)], cat_features=[0])
    with pytest.raises(UnsupportedError, match="by a hash of their text"):
        read_model(model)


def test_trees_that_are_not_oblivious(saved, tmp_path):
    document = changed(saved)
    document["trees"] = document.pop("oblivious_trees")
    refused(tmp_path, document, UnsupportedError, "grow_policy='SymmetricTree'")


def test_loss_that_is_not_known(saved, tmp_path):
    document = changed(saved)
    document["model_info"]["params"]["loss_function"]["type"] = "Mine"
    refused(tmp_path, document, UnsupportedError, "Mine", "Logloss")


def test_feature_that_is_not_there(saved, tmp_path):
    document = changed(saved)
    document["oblivious_trees"][0]["splits"][0]["float_feature_index"] = 77
    refused(tmp_path, document, GatewrightError, "feature that the model does not have")


def test_binary_file(tmp_path, saved):
    path = tmp_path / "m.cbm"
    saved[0].save_model(str(path))
    with pytest.raises(UnsupportedError, match="format='json'"):
        read_model(path)
