"""conifer's JSON files, written here as conifer writes them."""

import json

import numpy as np
import pytest

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends import list_layers, read_model
from gatewright.ir import run_real

TREE = {
    "feature": [0, 2, -2, -2, -2],
    "threshold": [0.5, -1.25, 0.0, 0.0, 0.0],
    "value": [0.0, 0.0, 1.0, -2.0, 4.0],
    "children_left": [1, 2, -1, -1, -1],
    "children_right": [4, 3, -1, -1, -1],
}
STUMP = {"feature": [-2], "threshold": [0.0], "value": [0.5], "children_left": [-1],
         "children_right": [-1]}  # fmt: skip


def document(trees, classes=2, **more):
    base = [0.25] * (1 if classes == 2 else classes)
    return {"n_classes": classes, "n_features": 3, "n_trees": len(trees), "max_depth": 2,
            "init_predict": base, "norm": 0.5, "feature_map": {"feat_0": 0}, "trees": trees,
            "config": {}, "metadata": [], **more}  # fmt: skip


def read(tmp_path, content):
    path = tmp_path / "bdt.json"
    path.write_text(json.dumps(content, indent=1))
    return read_model(path)


def scores(graph, x):
    return run_real(graph, {"x": np.asarray(x, np.float64)})[graph.outputs[0].value]


def test_scores(tmp_path):
    graph = read(tmp_path, document([[TREE], [STUMP]]))
    x = [[0.5, 0, -1.25], [0.5, 0, -1.0], [np.nextafter(0.5, 1), 0, 0]]
    # (sum of leaves + init_predict) * norm
    np.testing.assert_array_equal(scores(graph, x)[:, 0], [0.875, -0.625, 2.375])
    assert graph.facts["framework"] == "conifer"
    assert list_layers(tmp_path / "bdt.json")[0].kind == "conifer"


def test_convention_of_the_file(tmp_path):
    graph = read(tmp_path, document([[TREE]], splitting_convention="<"))
    assert scores(graph, [[0.5, 0, 0]])[0, 0] == (4 + 0.25) * 0.5


def test_classes(tmp_path):
    graph = read(tmp_path, document([[TREE, STUMP, STUMP]], classes=3))
    np.testing.assert_array_equal(scores(graph, [[1.0, 0, 0]]), [[2.125, 0.375, 0.375]])


def test_nan_scores_of_its_xgboost_converter(tmp_path):
    content = document([[TREE, STUMP, STUMP]], classes=3, init_predict=[float("nan")] * 3)
    with pytest.raises(ModelError, match="makes NaN of the base scores"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        (document([[TREE, STUMP]]), UnsupportedError, "a tree for each score"),
        (document([[{**TREE, "value": [1.0]}]]), ModelError, "differ in length"),
        (document([[{**TREE, "children_left": [1, 0, -1, -1, -1]}]]), ModelError, "form a loop"),
        (document([[TREE]], n_features=2), ModelError, "feature that the model does not have"),
        (document([[TREE]], splitting_convention="?"), ModelError, "splitting_convention"),
        (document([[TREE]], norm="much"), ModelError, "numbers, and one for norm"),
        (document([]), ModelError, "a forest has no trees"),
        (document([[{"feature": [-2]}]]), ModelError, "lacks an entry"),
    ],
)
def test_refused(tmp_path, content, kind, text):
    with pytest.raises(kind, match=text.replace("?", r"\?")):
        read(tmp_path, content)
