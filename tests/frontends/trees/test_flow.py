"""The whole way: a file is recognised by the flow and the command line, and run for comparison."""

import json

import numpy as np
import pytest

from gatewright.base import VerificationError
from gatewright.flow import inspect
from gatewright.frontends import read_model
from gatewright.frontends.compare import compare_with_source
from gatewright.quantize.structure import move_to_host

RNG = np.random.default_rng(2)
X = RNG.normal(size=(300, 4)).astype(np.float32).astype(np.float64)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] * X[:, 2] > 0.2)
POSITIVE = np.abs(X[:, 0] * X[:, 1]) + 0.1


def xgboost(tmp_path):
    library = pytest.importorskip("xgboost")
    return library.XGBClassifier(n_estimators=4, max_depth=3, nthread=1).fit(X, Y), "json"


def soft_classes(tmp_path):
    library = pytest.importorskip("xgboost")
    options = {"objective": "multi:softmax", "num_class": 3, "nthread": 1}
    return library.train(options, library.DMatrix(X, label=Y), 3), "ubj"


def rates(tmp_path):
    library = pytest.importorskip("xgboost")
    model = library.XGBRegressor(n_estimators=4, objective="count:poisson", nthread=1)
    return model.fit(X, POSITIVE), "json"


def lightgbm(tmp_path):
    library = pytest.importorskip("lightgbm")
    options = {"objective": "binary", "verbose": -1, "num_threads": 1}
    return library.train(options, library.Dataset(X, Y > 0), 4), "txt"


def catboost(tmp_path):
    library = pytest.importorskip("catboost")
    model = library.CatBoostClassifier(
        iterations=4, depth=3, verbose=0, allow_writing_files=False, thread_count=1
    )
    return model.fit(X, Y), "json"


def forest(tmp_path):
    library = pytest.importorskip("sklearn.ensemble")
    return library.RandomForestClassifier(4, max_depth=4).fit(X, Y), ""


def isolation(tmp_path):
    library = pytest.importorskip("sklearn.ensemble")
    return library.IsolationForest(n_estimators=4).fit(X), ""


def ydf(tmp_path):
    library = pytest.importorskip("ydf")
    data = {f"f{k}": X[:, k].astype(np.float32) for k in range(4)} | {"y": Y.astype(str)}
    learner = library.GradientBoostedTreesLearner(label="y", num_trees=3, num_threads=1)
    return learner.train(data, verbose=0), ""


def saved(model, ending, tmp_path):
    path = tmp_path / f"m.{ending}"
    more = {"format": "json"} if type(model).__module__.startswith("catboost") else {}
    model.save_model(str(path), **more)
    return path


@pytest.mark.parametrize(
    "make", [xgboost, soft_classes, rates, lightgbm, catboost, forest, isolation, ydf]
)
def test_compared_with_its_library(make, tmp_path):
    model, ending = make(tmp_path)
    models = [model, saved(model, ending, tmp_path)] if ending else [model]
    for found in models:
        graph = read_model(found)
        (check,) = compare_with_source(found, graph, {"x": X})
        assert check.vectors == 256, check
        assert check.share <= 1
        assert check.worst < 1e-5
        report = inspect(found)
        assert report.supported
        assert report.layers[0].name == "forest"
        moved, _ = move_to_host(graph)  # of the model, the firmware has the forest
        assert [node.name for node in moved.nodes] == ["forest"]


def test_a_difference_is_found(tmp_path):
    model, ending = xgboost(tmp_path)
    path = saved(model, ending, tmp_path)
    graph = read_model(path)
    document = json.loads(path.read_text())
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    trees[0]["split_conditions"] = [v + 0.01 for v in trees[0]["split_conditions"]]
    path.write_text(json.dumps(document))
    with pytest.raises(VerificationError, match="the imported model differs from its source"):
        compare_with_source(path, graph, {"x": X})
