"""Record which layers of which framework a test run has compared: `--coverage-record FILE`.

Every handler that a frontend has is wrapped; what it emitted in tests that passed is written as
JSON (FILE with the process's name before its ending), from which `scripts/coverage_table.py` makes
docs/coverage.md.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

FAMILIES = {"keras": "Keras", "qkeras": "QKeras", "hgq": "HGQ2"}


class Recorder:
    """Counts, for each (framework, layer), the models built in tests that passed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.running: list[tuple[str, str, tuple[str, ...]]] = []
        self.found: dict[tuple[str, str], dict] = defaultdict(
            lambda: {"operations": set(), "cases": 0, "tests": set()}
        )
        self._wrap_keras()
        self._wrap_onnx()
        self._wrap_torch()

    def note(self, framework: str, layer: str, nodes) -> None:
        self.running.append((framework, layer, tuple(node.op.kind for node in nodes)))

    def _wrap_keras(self) -> None:
        from gatewright.frontends.keras.handlers import BY_CLASS

        for (family, kind), handler in BY_CLASS.items():
            framework = FAMILIES.get(family, family)

            def build(site, handler=handler, framework=framework, kind=kind):
                before = len(site.builder.nodes)
                found = handler.build(site)
                self.note(framework, kind, site.builder.nodes[before:])
                return found

            BY_CLASS[family, kind] = dataclasses.replace(handler, build=build)

    def _wrap_onnx(self) -> None:
        from gatewright.frontends.onnx.operators import QUANTIZED, STANDARD

        for framework, table in (("ONNX", STANDARD), ("QONNX", QUANTIZED)):
            for kind, handler in table.items():
                table[kind] = self._recording(handler, framework, kind)

    def _wrap_torch(self) -> None:
        try:
            from gatewright.frontends.torch.operators import OPERATORS
        except ImportError:
            return
        for kind, handler in OPERATORS.items():
            OPERATORS[kind] = self._recording(handler, "PyTorch", kind)

    def _recording(self, handler, framework: str, kind: str):
        @functools.wraps(handler)
        def build(call, *more, **options):
            before = len(call.builder.nodes)
            found = handler(call, *more, **options)
            self.note(framework, kind, call.builder.nodes[before:])
            return found

        return build

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item):
        self.running = []
        outcome = yield
        if outcome.excinfo is None:
            for framework, layer, operations in self.running:
                entry = self.found[framework, layer]
                entry["operations"].update(operations)
                entry["cases"] += 1
                entry["tests"].add(item.location[0])

    def pytest_sessionfinish(self, session):
        rows = [
            {"framework": framework, "layer": layer, "cases": entry["cases"],
             "operations": sorted(entry["operations"]), "tests": sorted(entry["tests"])}
            for (framework, layer), entry in sorted(self.found.items())
        ]  # fmt: skip
        worker = os.environ.get("PYTEST_XDIST_WORKER", "all")  # each process writes a file
        self.path.with_suffix(f".{worker}.json").write_text(json.dumps(rows, indent=1) + "\n")
