"""XGBoost models against the library: the leaf reached, the margin, the prediction."""

import json

import numpy as np
import pytest
from library_rows import rows

from gatewright.base import GatewrightError, ModelError, UnsupportedError
from gatewright.frontends import list_layers, read_model
from gatewright.frontends.trees.xgboost import _document, read_booster
from gatewright.ir import run_real

xgb = pytest.importorskip("xgboost", reason="needs XGBoost")

RNG = np.random.default_rng(7)
X = RNG.normal(size=(600, 6)).astype(np.float32)
X[:, 5] = RNG.integers(0, 8, 600)
GAPS = np.where(RNG.random(X.shape) < 0.1, np.float32(np.nan), X)
GAPS[:, 5] = X[:, 5]
Y = ((X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int) + (X[:, 3] > 1)).astype(int)
REAL = np.abs(X[:, 0] * X[:, 1]) + 0.1
KINDS = ["q"] * 5 + ["c"]


def classifier(**options):
    return xgb.XGBClassifier(**{"n_estimators": 8, "max_depth": 3, "nthread": 1, **options})


def regressor(**options):
    return xgb.XGBRegressor(**{"n_estimators": 8, "max_depth": 3, "nthread": 1, **options})


def booster(options, y, rounds=5):
    return xgb.train({"nthread": 1, **options}, xgb.DMatrix(X, label=y), rounds)


def stopped():
    worse = RNG.permutation(Y[::3])
    model = classifier(n_estimators=40, learning_rate=0.8, early_stopping_rounds=3)
    return model.fit(GAPS, Y, eval_set=[(GAPS[::3], worse)], verbose=False)


