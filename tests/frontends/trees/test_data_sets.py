"""The leaf reached is the library's on every row of real data, trained as users train."""

import gzip

import numpy as np
import pytest

from gatewright.frontends.trees.scikit import build_scikit
from gatewright.frontends.trees.xgboost import _document, read_booster


def jets(folder):
    data = np.load(folder / "jets_pythia_100k.npz")
    return data["x"][:6000].astype(np.float64), data["y"][:6000].astype(int)


def table(name):
    def read(folder):
        lines = gzip.decompress((folder / name).read_bytes()).decode().split("\n")[1:]
        chosen = np.random.default_rng(1).permutation(len(lines) - 1)[:6000]
        rows = np.array([[float(v) for v in lines[k].split("\t")] for k in chosen])
        return rows[:, :-1], np.unique(rows[:, -1], return_inverse=True)[1]

    return read


SETS = {
    "jets": jets,
    "magic": table("pmlb_magic.tsv.gz"),
    "shuttle": table("pmlb_shuttle.tsv.gz"),
}


@pytest.mark.parametrize("name", SETS)
def test_xgboost(shared_data, name):
    xgb = pytest.importorskip("xgboost", reason="needs XGBoost")
    x, y = SETS[name](shared_data)
    y = np.minimum(y, 3)  # of the rarer classes, training rows may hold none
    model = xgb.XGBClassifier(n_estimators=8, max_depth=4, nthread=1).fit(x[:4000], y[:4000])
    root, _, missing, wrapped = _document(model)
    found = read_booster(root, missing, wrapped).built
    theirs = model.apply(x).reshape(len(x), -1)
    np.testing.assert_array_equal(found.origin[found.forest.reached(x)], theirs)


@pytest.mark.parametrize("name", SETS)
def test_scikit(shared_data, name):
    ensemble = pytest.importorskip("sklearn.ensemble", reason="needs scikit-learn")
    x, y = SETS[name](shared_data)
    model = ensemble.RandomForestClassifier(8, max_depth=8, random_state=1).fit(x[:4000], y[:4000])
    found, _ = build_scikit(model)
    np.testing.assert_array_equal(found.origin[found.forest.reached(x)], model.apply(x))
