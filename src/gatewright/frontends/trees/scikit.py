"""scikit-learn: fitted estimators of trees, read from their arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewright.base import Place, UnsupportedError
from gatewright.frontends.listed import Listed
from gatewright.frontends.trees.heads import as_graph
from gatewright.frontends.trees.nodes import Built, build
from gatewright.frontends.trees.scikit_forests import (
    adaboost,
    average,
    gradient_boosting,
    isolation_forest,
    single_tree,
)
from gatewright.frontends.trees.scikit_histogram import histogram_boosting
from gatewright.frontends.trees.scikit_tree import Ensemble, attribute
from gatewright.ir import Graph

READERS: dict[str, Callable[[Any], Ensemble]] = {
    "AdaBoostClassifier": adaboost,
    "DecisionTreeClassifier": single_tree,
    "DecisionTreeRegressor": single_tree,
    "ExtraTreeClassifier": single_tree,
    "ExtraTreeRegressor": single_tree,
    "ExtraTreesClassifier": average,
    "ExtraTreesRegressor": average,
    "GradientBoostingClassifier": gradient_boosting,
    "GradientBoostingRegressor": gradient_boosting,
    "HistGradientBoostingClassifier": histogram_boosting,
    "HistGradientBoostingRegressor": histogram_boosting,
    "IsolationForest": isolation_forest,
    "RandomForestClassifier": average,
    "RandomForestRegressor": average,
}
"""By class."""

REMEDIES = {
    "AdaBoostRegressor": "its answer is a median of trees, not a sum: train a "
    "GradientBoostingRegressor",
    "Pipeline": "compile its last step; what stands before it, prepare the inputs with",
}


def reader_of(model: Any) -> tuple[str, Callable[[Any], Ensemble]]:
    """Return the class of scikit-learn that a model is of, and what reads it.

    Raises:
        UnsupportedError: nothing does.
    """
    for kind in type(model).__mro__:
        if kind.__name__ in READERS and kind.__module__.partition(".")[0] == "sklearn":
            return kind.__name__, READERS[kind.__name__]
    name = type(model).__name__
    raise UnsupportedError(
        "an estimator of scikit-learn is not read",
        found=name,
        supported=", ".join(READERS),
        remedy=REMEDIES.get(name, "export the model to ONNX"),
    )


def build_scikit(model: Any) -> tuple[Built, Ensemble]:
    """Return the forest of an estimator."""
    name, reader = reader_of(model)
    found = reader(model)
    inputs = int(attribute(model, "n_features_in_"))
    return build(found.trees, inputs, found.base, found.compare, Place(name)), found


def read_scikit(model: Any) -> Graph:
    """Read a fitted estimator of trees of scikit-learn, from version 1.3 on.

    Raises:
        ModelError: it is not fitted.
        UnsupportedError: another estimator, or one that cannot be imported exactly.
    """
    built, found = build_scikit(model)
    name = reader_of(model)[0]
    facts = {"framework": "scikit-learn", "framework version": str(_version(model)), "class": name}
    if hasattr(model, "classes_"):
        facts["classes"] = ", ".join(map(str, np.asarray(model.classes_).ravel()[:100]))
    return as_graph(
        built,
        found.link,
        name=name.lower(),
        source=name,
        facts=facts,
        nans=_takes_nans(model),
        features=list(map(str, getattr(model, "feature_names_in_", ()))),
        classes=list(map(str, np.asarray(getattr(model, "classes_", ())).ravel())),
    )


def list_scikit(model: Any) -> list[Listed]:
    """List what an estimator is made of."""
    return [Listed("forest", reader_of(model)[0]), Listed("link", "link function")]


def _version(model: Any) -> str:
    import sklearn  # the model's own package, which is there

    return str(sklearn.__version__)


def _takes_nans(model: Any) -> bool:
    """Say whether an estimator lets missing values through."""
    tags = getattr(model, "__sklearn_tags__", None)
    return bool(tags().input_tags.allow_nan) if tags is not None else False
