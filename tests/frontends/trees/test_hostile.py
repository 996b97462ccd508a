"""Damaged files of every kind: one clear error, never another exception, and never much memory."""

import json

import numpy as np
import pytest

from gatewright.base import GatewrightError
from gatewright.frontends import read_model

RNG = np.random.default_rng(9)
X = RNG.normal(size=(200, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    xgb = pytest.importorskip("xgboost", reason="needs XGBoost")
    lgb = pytest.importorskip("lightgbm", reason="needs LightGBM")
    model = xgb.XGBClassifier(n_estimators=2, max_depth=2, nthread=1).fit(X, Y)
    for ending in ("json", "ubj"):
        model.save_model(folder / f"x.{ending}")
    options = {"objective": "binary", "verbose": -1, "num_leaves": 4, "num_threads": 1}
    lgb.train(options, lgb.Dataset(X, Y > 0), 2).save_model(folder / "l.txt")
    return folder


def survives(path):
    """Read a file that may be damaged: a graph, or an error of ours."""
    try:
        graph = read_model(path)
    except GatewrightError:
        return None
    return graph


@pytest.mark.parametrize("name", ["x.json", "x.ubj", "l.txt"])
def test_cut_anywhere(files, tmp_path, name):
    data = (files / name).read_bytes()
    assert survives(files / name) is not None
    for length in RNG.integers(0, len(data) - 30, 60):
        path = tmp_path / name
        path.write_bytes(data[:length])
        if name == "l.txt" and b"end of trees" in data[:length]:
            continue  # what stands behind the trees is about training
        assert survives(path) is None


@pytest.mark.parametrize("name", ["x.json", "x.ubj", "l.txt"])
def test_bytes_changed(files, tmp_path, name):
    data = (files / name).read_bytes()
    for _ in range(150):
        broken = bytearray(data)
        for at in RNG.integers(0, len(data), 3):
            broken[at] = RNG.integers(0, 256)
        path = tmp_path / name
        path.write_bytes(bytes(broken))
        survives(path)


def entries(value, way=()):
    """Return the ways to all entries of a document, lists by their first elements."""
    found = [way] if way else []
    pairs = value.items() if isinstance(value, dict) else []
    if isinstance(value, list):
        pairs = list(enumerate(value[:2]))
    for key, inner in pairs:
        found += entries(inner, (*way, key))
    return found


WRONG = (None, True, -1, 10**18, 1e308, float("nan"), "x", [], {}, [[1]], {"a": 1})


def test_entries_of_the_wrong_kind(files, tmp_path):
    text = (files / "x.json").read_text()
    ways = entries(json.loads(text))
    path = tmp_path / "x.json"
    for n, way in enumerate(ways):
        document = json.loads(text)
        place = document
        for key in way[:-1]:
            place = place[key]
        place[way[-1]] = WRONG[n % len(WRONG)]
        path.write_text(json.dumps(document))
        survives(path)
        del place[way[-1]]
        path.write_text(json.dumps(document))
        survives(path)


def test_deep_nesting(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"learner": ' + "[" * 200_000 + "]" * 200_000 + "}")
    assert survives(path) is None
    path = tmp_path / "x.ubj"
    path.write_bytes(b"{L" + bytes(7) + b"\x07learner" + b"[" * 200_000)
    assert survives(path) is None
