"""Run tree libraries, where they are installed, on what an imported model is compared with."""

from __future__ import annotations

import importlib.util
import io
import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.recognise import Head
from gatewright.frontends.trees import alone
from gatewright.frontends.trees.alone import ASK
from gatewright.frontends.trees.recognised import CATBOOST, LIGHTGBM, XGBOOST_JSON, XGBOOST_UBJ
from gatewright.ir import Graph, Reals
from gatewright.ops import Forest, Softmax
from gatewright.ops.rounding_error import FLOAT32, FLOAT64

PATIENCE = 600
"""Seconds within which a library answers of a file."""


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

    Of a file it is asked in a process of its own, which a damaged file may end.

    Raises:
        CannotRunError: it is not installed, or cannot be given these numbers.
        ModelError: it cannot read the file.
    """
    if importlib.util.find_spec(library) is None:
        raise CannotRunError("it is not installed")
    forest = _forest(graph)
    asked = np.unique(forest.features[forest.members >= 0])
    if (x[:, asked] != np.floor(x[:, asked])).any():
        raise CannotRunError("it was given fractions for categories")
    x = np.where(forest.has_missing & (x == forest.missing), np.nan, x)
    found = np.asarray(RUNNERS[library][1](model, graph, x), np.float64)
    return found.reshape(len(x), -1)


def _forest(graph: Graph) -> Forest:
    return next(node.op for node in graph.nodes if isinstance(node.op, Forest))


def _ask(library: str, model: Any, x: Reals, **options: Any) -> Any:
    """Ask a live model here, a file's in another process."""
    if isinstance(model, str | Path):
        return ask_file(library, Path(model), x, options)
    return ASK[library](model, x, **options)


def ask_file(library: str, path: Path, x: Reals, options: dict[str, Any]) -> Reals:
    """Return what a library answers in a process of its own.

    Not by `multiprocessing`: it would run a user's script again that is no importable module.

    Raises:
        CannotRunError: there is no process to be had.
        ModelError: the library refuses the file, or ends.
    """
    if not sys.executable:
        raise CannotRunError("Python does not know its own program, to start another process")
    request = {"library": library, "model": str(path.absolute()), "options": options,
               "path": sys.path}  # fmt: skip
    buffer = io.BytesIO()
    np.savez(buffer, x=x, request=np.array(json.dumps(request)))
    # -P: the folder of the program holds modules of the libraries' names.
    command = [sys.executable, "-P", alone.__file__]
    try:
        done = subprocess.run(
            command, input=buffer.getvalue(), capture_output=True, timeout=PATIENCE, check=False
        )
    except OSError as error:
        raise CannotRunError(f"no process could be started: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise CannotRunError(f"it did not answer within {PATIENCE} seconds") from None
    try:
        with np.load(io.BytesIO(done.stdout), allow_pickle=False) as reply:
            if "answers" in reply:
                return np.asarray(reply["answers"], np.float64)
            said = str(reply["error"])
    except (ValueError, EOFError, zipfile.BadZipFile):
        said = f"it {_ending(done.returncode)}{_last_line(done.stderr)}"
    raise ModelError(
        "the library itself cannot read this file",
        place=str(path),
        found=said.splitlines()[0][:500],
        remedy="save the model again with its library",
    )


def _ending(status: int) -> str:
    """Say how a process ended."""
    try:
        return f"ended by {signal.Signals(-status).name}" if status < 0 else "ended"
    except ValueError:
        return f"ended by signal {-status}"


def _last_line(text: bytes) -> str:
    """Return what a process said at last."""
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    return f": {lines[-1]}" if lines else ""


def _second(answers: Any) -> Any:
    """Return the second of two classes, all of more."""
    return answers[:, 1:] if np.ndim(answers) == 2 and answers.shape[1] == 2 else answers


def _sklearn(model: Any, graph: Graph, x: Reals) -> Any:
    if hasattr(model, "predict_proba"):
        return _second(model.predict_proba(x))
    return model.decision_function(x) if hasattr(model, "offset_") else model.predict(x)


def _xgboost(model: Any, graph: Graph, x: Reals) -> Any:
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    objective = graph.facts["objective"]
    found = _ask(
        "xgboost",
        booster,
        x,
        rounds=int(graph.facts["rounds"].split()[0]),
        margin=objective in ("binary:hinge", "multi:softmax"),  # whose predictions are classes
        missing=_number(getattr(model, "missing", None)),
    )
    return Softmax().real(np.asarray(found, np.float64)) if objective == "multi:softmax" else found


def _number(missing: Any) -> float | None:
    return None if missing is None or np.isnan(missing) else float(missing)


def _lightgbm(model: Any, graph: Graph, x: Reals) -> Any:
    return _ask("lightgbm", getattr(model, "booster_", model), x)


def _catboost(model: Any, graph: Graph, x: Reals) -> Any:
    last = graph.nodes[-1].op
    word = getattr(last, "name", last.kind)
    kinds = {"sigmoid": "Probability", "softmax": "Probability", "exp": "Exponent"}
    found = _ask("catboost", model, x, kind=kinds.get(word, "RawFormulaVal"))
    return _second(found) if len(_forest(graph).base) == 1 else found


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
