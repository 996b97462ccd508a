"""Record which layers of which framework a test run has compared: `--coverage-record FILE`.

Every handler that a frontend has is wrapped; what it emitted in tests that passed is written as
JSON (FILE with the process's name before its ending), from which `scripts/coverage_table.py` makes
docs/coverage.md. A test in which a handler refused something is about the refusal, and does not
count; nor do files of such tests.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
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


def named(framework: str, key: object) -> tuple[str, str]:
    """Return framework and layer of an entry of a registry."""
    if isinstance(key, tuple):
        family, kind = key
        return FAMILIES.get(family, family), kind
    return framework, str(key)


def registered() -> set[tuple[str, str]]:
    """Return every (framework, layer) that some handler reads."""
    return {named(framework, key) for framework, table in tables() for key in table}


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
