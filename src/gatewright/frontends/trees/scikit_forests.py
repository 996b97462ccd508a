"""scikit-learn's single trees, averages of trees, and boosting of trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.frontends.trees.heads import HALF, LINKS, centred, scaled
from gatewright.frontends.trees.scikit_tree import (
    Ensemble,
    attribute,
    depths,
    node_values,
    refuse,
    tree_of,
)
from gatewright.ir import Reals
from gatewright.ops import Affine, Function

EULER_GAMMA = 0.5772156649015329


def single_tree(estimator: Any) -> Ensemble:
    """Return a `DecisionTree*` or `ExtraTree*`."""
    return _averaged(estimator, [estimator])


def average(estimator: Any) -> Ensemble:
    """Return a `RandomForest*` or `ExtraTrees*`: the mean of what its trees predict."""
    return _averaged(estimator, list(attribute(estimator, "estimators_")))


def _averaged(estimator: Any, trees: list[Any]) -> Ensemble:
    is_classifier = hasattr(estimator, "classes_")
    if is_classifier and attribute(estimator, "n_outputs_") != 1:
        raise refuse(
            estimator,
            "a classifier of several targets is not read",
            f"{estimator.n_outputs_} targets",
            "one target",
            "train an estimator for each",
        )
    values = [node_values(tree) / len(trees) for tree in trees]
    two = is_classifier and values[0].shape[1] == 2
    if two:
        values = [value[:, 1:] for value in values]
    made = [tree_of(tree, value) for tree, value in zip(trees, values, strict=True)]
    if two:
        return Ensemble(made, np.full(1, -HALF), centred())
    return Ensemble(made, np.zeros(values[0].shape[1]), ())


def gradient_boosting(estimator: Any) -> Ensemble:
    """Return a `GradientBoosting*`: what `init` predicts, and a sum of trees for each class."""
    rounds = attribute(estimator, "estimators_")
    base = _initial(estimator, rounds.shape[1])
    rate = float(estimator.learning_rate)
    trees = []
    for row in rounds:
        for k, tree in enumerate(row):
            value = np.zeros((tree.tree_.node_count, len(base)))
            value[:, k] = rate * node_values(tree)[:, 0]
            trees.append(tree_of(tree, value))
    if not hasattr(estimator, "classes_"):
        return Ensemble(trees, base, ())
    if estimator.loss == "exponential":
        return Ensemble(trees, base, scaled(2.0, "sigmoid"))
    return Ensemble(trees, base, LINKS["sigmoid" if len(base) == 1 else "softmax"])


def _initial(estimator: Any, outputs: int) -> Reals:
    """Return the raw prediction that boosting starts from.

    Raises:
        UnsupportedError: it is another estimator's, which differs from sample to sample.
    """
    init = attribute(estimator, "init_")
    name = init if isinstance(init, str) else type(init).__name__
    if name not in ("zero", "DummyClassifier", "DummyRegressor"):
        raise refuse(
            estimator,
            "boosting starts from another estimator",
            name,
            "init=None or 'zero', whose prediction is the same for all samples",
            "train without init, or add that estimator's prediction yourself",
        )
    if name == "zero":
        return np.zeros(outputs)
    sample = np.zeros((1, attribute(estimator, "n_features_in_")), np.float32)
    raw = np.asarray(estimator._raw_predict_init(sample), np.float64)
    return raw.reshape(outputs)


def adaboost(estimator: Any) -> Ensemble:
    """Return an `AdaBoostClassifier`: each tree's vote for a class, by its weight."""
    trees = list(attribute(estimator, "estimators_"))
    if not all(hasattr(tree, "tree_") for tree in trees):
        raise refuse(
            estimator,
            "AdaBoost of other estimators than trees is not read",
            type(trees[0]).__name__,
            "DecisionTreeClassifier",
        )
    if getattr(estimator, "algorithm", "SAMME") == "SAMME.R":
        raise refuse(
            estimator,
            "AdaBoost by probabilities is not read",
            "algorithm='SAMME.R'",
            "SAMME",
            "train with algorithm='SAMME', the only one since scikit-learn 1.6",
        )
    classes = np.asarray(attribute(estimator, "classes_"))
    count = len(classes)
    if count < 2:
        raise refuse(
            estimator, "a classifier of one class has nothing to decide", count, "2 or more"
        )
    weights = np.asarray(attribute(estimator, "estimator_weights_"), np.float64)[: len(trees)]
    total = np.asarray(estimator.estimator_weights_, np.float64).sum()
    made = []
    for tree, weight in zip(trees, weights, strict=True):
        own = np.searchsorted(classes, tree.classes_)
        vote = own[node_values(tree).argmax(axis=1)]
        share = weight / total
        value = np.full((len(vote), count), -share / (count - 1))
        value[np.arange(len(vote)), vote] = share
        if count == 2:
            value = value[:, 1:] - value[:, :1]
        made.append(tree_of(tree, value))
    if count == 2:
        return Ensemble(made, np.zeros(1), LINKS["sigmoid"])
    return Ensemble(made, np.zeros(count), scaled(1 / (count - 1), "softmax"))


def isolation_forest(estimator: Any) -> Ensemble:
    """Return an `IsolationForest`: the mean length of paths, and from it `decision_function`."""
    trees = list(attribute(estimator, "estimators_"))
    subsets = attribute(estimator, "estimators_features_")
    made = []
    for tree, features in zip(trees, subsets, strict=True):
        length = depths(tree) + _average_path(np.asarray(tree.tree_.n_node_samples))
        made.append(tree_of(tree, (length / len(trees))[:, None], features))
    unit = float(_average_path(np.asarray([attribute(estimator, "max_samples_")]))[0])
    if unit == 0:
        raise refuse(
            estimator, "an isolation forest of single samples scores all alike", 1, "max_samples 2"
        )
    offset = float(attribute(estimator, "offset_"))
    link = (
        Affine(np.asarray(-1 / unit), np.asarray(0.0)),
        Function("exp2"),
        Affine(np.asarray(-1.0), np.asarray(-offset)),
    )
    return Ensemble(made, np.zeros(1), link)


def _average_path(samples: np.ndarray) -> Reals:
    """Return the mean length of an unsuccessful search in a binary tree of that many samples."""
    n = np.maximum(samples.astype(np.float64), 3.0)
    many = 2 * (np.log(n - 1) + EULER_GAMMA) - 2 * (n - 1) / n
    return np.asarray(np.where(samples <= 1, 0.0, np.where(samples == 2, 1.0, many)))
