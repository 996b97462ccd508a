"""Record which layers of which framework a test run has compared: `--coverage-record FILE`.

Every handler that a frontend has is wrapped; what it emitted in tests that passed is written as
JSON (FILE with the process's name before its ending), from which `scripts/coverage_table.py` makes
docs/coverage.md. A test in which a handler refused something is about the refusal, and does not
count; nor do files of such tests.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

FAMILIES = {"keras": "Keras", "qkeras": "QKeras", "hgq": "HGQ2", "sparsepixels": "SparsePixels"}
ABOUT_ERRORS = ("_errors.py", "_safety.py")


def tables() -> Iterator[tuple[str, dict]]:
    """Give every registry of handlers, with the framework's name where it has one for all."""
    from gatewright.frontends.keras.custom import PUBLISHED
    from gatewright.frontends.keras.handlers import BY_CLASS
    from gatewright.frontends.keras.operations import OPERATIONS
    from gatewright.frontends.onnx import moved
    from gatewright.frontends.onnx.operators import QUANTIZED, STANDARD

    yield "", BY_CLASS
    yield "Keras", OPERATIONS
    yield "Keras", PUBLISHED
    yield "ONNX", STANDARD
    yield "ONNX", moved.HANDLERS  # of the same operators, where the batch is not the first axis
    yield "QONNX", QUANTIZED
    try:
        from gatewright.frontends.torch.operators import OPERATORS
    except ImportError:
        return
    yield "PyTorch", OPERATORS


def _class_of(model: object) -> str:
    """Return the estimator of scikit-learn that a model is one of."""
    from gatewright.frontends.trees.scikit import reader_of

    return reader_of(model)[0]


def _written_as(model: object) -> str:
    """Return how an expression is given."""
    if isinstance(model, str | Path):
        return "PySR equations" if str(model).endswith(".csv") else "file of expressions"
    outputs = getattr(model, "outputs", {"y": model})
    return "text" if all(isinstance(e, str) for e in outputs.values()) else "SymPy"


WHOLE = (
    ("Forests", "CatBoost", "trees.catboost", "read_catboost"),
    ("Forests", "LightGBM", "trees.lightgbm", "read_lightgbm"),
    ("Forests", "TMVA", "trees.tmva", "read_tmva"),
    ("Forests", "XGBoost", "trees.xgboost", "read_xgboost"),
    ("Forests", "YDF", "trees.ydf", "read_ydf"),
    ("Forests", "conifer", "trees.conifer", "read_conifer"),
    ("scikit-learn", _class_of, "trees.scikit", "read_scikit"),
    ("Tables", "DWN", "tables.dwn", "read_dwn"),
    ("Tables", "KANELE", "tables.kanele", "read_kanele"),
    ("Tables", "LogicNets", "tables.logicnets", "read_logicnets"),
    ("Tables", "gatewright tables", "tables.plain", "read_plain"),
    ("Tables", "gatewright.train", "tables.trained", "read_trained"),
    ("Expressions", _written_as, "expressions.read", "read_expressions"),
)
"""Frontends that read a model as a whole: framework, layer, module, function."""


def wholes() -> set[tuple[str, str]]:
    """Return what those read."""
    from gatewright.frontends.trees.scikit import READERS

    found = {(framework, layer) for framework, layer, _, _ in WHOLE if isinstance(layer, str)}
    found |= {("scikit-learn", name) for name in READERS}
    return found | {
        ("Expressions", kind) for kind in ("text", "SymPy", "PySR equations", "file of expressions")
    }


def named(framework: str, key: object) -> tuple[str, str]:
    """Return framework and layer of an entry of a registry."""
    if isinstance(key, tuple):
        family, kind = key
        return FAMILIES.get(family, family), kind
    return framework, str(key)


def registered() -> set[tuple[str, str]]:
    """Return every (framework, layer) that some handler reads."""
    return wholes() | {named(framework, key) for framework, table in tables() for key in table}


class Recorder:
    """Counts, for each (framework, layer), the models built in tests that passed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.running: list[tuple[str, str, tuple[str, ...]]] = []
        self.refused = False
        self.found: dict[tuple[str, str], dict] = defaultdict(
            lambda: {"operations": set(), "cases": 0, "tests": set()}
        )
        for framework, table in tables():
            for key, handler in table.items():
                table[key] = self._wrapped(handler, *named(framework, key))
        for framework, layer, path, function in WHOLE:
            self._wrap_whole(framework, layer, f"gatewright.frontends.{path}", function)

    def _wrap_whole(self, framework: str, layer, path: str, function: str) -> None:
        """Record the graphs that a function gives, wherever its package names it."""
        module = importlib.import_module(path)
        read = getattr(module, function)

        @functools.wraps(read)
        def recording(model, *more, **options):
            try:
                graph = read(model, *more, **options)
            except Exception:
                self.refused = True
                raise
            kind = layer if isinstance(layer, str) else layer(model)
            self.running.append((framework, kind, tuple(n.op.kind for n in graph.nodes)))
            return graph

        for other in list(sys.modules.values()):
            name = getattr(other, "__name__", "")
            if name.startswith("gatewright.") and getattr(other, function, None) is read:
                setattr(other, function, recording)

    def _wrapped(self, handler, framework: str, kind: str):
        if dataclasses.is_dataclass(handler):  # of Keras: `build` takes a call
            build = self._recording(handler.build, framework, kind)
            return dataclasses.replace(handler, build=build)
        return self._recording(handler, framework, kind)

    def _recording(self, handler, framework: str, kind: str):
        @functools.wraps(handler)
        def build(call, *more, **options):
            builder = getattr(call, "builder", None) or call.emitter.builder
            before = len(builder.nodes)
            try:
                found = handler(call, *more, **options)
            except Exception:
                self.refused = True
                raise
            kinds = tuple(node.op.kind for node in builder.nodes[before:])
            self.running.append((framework, kind, kinds))
            return found

        return build

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item):
        self.running, self.refused = [], False
        outcome = yield
        path = item.location[0]
        if outcome.excinfo is not None or self.refused or path.endswith(ABOUT_ERRORS):
            return
        for framework, layer, operations in self.running:
            entry = self.found[framework, layer]
            entry["operations"].update(operations)
            entry["cases"] += 1
            entry["tests"].add(path)

    def pytest_sessionfinish(self, session):
        rows = [
            {"framework": framework, "layer": layer, "cases": entry["cases"],
             "operations": sorted(entry["operations"]), "tests": sorted(entry["tests"])}
            for (framework, layer), entry in sorted(self.found.items())
        ]  # fmt: skip
        worker = os.environ.get("PYTEST_XDIST_WORKER", "all")  # each process writes a file
        self.path.with_suffix(f".{worker}.json").write_text(json.dumps(rows, indent=1) + "\n")