MODELS = {
    "multiclass": lambda: classifier().fit(X, Y),
    "binary": lambda: classifier().fit(GAPS, Y > 0),
    "base score": lambda: classifier(base_score=0.2).fit(X, Y > 0),
    "dart": lambda: classifier(booster="dart", rate_drop=0.4, n_estimators=15).fit(GAPS, Y),
    "early stopping": stopped,
    "forest": lambda: xgb.XGBRFClassifier(n_estimators=8, max_depth=4, nthread=1).fit(X, Y),
    "boosted forest": lambda: classifier(n_estimators=3, num_parallel_tree=3).fit(X, Y),
    "regression": lambda: regressor().fit(X, REAL),
    "two targets": lambda: regressor().fit(X, X[:, :2] * X[:, 2:4]),
    "vector leaves": lambda: regressor(multi_strategy="multi_output_tree").fit(X, X[:, :2] ** 2),
    "quantiles": lambda: regressor(
        objective="reg:quantileerror", quantile_alpha=np.array([0.1, 0.9])
    ).fit(X, REAL),
    "ranking": lambda: xgb.XGBRanker(n_estimators=5).fit(X, Y, qid=np.arange(600) // 10),
    "categories": lambda: classifier(
        feature_types=KINDS, enable_categorical=True, max_cat_to_onehot=2, tree_method="hist"
    ).fit(GAPS, (X[:, 5] % 3) + (X[:, 0] > 0)),
    "code word": lambda: classifier(missing=-999.0).fit(np.nan_to_num(GAPS, nan=-999.0), Y),
    "no trees that split": lambda: classifier(n_estimators=2, gamma=1e9).fit(X, Y > 0),
    **{
        objective: lambda objective=objective: regressor(objective=objective).fit(X, REAL / 9)
        for objective in (
            "count:poisson",
            "reg:gamma",
            "reg:tweedie",
            "reg:squaredlogerror",
            "reg:logistic",
            "reg:pseudohubererror",
            "reg:absoluteerror",
            "survival:cox",
        )
    },
    "binary:logitraw": lambda: booster({"objective": "binary:logitraw", "base_score": 0.3}, Y > 0),
    "binary:hinge": lambda: booster({"objective": "binary:hinge"}, Y > 0),
    "multi:softmax": lambda: booster({"objective": "multi:softmax", "num_class": 3}, Y),
}


@pytest.fixture(scope="module")
def trained():
    made = {}

    def get(name):
        if name not in made:
            made[name] = MODELS[name]()
        return made[name]

    return get


def read(model):
    root, _, missing, wrapped = _document(model)
    return read_booster(root, missing, wrapped)


def ask(model, x, found, **how):
    """Return what the library predicts."""
    live = model.get_booster() if hasattr(model, "get_booster") else model
    kinds = live.feature_types
    missing = getattr(model, "missing", np.nan)
    data = xgb.DMatrix(
        x.astype(np.float32), missing=missing, feature_types=kinds, enable_categorical=True
    )
    answers = live.predict(
        data, iteration_range=(0, found.rounds[0]), validate_features=False, **how
    )
    return np.asarray(answers, np.float64).reshape(len(x), -1)


@pytest.mark.parametrize("name", MODELS)
def test_leaf_margin_and_prediction(trained, name):
    model = trained(name)
    found = read(model)
    forest = found.built.forest
    x = rows(forest, GAPS)
    if name == "categories":
        x[:, 5] = np.where(np.isnan(x[:, 5]), np.nan, RNG.integers(0, 12, len(x)))
    if name == "code word":
        x = np.where(np.isnan(x), -999.0, x)
    leaves = found.built.origin[forest.reached(x)]
    assert (leaves == ask(model, x, found, pred_leaf=True)).all()
    margin = ask(model, x, found, output_margin=True)
    bound = (
        (forest.trees + 3)
        * 2.0**-24
        * (np.abs(forest.leaves).max(axis=0) * forest.trees + np.abs(forest.base))
    )
    assert (np.abs(forest.real(x) - margin) <= bound + 1e-9).all()
    graph = read_model(model)
    ours = run_real(graph, {"x": x})[graph.outputs[0].value]
    assert np.isfinite(ours).all()
    if name not in ("binary:hinge", "multi:softmax"):  # which predict classes
        np.testing.assert_allclose(ours, ask(model, x, found), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("ending", ["json", "ubj", "model"])
@pytest.mark.parametrize("name", ["multiclass", "early stopping", "dart", "vector leaves"])
def test_files_are_the_live_model(trained, tmp_path, name, ending):
    model = trained(name)
    path = tmp_path / f"m.{ending}"
    model.save_model(path if ending != "model" else tmp_path / "m.json")
    if ending == "model":
        (tmp_path / "m.json").rename(path)
    file, live = read_model(path), read_model(model)
    x = rows(live.nodes[0].op, GAPS)
    for a, b in zip(file.nodes, live.nodes, strict=True):
        np.testing.assert_array_equal(
            run_real(file, {"x": x})[a.name], run_real(live, {"x": x})[b.name]
        )
    assert file.facts["rounds"] == live.facts["rounds"]
    assert [layer.name for layer in list_layers(path)] == ["forest", "link"]


def test_wrappers_predict_to_their_best_round(trained):
    model = trained("early stopping")
    found = read(model)
    assert found.rounds[0] == model.best_iteration + 1 < found.rounds[1]
    graph = read_model(model)
    assert "as early stopping chose" in graph.facts["rounds"]
    ours = run_real(graph, {"x": GAPS.astype(np.float64)})[graph.outputs[0].value]
    np.testing.assert_allclose(ours, model.predict_proba(GAPS), atol=1e-6)
    # The booster inside predicts with all of its rounds, and so does its graph.
    whole = read_model(model.get_booster())
    ours = run_real(whole, {"x": GAPS.astype(np.float64)})[whole.outputs[0].value]
    np.testing.assert_allclose(ours, model.get_booster().predict(xgb.DMatrix(GAPS)), atol=1e-6)


# ---- what conifer got wrong (see the guide on forests)


def test_default_multiclass_has_scores(trained):
    """Base scores of classes are margins already, some negative: a logit of them is NaN."""
    model = trained("multiclass")
    text = json.loads(model.get_booster().save_config())["learner"]["learner_model_param"]
    assert "-" in text["base_score"]
    graph = read_model(model)
    ours = run_real(graph, {"x": X.astype(np.float64)})[graph.outputs[0].value]
    np.testing.assert_array_equal(ours.argmax(1), model.predict(X))


def test_decimal_text_of_thresholds_is_float32():
    """Thresholds taken as decimals send samples that stand on one the other way."""
    x = np.repeat(RNG.normal(size=60).astype(np.float32), 10)[:, None]
    y = RNG.permuted(np.repeat([0, 1], 300))
    model = classifier(max_depth=6, n_estimators=20, tree_method="exact").fit(x, y)
    found = read(model)
    at = np.concatenate([x, found.built.forest.thresholds[:, None].astype(np.float32)])
    leaves = found.built.origin[found.built.forest.reached(at.astype(np.float64))]
    assert (leaves == ask(model, at, found, pred_leaf=True)).all()


def test_samples_are_rounded_to_float32_first(trained):
    found = read(trained("binary"))
    forest = found.built.forest
    numeric = forest.members < 0
    wide = np.zeros((int(numeric.sum()), 6))
    wide[np.arange(len(wide)), forest.features[numeric]] = forest.thresholds[numeric]
    for x in (wide, np.nextafter(wide, np.inf), np.nextafter(wide, -np.inf)):
        np.testing.assert_array_equal(
            forest.reached(x), forest.reached(x.astype(np.float32).astype(np.float64))
        )


# ---- errors


@pytest.fixture
def document(trained, tmp_path):
    path = tmp_path / "m.json"
    trained("multiclass").save_model(path)
    return json.loads(path.read_text())


def refused(tmp_path, document, kind, *texts):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document))
    with pytest.raises(kind) as caught:
        read_model(path)
    for text in texts:
        assert text in str(caught.value), str(caught.value)


