"""LightGBM models against the library."""

import re

import numpy as np
import pytest
from library_rows import rows

from gatewright.base import GatewrightError, ModelError, UnsupportedError
from gatewright.frontends import list_layers, read_model
from gatewright.frontends.trees.lightgbm import build_lightgbm
from gatewright.ir import run_real

lgb = pytest.importorskip("lightgbm", reason="needs LightGBM")

RNG = np.random.default_rng(4)
X = RNG.normal(size=(600, 6))
X[:, 5] = RNG.integers(0, 40, 600)
GAPS = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
GAPS[:, 5] = X[:, 5]
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int) + (X[:, 3] > 1)
REAL = np.minimum(np.abs(X[:, 0] * X[:, 1]) / 20 + 0.01, 1)
FOREST = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}


def train(x, y, rounds=6, categories="auto", **options):
    options = {"num_leaves": 8, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, **options}
    group = [20] * 30 if options["objective"].startswith(("lambda", "rank")) else None
    data = lgb.Dataset(x, y, group=group, categorical_feature=categories)
    return lgb.train(options, data, rounds)


def reals(objective):
    return lambda: train(GAPS, REAL, objective=objective)


OBJECTIVES = (
    *("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma"),
    *("tweedie", "cross_entropy", "cross_entropy_lambda"),
)

MODELS = {
    "multiclass": lambda: train(GAPS, Y, objective="multiclass", num_class=3),
    "one against all": lambda: train(GAPS, Y, objective="multiclassova", num_class=3),
    "binary": lambda: train(GAPS, Y > 0, objective="binary"),
    "steeper": lambda: train(GAPS, Y > 0, objective="binary", sigmoid=2.0),
    "nothing is missing": lambda: train(X, Y > 0, objective="binary", use_missing=False),
    "no gaps in training": lambda: train(X, Y > 0, objective="binary"),
    "zero is missing": lambda: train(
        np.nan_to_num(GAPS), Y > 0, objective="binary", zero_as_missing=True
    ),
    "categories": lambda: train(
        GAPS, X[:, 5] % 3 > Y, objective="binary", categories=[5], min_data_per_group=5
    ),
    "random forest": lambda: train(GAPS, Y > 0, objective="binary", **FOREST),
    "forest of classes": lambda: train(GAPS, Y, objective="multiclass", num_class=3, **FOREST),
    "dart": lambda: train(GAPS, Y > 0, objective="binary", boosting="dart"),
    "no tree that splits": lambda: train(X, Y > 0, objective="binary", min_data_in_leaf=500),
    **{name: reals(name) for name in OBJECTIVES},
    "ranking": lambda: train(GAPS, Y, objective="lambdarank"),
}


