"""scikit-learn: what its ensembles are made of, one fitted tree, and what all estimators share.

A node sends `float32(x) <= threshold` left; the threshold is a float64 number, and infinite where a
node only parts what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.base import GatewrightError, ModelError, Place, UnsupportedError
from gatewright.frontends.trees.nodes import Comparison, Tree
from gatewright.ir import Op, Reals
from gatewright.num import Ints

SINGLE = Comparison(inclusive=True, single=True)
DOUBLE = Comparison(inclusive=True, single=False)

FARTHEST = 2.0**960
"""Stands for an infinite threshold, which parts what is missing from what is not."""


def thresholds(given: np.ndarray) -> Reals:
    """Return thresholds, infinite ones replaced by what no sample exceeds."""
    wide = np.asarray(given, np.float64)
    return np.where(np.isinf(wide), np.copysign(FARTHEST, wide), wide)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trees of an estimator, what is added to their sum, and what stands behind it."""

    trees: Sequence[Tree]
    base: Reals
    link: Sequence[Op]
    compare: Comparison = SINGLE


def refuse(estimator: Any, what: str, found: object, supported: str, remedy: str = "") -> (
    GatewrightError
):  # fmt: skip
    """Return an error about an estimator, to be raised."""
    return UnsupportedError(
        what, place=type(estimator).__name__, found=found, supported=supported, remedy=remedy
    )


def attribute(estimator: Any, name: str) -> Any:
    """Return an attribute that a fitted estimator has.

    Raises:
        ModelError: it does not.
    """
    if not hasattr(estimator, name):
        raise ModelError(
            "an estimator lacks what a fitted one has",
            place=Place(type(estimator).__name__, "", name),
            remedy="fit it first; a version of scikit-learn from 1.3 on is read",
        )
    return getattr(estimator, name)


def tree_of(estimator: Any, value: Reals, features: Ints | None = None) -> Tree:
    """Return the tree of a fitted decision tree.

    Args:
        estimator: a `DecisionTree*` or `ExtraTree*`.
        value: (nodes, outputs), what its leaves stand for.
        features: which feature of the ensemble each of the tree's is; None: the same.
    """
    arrays = attribute(estimator, "tree_")
    left, right = (
        np.asarray(getattr(arrays, f"children_{side}"), np.int64) for side in ("left", "right")
    )
    feature = np.maximum(np.asarray(arrays.feature, np.int64), 0)
    missing = getattr(arrays, "missing_go_to_left", None)
    return Tree(
        feature if features is None else np.asarray(features, np.int64)[feature],
        thresholds(arrays.threshold),
        left,
        right,
        np.zeros(len(left), np.bool_) if missing is None else np.asarray(missing).astype(np.bool_),
        np.asarray(value, np.float64),
    )


def node_values(estimator: Any) -> Reals:
    """Return what each node of a tree predicts: (nodes, targets) or (nodes, classes)."""
    value = np.asarray(attribute(estimator, "tree_").value, np.float64)
    if not hasattr(estimator, "classes_"):
        return value[:, :, 0]
    total = value[:, 0, :].sum(axis=1, keepdims=True)  # counts of samples before version 1.3
    return value[:, 0, :] / np.where(total == 0, 1.0, total)


def depths(estimator: Any) -> Ints:
    """Return how many comparisons lead to each node."""
    arrays = attribute(estimator, "tree_")
    left, right = np.asarray(arrays.children_left), np.asarray(arrays.children_right)
    depth = np.zeros(len(left), np.int64)
    level = np.zeros(1, np.int64)
    while len(level):
        inner = level[left[level] >= 0]
        for side in (left, right):
            depth[side[inner]] = depth[inner] + 1
        level = np.concatenate([left[inner], right[inner]])
    return depth
