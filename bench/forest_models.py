"""Forests of every library as users train them, and the leaf that each library itself finds."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.material import pythia_jets, shared
from gatewright.frontends.trees.catboost import _document as catboost_document
from gatewright.frontends.trees.catboost import build_catboost
from gatewright.frontends.trees.lightgbm import build_lightgbm
from gatewright.frontends.trees.nodes import Built
from gatewright.frontends.trees.scikit import build_scikit
from gatewright.frontends.trees.xgboost import _document as xgboost_document
from gatewright.frontends.trees.xgboost import read_booster
from gatewright.frontends.trees.ydf import as_columns, build_ydf
from gatewright.ops import Forest

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 20_000
"""Rows whose leaves are held at once."""


@dataclass(frozen=True, eq=False)
class Set:
    """A data set: all rows, and which are for training, calibration and test (no row in two)."""

    name: str
    x: Reals
    y: Ints
    train: Ints
    calibration: Ints
    test: Ints


def jets() -> Set:
    """Return the Pythia jets; test rows are those of all benchmarks."""
    train, test = pythia_jets()
    x, y = np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y])
    parts = np.split(np.arange(len(x)), [20_000, 40_000, len(train.x)])
    return Set("jets", x, y, parts[0], parts[1], parts[3])


def table(name: str) -> Set:
    """Return a table of PMLB, shuffled: 40 % to train, 30 % to calibrate, 30 % to test."""
    text = gzip.decompress(shared(f"pmlb_{name}.tsv.gz").read_bytes()).decode()
    rows = np.loadtxt(text.splitlines()[1:])
    y = np.unique(rows[:, -1], return_inverse=True)[1].astype(np.int64)
    order = np.random.default_rng(1).permutation(len(rows))
    stops = [len(rows) * 4 // 10, len(rows) * 7 // 10]
    return Set(name, rows[:, :-1], y, *np.split(order, stops))


SETS: dict[str, Callable[[], Set]] = {
    "jets": jets,
    "magic": lambda: table("magic"),
    "shuttle": lambda: table("shuttle"),
}


@dataclass(frozen=True, eq=False)
class Trained:
    """A model, our import of its trees, and the leaves that its library finds.

    Attributes:
        leaves: (rows, trees), from rows, by the library, as it numbers them.
        first: the library's number of a leaf is ours (`Built.origin`) less this, tree by tree.
        chances: (rows, classes) or of two classes the second alone, by the library.
        classes: the class that each of its outputs stands for.
    """

    model: Any
    built: Built
    leaves: Callable[[Reals], NDArray[Any]]
    first: Ints
    chances: Callable[[Reals], NDArray[Any]]
    classes: Ints

    def positions(self, y: Ints) -> Ints:
        """Return the outputs that stand for classes."""
        order = np.argsort(self.classes)
        return np.asarray(order[np.searchsorted(self.classes, y, sorter=order)], np.int64)

    def wrong(self, x: Reals) -> int:
        """Return how many of rows x trees end in another leaf than the library's."""
        count = 0
        for start in range(0, len(x), BLOCK):
            rows = x[start : start + BLOCK]
            ours = self.built.origin[self.built.forest.reached(rows)] - self.first
            theirs = np.asarray(self.leaves(rows)).reshape(ours.shape)
            count += int((ours != theirs).sum())
        return count


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: the library, its class, options of its size."""

    library: str
    what: str
    train: Callable[[Reals, Ints], Trained]

    @property
    def is_installed(self) -> bool:
        """Whether the library is there."""
        return importlib.util.find_spec(self.library) is not None


def _scikit(kind: str, **options: Any) -> Callable[[Reals, Ints], Trained]:
    def train(x: Reals, y: Ints) -> Trained:
        from sklearn import ensemble, tree

        made = dict(options)
        if kind == "AdaBoostClassifier":
            made["estimator"] = tree.DecisionTreeClassifier(max_depth=made.pop("max_depth"))
        maker = getattr(ensemble if hasattr(ensemble, kind) else tree, kind)
        model = maker(random_state=1, **made).fit(x, y)
        built, _ = build_scikit(model)
        leaves = _histogram_leaves if kind.startswith("Hist") else _scikit_leaves
        return _trained(model, built, lambda rows: leaves(model, rows))

    return train


def _trained(
    model: Any,
    built: Built,
    leaves: Callable[[Reals], NDArray[Any]],
    first: Ints | None = None,
) -> Trained:
    """Return a model that answers in scikit-learn's manner."""
    if first is None:
        first = np.zeros(built.forest.trees, np.int64)
    return Trained(model, built, leaves, first, model.predict_proba, np.asarray(model.classes_))


def _scikit_leaves(model: Any, x: Reals) -> NDArray[Any]:
    if hasattr(model, "apply"):
        return np.asarray(model.apply(x))
    return np.stack([tree.apply(x) for tree in model.estimators_], axis=1)


def _histogram_leaves(model: Any, x: Reals) -> NDArray[Any]:
    """Let each tree answer with the numbers of its nodes: histogram boosting has no `apply`."""
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    known, columns = model._bin_mapper.make_known_categories_bitsets()
    found = []
    for tree in (tree for row in model._predictors for tree in row):
        nodes = tree.nodes.copy()
        nodes["value"] = np.arange(len(nodes))
        numbered = TreePredictor(nodes, tree.binned_left_cat_bitsets, tree.raw_left_cat_bitsets)
        found.append(numbered.predict(x, known, columns, 1))
    return np.stack(found, axis=1)