def tree(document, k=0):
    return document["learner"]["gradient_booster"]["model"]["trees"][k]


def test_cut_short_json(trained, tmp_path):
    path = tmp_path / "m.json"
    trained("multiclass").save_model(path)
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(ModelError, match="an XGBoost model is cut short") as caught:
        read_model(path)
    assert "save the model again" in str(caught.value)


def test_cut_short_ubj(trained, tmp_path):
    path = tmp_path / "m.ubj"
    trained("multiclass").save_model(path)
    data = path.read_bytes()
    for part in (0.3, 0.6, 0.99):
        path.write_bytes(data[: int(len(data) * part)])
        with pytest.raises(ModelError, match=r"an XGBoost model \(UBJ\) is cut short"):
            read_model(path)


def test_claimed_size_beyond_the_file(trained, tmp_path):
    path = tmp_path / "m.ubj"
    trained("multiclass").save_model(path)
    data = path.read_bytes().replace(b"[$d#L" + bytes(8), b"[$d#L" + b"\x7f" + bytes(7))
    at = data.index(b"[$d#L") + 5
    path.write_bytes(data[:at] + b"\x3f" + data[at + 1 :])
    with pytest.raises(ModelError, match="bytes to come at byte"):
        read_model(path)


def test_broken_json(document, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{"learner": {"a" 1}, "b": 2}')
    with pytest.raises(ModelError, match="an XGBoost model is not JSON"):
        read_model(path)


def test_loop(document, tmp_path):
    tree(document, 3)["left_children"][1] = 0
    tree(document, 3)["right_children"][1] = 2
    refused(tmp_path, document, ModelError, "form a loop, or meet again", "tree 3")


def test_child_that_is_not_there(document, tmp_path):
    tree(document)["left_children"][0] = 10**6
    refused(tmp_path, document, ModelError, "has a child that is not there", "tree 0")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_threshold_that_is_no_number(document, tmp_path, number):
    tree(document)["split_conditions"][0] = number
    refused(tmp_path, document, ModelError, "a threshold of a forest is not a finite number")


def test_leaf_that_is_no_number(document, tmp_path):
    leaf = tree(document)["left_children"].index(-1)
    tree(document)["split_conditions"][leaf] = float("nan")
    refused(tmp_path, document, ModelError, "a leaf of a forest is not a finite number")


def test_unknown_objective(document, tmp_path):
    document["learner"]["objective"]["name"] = "multi:mine"
    refused(tmp_path, document, UnsupportedError, "multi:mine", "binary:logistic", "no link")


def test_linear_booster(tmp_path):
    model = booster({"booster": "gblinear"}, Y > 0)
    with pytest.raises(UnsupportedError, match="gblinear"):
        read_model(model)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("num_feature", "4", "compares a feature that the model does not have"),
        ("num_feature", "99999999999", "reads too many features"),
        ("num_class", "99999999999", "not what it should be"),
        ("base_score", "[1,2]", "one number, or 3"),
        ("base_score", "[nan,0,0]", "base score of a forest is not a finite number"),
        ("base_score", "half", "a number, or a list of them"),
    ],
)
def test_parameters(document, tmp_path, key, value, text):
    document["learner"]["learner_model_param"][key] = value
    refused(tmp_path, document, GatewrightError, text)


def test_trees_that_are_missing(document, tmp_path):
    document["learner"]["gradient_booster"]["model"]["trees"].pop()
    refused(tmp_path, document, ModelError, "as many trees as it says")


def test_arrays_of_different_lengths(document, tmp_path):
    tree(document)["split_conditions"].pop()
    refused(tmp_path, document, ModelError, "differ in length", "split_conditions")


def test_text_dump(trained, tmp_path):
    for name, form in (("d.txt", "text"), ("d.json", "json")):
        trained("multiclass").get_booster().dump_model(str(tmp_path / name), dump_format=form)
        with pytest.raises(UnsupportedError, match="a text dump of XGBoost") as caught:
            read_model(tmp_path / name)
        assert "save_model('model.json')" in str(caught.value)


def test_files_of_older_versions(document, tmp_path, trained):
    """Before 2.0: one base score, no ends of rounds, truth values for directions."""
    parameters = document["learner"]["learner_model_param"]
    model = document["learner"]["gradient_booster"]["model"]
    del parameters["num_target"], model["iteration_indptr"], model["cats"]
    parameters["base_score"] = "5E-1"
    for k in range(len(model["trees"])):
        tree(document, k)["default_left"] = [bool(v) for v in tree(document, k)["default_left"]]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document))
    old, new = read_model(path).nodes[0].op, read_model(trained("multiclass")).nodes[0].op
    x = GAPS.astype(np.float64)
    np.testing.assert_array_equal(old.reached(x), new.reached(x))
    np.testing.assert_array_equal(old.base, [0.5] * 3)
