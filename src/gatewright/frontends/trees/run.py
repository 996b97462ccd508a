"""Run tree libraries, where they are installed, on what an imported model is compared with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.recognise import Head
from gatewright.frontends.trees.recognised import CATBOOST, LIGHTGBM, XGBOOST_JSON, XGBOOST_UBJ
from gatewright.ir import Graph, Reals
from gatewright.ops import Forest, Softmax
from gatewright.ops.rounding_error import FLOAT32, FLOAT64


class CannotRunError(Exception):
    """The source cannot be run here; the text says why."""


def library_of(model: Any) -> str:
    """Return the tree library that a file or a live model is of, "" where it is of none."""
    if isinstance(model, str | Path):
        if not Path(model).is_file():
            return ""
        head = Head.of(Path(model))
        kinds = {XGBOOST_JSON: "xgboost", XGBOOST_UBJ: "xgboost", LIGHTGBM: "lightgbm",
                 CATBOOST: "catboost"}  # fmt: skip
        return next((name for kind, name in kinds.items() if kind.matches(head)), "")
    for kind in type(model).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in RUNNERS:
            return package
    return ""


def run(library: str, model: Any, graph: Graph, x: Reals) -> Reals:
    """Return what a library answers, in the form of the graph's output.

    Raises:
        CannotRunError: it is not installed, or cannot be given these numbers.
    """
    if importlib.util.find_spec(library) is None:
        raise CannotRunError("it is not installed")
    forest = next(node.op for node in graph.nodes if isinstance(node.op, Forest))
    asked = np.unique(forest.features[forest.members >= 0])
    if (x[:, asked] != np.floor(x[:, asked])).any():
        raise CannotRunError("it was given fractions for categories")
    x = np.where(forest.has_missing & (x == forest.missing), np.nan, x)
    try:
        found = np.asarray(RUNNERS[library][1](model, graph, x), np.float64)
    except Exception as error:  # each library has errors of its own for what it does not take
        if not isinstance(model, str | Path):
            raise
        raise ModelError(
            "the library itself cannot read this file",
            place=str(model),
            found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            remedy="save the model again with its library",
        ) from None
    return found.reshape(len(x), -1)


def _second(answers: Any) -> Any:
    """Return the second of two classes, all of more."""
    return answers[:, 1:] if np.ndim(answers) == 2 and answers.shape[1] == 2 else answers


def _sklearn(model: Any, graph: Graph, x: Reals) -> Any:
    if hasattr(model, "predict_proba"):
        return _second(model.predict_proba(x))
    return model.decision_function(x) if hasattr(model, "offset_") else model.predict(x)


def _xgboost(model: Any, graph: Graph, x: Reals) -> Any:
    import xgboost

    live = not isinstance(model, str | Path)
    booster = model if live else xgboost.Booster(model_file=str(model))
    missing = getattr(model, "missing", None) if live else None
    booster = booster.get_booster() if hasattr(booster, "get_booster") else booster
    kinds = booster.feature_types
    data = xgboost.DMatrix(
        x.astype(np.float32),
        missing=np.nan if missing is None else missing,
        feature_types=kinds,
        enable_categorical=True,
    )
    objective = graph.facts["objective"]
    raw = objective in ("binary:hinge", "multi:softmax")  # whose predictions are classes
    used = int(graph.facts["rounds"].split()[0])
    found = booster.predict(
        data, output_margin=raw, iteration_range=(0, used), validate_features=False
    )
    return Softmax().real(np.asarray(found, np.float64)) if objective == "multi:softmax" else found


def _lightgbm(model: Any, graph: Graph, x: Reals) -> Any:
    import lightgbm

    live = not isinstance(model, str | Path)
    booster = getattr(model, "booster_", model) if live else lightgbm.Booster(model_file=str(model))
    return booster.predict(x)


def _catboost(model: Any, graph: Graph, x: Reals) -> Any:
    import catboost

    if isinstance(model, str | Path):
        model = catboost.CatBoost().load_model(str(model), format="json")
    last = graph.nodes[-1].op
    word = getattr(last, "name", last.kind)
    kind = {"sigmoid": "Probability", "softmax": "Probability", "exp": "Exponent"}
    found = np.asarray(model.predict(x, prediction_type=kind.get(word, "RawFormulaVal")))
    forest = next(node.op for node in graph.nodes if isinstance(node.op, Forest))
    return _second(found) if len(forest.base) == 1 else found


def _ydf(model: Any, graph: Graph, x: Reals) -> Any:
    from gatewright.frontends.trees.ydf import as_columns

    return model.predict(as_columns(model, x))


RUNNERS: dict[str, tuple[str, Callable[[Any, Graph, Reals], Any], float]] = {
    "catboost": ("CatBoost", _catboost, FLOAT64),
    "lightgbm": ("LightGBM", _lightgbm, FLOAT64),
    "sklearn": ("scikit-learn", _sklearn, FLOAT64),
    "xgboost": ("XGBoost (float32)", _xgboost, FLOAT32),
    "ydf": ("YDF (float32)", _ydf, FLOAT32),
}
"""By package: what it is called, what runs it, the unit roundoff of its sums."""
