"""Run a tree library on a model file, in a process of its own.

A damaged file may end the library, and with it the process that it runs in: an access outside of
its memory, or a C++ exception that nothing catches. `run.py` starts this file as a program, which
needs NumPy and the library, nothing of this package. It reads `.npz` (samples, options) from its
standard input and writes the library's answers there, or what the library says against the file.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Answers = NDArray[Any]


def ask_xgboost(
    model: Any,
    x: NDArray[np.float64],
    rounds: int,
    margin: bool,
    missing: float | None = None,
) -> Answers:
    """Return what a `Booster`, or a file, answers with some of its rounds.

    Args:
        model: a `Booster` or a path.
        x: (samples, features).
        rounds: of boosting that predictions use.
        margin: without the link function.
        missing: number that stands for a missing one, besides NaN.
    """
    import xgboost

    booster = xgboost.Booster(model_file=model) if isinstance(model, str) else model
    data = xgboost.DMatrix(
        x.astype(np.float32),
        missing=np.nan if missing is None else missing,
        feature_types=booster.feature_types,
        enable_categorical=True,
    )
    return np.asarray(
        booster.predict(
            data, output_margin=margin, iteration_range=(0, rounds), validate_features=False
        )
    )


def ask_lightgbm(model: Any, x: NDArray[np.float64]) -> Answers:
    """Return what a `Booster`, or a file, answers."""
    import lightgbm

    booster = lightgbm.Booster(model_file=model) if isinstance(model, str) else model
    return np.asarray(booster.predict(x))


def ask_catboost(model: Any, x: NDArray[np.float64], kind: str) -> Answers:
    """Return what a model, or a file, answers; `kind` is the type of its prediction."""
    import catboost

    if isinstance(model, str):
        model = catboost.CatBoost().load_model(model, format="json")
    return np.asarray(model.predict(x, prediction_type=kind))


ASK: dict[str, Callable[..., Answers]] = {
    "catboost": ask_catboost,
    "lightgbm": ask_lightgbm,
    "xgboost": ask_xgboost,
}
"""By package."""


def main() -> None:
    """Answer what the parent process asks."""
    # Libraries print to standard output, from C++ as well: that goes to the standard error.
    replies = os.dup(1)
    os.dup2(2, 1)
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as asked:
        x, request = asked["x"], json.loads(str(asked["request"]))
    sys.path[:] = request["path"]
    buffer = io.BytesIO()
    try:
        found = ASK[request["library"]](request["model"], x, **request["options"])
        np.savez(buffer, answers=np.asarray(found, np.float64))
    except Exception as error:  # each library has errors of its own for what it does not take
        np.savez(buffer, error=np.array(f"{type(error).__name__}: {error}"))
    with os.fdopen(replies, "wb") as file:
        file.write(buffer.getvalue())


if __name__ == "__main__":
    main()