def _xgboost(**options: Any) -> Callable[[Reals, Ints], Trained]:
    def train(x: Reals, y: Ints) -> Trained:
        import xgboost

        kind = "XGBRFClassifier" if options.get("forest") else "XGBClassifier"
        made = {name: value for name, value in options.items() if name != "forest"}
        model = getattr(xgboost, kind)(random_state=1, nthread=1, **made).fit(x, y)
        root, _, missing, wrapped = xgboost_document(model)
        built = read_booster(root, missing, wrapped).built

        def leaves(rows: Reals) -> NDArray[Any]:
            data = xgboost.DMatrix(rows.astype(np.float32), nthread=1)
            return np.asarray(model.get_booster().predict(data, pred_leaf=True))

        return _trained(model, built, leaves)

    return train


def _lightgbm(**options: Any) -> Callable[[Reals, Ints], Trained]:
    def train(x: Reals, y: Ints) -> Trained:
        import lightgbm

        model = lightgbm.LGBMClassifier(random_state=1, n_jobs=1, verbose=-1, **options).fit(x, y)
        built, _, _ = build_lightgbm(model.booster_.model_to_string(), "model")
        leaves = [tree["num_leaves"] for tree in model.booster_.dump_model()["tree_info"]]
        return _trained(
            model,
            built,
            lambda rows: np.asarray(model.booster_.predict(rows, pred_leaf=True)),
            np.asarray(leaves) - 1,
        )

    return train


def _catboost(**options: Any) -> Callable[[Reals, Ints], Trained]:
    def train(x: Reals, y: Ints) -> Trained:
        import catboost

        model = catboost.CatBoostClassifier(
            random_seed=1, thread_count=1, verbose=False, allow_writing_files=False, **options
        ).fit(x, y)
        built, _, _ = build_catboost(catboost_document(model)[0])
        depths = np.log2(model.get_tree_leaf_counts()).astype(np.int64)
        first = (np.int64(1) << depths) - 1
        return _trained(model, built, model.calc_leaf_indexes, first)

    return train


def _first_leaves(forest: Forest) -> Ints:
    """Return the number of each tree's first leaf: a tree has one leaf more than it has nodes."""
    nodes, asking = np.zeros(forest.trees, np.int64), forest.roots >= 0
    nodes[asking] = np.diff(np.append(forest.roots[asking], len(forest.features)))
    return np.concatenate([[0], np.cumsum(nodes + 1)[:-1]])


def _ydf(learner: str, **options: Any) -> Callable[[Reals, Ints], Trained]:
    def train(x: Reals, y: Ints) -> Trained:
        import ydf

        names = [f"f{k:02d}" for k in range(x.shape[1])]
        columns = {name: x[:, k].astype(np.float32) for k, name in enumerate(names)}
        maker = getattr(ydf, learner)(
            label="y", num_threads=1, random_seed=1, include_all_columns=True,
            features=[ydf.Feature(name, ydf.Semantic.NUMERICAL) for name in names], **options,
        )  # fmt: skip
        model = maker.train({**columns, "y": y}, verbose=0)
        built, _, _ = build_ydf(model)
        # YDF counts leaves alone, in the same order as the forest here.
        counted = Built(built.forest, np.arange(len(built.origin)))
        return Trained(
            model,
            counted,
            lambda rows: model.predict_leaves(
                as_columns(model, rows) | {"y": y[:1].repeat(len(rows))}
            ),
            _first_leaves(built.forest),
            lambda rows: np.asarray(model.predict(as_columns(model, rows))),
            np.asarray(model.label_classes()).astype(np.int64),
        )

    return train


RECIPES = (
    Recipe("sklearn", "GradientBoosting, 10 rounds, depth 3",
           _scikit("GradientBoostingClassifier", n_estimators=10, max_depth=3)),
    Recipe("sklearn", "HistGradientBoosting, 20 rounds, 15 leaves",
           _scikit("HistGradientBoostingClassifier", max_iter=20, max_leaf_nodes=15)),
    Recipe("sklearn", "RandomForest, 20 trees, depth 6",
           _scikit("RandomForestClassifier", n_estimators=20, max_depth=6)),
    Recipe("sklearn", "ExtraTrees, 20 trees, depth 6",
           _scikit("ExtraTreesClassifier", n_estimators=20, max_depth=6)),
    Recipe("sklearn", "AdaBoost, 20 trees, depth 2",
           _scikit("AdaBoostClassifier", n_estimators=20, max_depth=2)),
    Recipe("sklearn", "DecisionTree, depth 8",
           _scikit("DecisionTreeClassifier", max_depth=8)),
    Recipe("xgboost", "gbtree, 20 rounds, depth 4",
           _xgboost(n_estimators=20, max_depth=4)),
    Recipe("xgboost", "dart, 15 rounds, depth 4",
           _xgboost(booster="dart", rate_drop=0.1, n_estimators=15, max_depth=4)),
    Recipe("xgboost", "random forest, 15 trees, depth 5",
           _xgboost(forest=True, n_estimators=15, max_depth=5)),
    Recipe("lightgbm", "gbdt, 20 rounds, 15 leaves",
           _lightgbm(n_estimators=20, num_leaves=15)),
    Recipe("catboost", "20 rounds, depth 4",
           _catboost(iterations=20, depth=4, learning_rate=0.3)),
    Recipe("ydf", "gradient boosted trees, 20 rounds, depth 4",
           _ydf("GradientBoostedTreesLearner", num_trees=20, max_depth=5)),
)  # fmt: skip
"""By library; the classes of the data are told apart by as many trees a round where it boosts."""