@pytest.mark.parametrize("name", MODELS)
def test_leaf_sum_and_prediction(name):
    model = MODELS[name]()
    text = model.model_to_string()
    built, _, _ = build_lightgbm(text, "m")
    forest = built.forest
    x = rows(forest, GAPS, single=False)
    if name == "zero is missing":
        x = np.where((np.abs(x) < 1e-30) | (RNG.random(x.shape) < 0.05), 0.0, x)
    if name == "categories":
        x[:, 5] = np.where(np.isnan(x[:, 5]), np.nan, RNG.integers(-3, 70, len(x)))
    inner = np.array([int(n) - 1 for n in re.findall(r"\nnum_leaves=(\d+)\n", text)])
    ours = built.origin[forest.reached(x)] - inner[: forest.trees]
    np.testing.assert_array_equal(ours, model.predict(x, pred_leaf=True).reshape(len(x), -1))
    graph = read_model(model)
    ours = run_real(graph, {"x": x})[graph.outputs[0].value]
    theirs = model.predict(x).reshape(len(x), -1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
    assert len(list_layers(model)) == 2


def test_files_and_wrappers(tmp_path):
    live = lgb.LGBMClassifier(n_estimators=4, num_leaves=6, verbose=-1, n_jobs=1).fit(GAPS, Y)
    path = tmp_path / "m.txt"
    live.booster_.save_model(path)
    for model in (live, path):
        graph = read_model(model)
        ours = run_real(graph, {"x": GAPS})[graph.outputs[0].value]
        np.testing.assert_allclose(ours, live.predict_proba(GAPS), rtol=1e-12)
    assert graph.facts["framework"] == "LightGBM"


def test_early_stopping():
    model = lgb.LGBMClassifier(n_estimators=60, learning_rate=0.9, verbose=-1, n_jobs=1).fit(
        X[:300],
        Y[:300] > 0,
        eval_set=[(X[300:], RNG.permutation(Y[300:] > 0))],
        callbacks=[lgb.early_stopping(2, verbose=False)],
    )
    graph = read_model(model)
    assert graph.facts["trees"] == str(model.best_iteration_)
    ours = run_real(graph, {"x": X})[graph.outputs[0].value]
    np.testing.assert_allclose(ours[:, 0], model.predict_proba(X)[:, 1], rtol=1e-12)


def test_numbers_next_to_zero_are_zero():
    x = np.repeat([[-1.0], [0.0], [1.0]], 50, axis=0)
    model = train(x, x[:, 0] == 0, objective="binary")
    forest = build_lightgbm(model.model_to_string(), "m")[0].forest
    assert (np.abs(forest.thresholds) < 1e-30).any()
    tiny = np.float64(np.float32(1e-35))
    at = np.array([0, tiny, -tiny, np.nextafter(tiny, 1), np.nextafter(-tiny, -1)])[:, None]
    np.testing.assert_allclose(forest.real(at)[:, 0], model.predict(at, raw_score=True))


# ---- errors


@pytest.fixture(scope="module")
def text():
    return MODELS["multiclass"]().model_to_string()


def refused(tmp_path, text, kind, *texts):
    path = tmp_path / "m.txt"
    path.write_text(text)
    with pytest.raises(kind) as caught:
        read_model(path)
    for part in texts:
        assert part in str(caught.value), str(caught.value)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_cut_short(tmp_path, text, share):
    body = text[: int(text.index("end of trees") * share)]
    refused(tmp_path, body, ModelError, "cut short", "save the model again")


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (r"threshold=\S+", "threshold=nan", "a threshold of a forest is not a finite number"),
        (r"threshold=\S+", "threshold=inf", "a threshold of a forest is not a finite number"),
        (r"leaf_value=\S+", "leaf_value=nan", "a leaf of a forest is not a finite number"),
        (r"left_child=\S+", "left_child=0", "form a loop, or meet again"),
        (r"left_child=\S+", "left_child=99", "has a child that is not there"),
        (r"split_feature=\S+", "split_feature=9", "feature that the model does not have"),
        (r"num_leaves=\d+", "num_leaves=2000000000", "2000000000 numbers"),
        (r"max_feature_idx=\d+", "max_feature_idx=2000000000", "max_feature_idx"),
        (r"max_feature_idx=\d+", "max_feature_idx=1", "feature that the model does not have"),
        (r"num_tree_per_iteration=\d+", "num_tree_per_iteration=5", "a divisor of 18 trees"),
        (r"objective=\S+", "objective=mine", "an objective of LightGBM is not known"),
        (r"objective=\S+.*", "objective=regression sqrt", "reg_sqrt=False"),
        (r"is_linear=0", "is_linear=1", "linear_tree=False"),
        (r"decision_type=\d+", "decision_type=12", "missing types"),
        (r"threshold=\S+", "threshold=one", "not what it should be"),
        (r"tree_sizes=\d+ ", "tree_sizes=", "as many trees as it says"),
    ],
)
def test_damaged(tmp_path, text, old, new, part):
    changed = re.sub(old, new, text, count=1)
    assert changed != text
    refused(tmp_path, changed, GatewrightError, part)


def test_zero_missing_at_some_nodes_only(tmp_path, text):
    changed = re.sub(r"decision_type=\S+", "decision_type=4", text, count=1)
    refused(tmp_path, changed, UnsupportedError, "zero is missing at some nodes of a feature")


def test_json_dump(tmp_path):
    import json

    path = tmp_path / "m.json"
    path.write_text(json.dumps(MODELS["binary"]().dump_model()))
    with pytest.raises(UnsupportedError, match=r"a JSON dump of LightGBM") as caught:
        read_model(path)
    assert "booster.save_model" in str(caught.value)
