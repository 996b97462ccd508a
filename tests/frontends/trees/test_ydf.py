"""YDF models against the library."""

import numpy as np
import pytest
from library_rows import rows

from gatewright.base import UnsupportedError
from gatewright.frontends import read_model
from gatewright.frontends.trees.ydf import build_ydf
from gatewright.ir import run_real

ydf = pytest.importorskip("ydf", reason="needs YDF")

RNG = np.random.default_rng(6)
X = RNG.normal(size=(600, 5)).astype(np.float32)
X[:, 2] = np.where(RNG.random(600) < 0.1, np.nan, X[:, 2])
X[:, 4] = RNG.integers(0, 6, 600)
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 3] > 1) * (X[:, 4] % 2 == 0)
REAL = X[:, 0] * X[:, 1] + X[:, 4] % 3
CLASSES, TWO = Y.astype(str), (Y > 0).astype(str)
BOOSTED, FOREST = "GradientBoostedTreesLearner", "RandomForestLearner"


def table(x, y, names=None):
    names = names or [f"f{i}" for i in range(5)]
    found = {name: x[:, k] for k, name in enumerate(names)}
    found["f4"] = np.nan_to_num(found["f4"], nan=1).astype(int)
    return {**found, "y": y}


def train(learner, y, **options):
    categories = [ydf.Feature("f4", ydf.Semantic.CATEGORICAL)]
    made = getattr(ydf, learner)(
        label="y", num_trees=5, max_depth=4, num_threads=1, features=categories,
        include_all_columns=True, **options,
    )  # fmt: skip
    return made.train(table(X, y), verbose=0)


REGRESSION = {"task": ydf.Task.REGRESSION}
MODELS = {
    "boosted classes": (BOOSTED, CLASSES, {}),
    "boosted two classes": (BOOSTED, TWO, {}),
    "boosted regression": (BOOSTED, REAL, REGRESSION),
    "forest of votes": (FOREST, CLASSES, {}),
    "forest of shares": (FOREST, CLASSES, {"winner_take_all": False}),
    "forest of two classes": (FOREST, TWO, {}),
    "forest regression": (FOREST, REAL, REGRESSION),
}


@pytest.mark.parametrize("name", MODELS)
def test_leaf_and_prediction(name):
    learner, y, options = MODELS[name]
    model = train(learner, y, **options)
    built, _, _ = build_ydf(model)
    names = model.input_feature_names()
    data = np.stack([X[:, int(n[1])] for n in names], axis=1)
    x = rows(built.forest, data).astype(np.float32).astype(np.float64)
    x[:, names.index("f4")] = np.nan_to_num(x[:, names.index("f4")], nan=1)
    given = table(x.astype(np.float32), np.resize(y, len(x)), names)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(built.origin) < 0) + 1])
    ours = built.forest.reached(x) - starts
    np.testing.assert_array_equal(ours, model.predict_leaves(given))
    graph = read_model(model)
    ours = run_real(graph, {"x": x})[graph.outputs[0].value]
    np.testing.assert_allclose(ours, model.predict(given).reshape(ours.shape), atol=1e-6)
    assert graph.facts["features"] == ", ".join(names)


def test_oblique_splits_are_refused():
    model = train(BOOSTED, REAL, split_axis="SPARSE_OBLIQUE", **REGRESSION)
    with pytest.raises(UnsupportedError, match="NumericalSparseObliqueCondition"):
        read_model(model)


def test_categories_that_are_words():
    words = {"f4": np.array(["a", "b", "c"])[RNG.integers(0, 3, 600)]}
    data = {**words, "y": (words["f4"] == "a").astype(str)}
    learner = ydf.GradientBoostedTreesLearner(label="y", num_trees=2, num_threads=1)
    with pytest.raises(UnsupportedError, match="categories are words"):
        read_model(learner.train(data, verbose=0))


def test_isolation_forest_is_refused():
    learner = ydf.IsolationForestLearner(num_trees=3, num_threads=1)
    model = learner.train({"a": X[:, 0], "b": X[:, 1]}, verbose=0)
    with pytest.raises(UnsupportedError, match="a kind of YDF model is not read"):
        read_model(model)


def test_saved_folder_names_the_way(tmp_path):
    model = train(BOOSTED, REAL, **REGRESSION)
    model.save(str(tmp_path / "m"))
    with pytest.raises(UnsupportedError, match=r"ydf\.load_model"):
        read_model(tmp_path / "m")
