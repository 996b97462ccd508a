"""scikit-learn's histogram gradient boosting.

A node sends `x <= num_threshold` left, on float64 numbers as they are: bins play no part in
predictions. Categories are numbered before, in order of their values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.trees.heads import LINKS
from gatewright.frontends.trees.nodes import MOST_CATEGORIES, Tree
from gatewright.frontends.trees.scikit_tree import DOUBLE, Ensemble, attribute, refuse, thresholds
from gatewright.num import Ints

LOSSES = {
    "AbsoluteError": "identity",
    "HalfBinomialLoss": "sigmoid",
    "HalfGammaLoss": "exp",
    "HalfMultinomialLoss": "softmax",
    "HalfPoissonLoss": "exp",
    "HalfSquaredError": "identity",
    "PinballLoss": "identity",
}
"""Links by the class of a loss."""


def histogram_boosting(estimator: Any) -> Ensemble:
    """Return a `HistGradientBoosting*`."""
    rounds = attribute(estimator, "_predictors")
    base = np.asarray(attribute(estimator, "_baseline_prediction"), np.float64).ravel()
    outputs = len(rounds[0]) if rounds else len(base)
    loss = type(attribute(estimator, "_loss")).__name__
    if loss not in LOSSES:
        raise refuse(estimator, "a loss is not known", loss, ", ".join(LOSSES))
    columns, known = _columns(estimator)
    trees = [
        _tree(estimator, predictor, k, outputs, columns, known)
        for row in rounds
        for k, predictor in enumerate(row)
    ]
    return Ensemble(trees, np.broadcast_to(base, (outputs,)), LINKS[LOSSES[loss]], DOUBLE)


def _columns(estimator: Any) -> tuple[Ints, dict[int, Ints]]:
    """Return the feature that each column of the trees is, and the categories of columns.

    Raises:
        UnsupportedError: categories are no whole numbers.
    """
    count = attribute(estimator, "n_features_in_")
    chosen = attribute(estimator, "is_categorical_")
    if chosen is None:
        return np.arange(count), {}
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    known = {}
    for column, given in enumerate(encoder.categories_):
        if given.dtype.kind not in "iufb":
            raise refuse(
                estimator,
                "categories are no numbers",
                f"{given.dtype} in column {np.flatnonzero(chosen)[column]}",
                f"whole numbers from 0 to {MOST_CATEGORIES - 1}",
                "number the categories before training",
            )
        numbers = given.astype(np.float64)
        there = numbers[~np.isnan(numbers)]
        whole = (there == np.floor(there)) & (there >= 0) & (there < MOST_CATEGORIES)
        if not whole.all():
            raise refuse(
                estimator,
                "categories are no whole numbers",
                there[~whole][0],
                f"whole numbers from 0 to {MOST_CATEGORIES - 1}",
                "number the categories before training",
            )
        known[column] = there.astype(np.int64)
    return np.concatenate([np.flatnonzero(chosen), np.flatnonzero(~chosen)]), known


def _tree(
    estimator: Any, predictor: Any, k: int, outputs: int, columns: Ints, known: dict[int, Ints]
) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(np.bool_)
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    column = nodes["feature_idx"].astype(np.int64)
    if not 0 <= column.min(initial=0) <= column.max(initial=0) < len(columns):
        raise ModelError("a node compares a feature that the model does not have")
    missing_left = nodes["missing_go_to_left"].astype(np.bool_)
    value = np.zeros((len(nodes), outputs))
    value[:, k] = nodes["value"]
    sets = {}
    for n in np.flatnonzero(nodes["is_categorical"].astype(np.bool_) & ~leaf).tolist():
        words = np.asarray(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][n]], np.uint32)
        bits = ((words[:, None] >> np.arange(32, dtype=np.uint32)) & 1).ravel()
        numbers = known[int(column[n])]
        goes_left = bits[: len(numbers)].astype(np.bool_)
        # Categories that training did not see are missing ones. Where these go left, the set is of
        # those that go right, and the children change places.
        sets[n] = numbers[goes_left]
        if missing_left[n]:
            sets[n] = numbers[~goes_left]
            left[n], right[n] = right[n], left[n]
            missing_left[n] = False
    return Tree(
        columns[column],
        thresholds(nodes["num_threshold"]),
        left,
        right,
        missing_left,
        value,
        sets,
    )
