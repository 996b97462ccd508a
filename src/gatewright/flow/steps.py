"""The steps of a compilation: how long each takes, and who is told."""

from __future__ import annotations

import sys
import time
from importlib import import_module

from gatewright.flow.design import Progress

SOLVER = "gatewright.blocks.cmvm.kernel"
"""What loads, or compiles and caches, the solver for constant matrices."""


class Steps:
    """Times of the steps, and who is told of them."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.timings, self._start = progress, dict[str, float](), time.perf_counter()

    def begin(self, what: str) -> None:
        """Start a step."""
        self._name, self._start = what, time.perf_counter()
        if self.progress:
            self.progress(what, 0, 0)

    def end(self) -> None:
        """End it; a step that was interrupted by another counts all of its parts."""
        took = time.perf_counter() - self._start
        self.timings[self._name] = self.timings.get(self._name, 0.0) + took

    def prepare_solver(self) -> None:
        """Load the solver; the first time after an installation it is compiled, which one sees."""
        if SOLVER in sys.modules:
            return
        self.begin("prepare the solver (15 s, once)")
        import_module(SOLVER)
        self._name = "prepare solver"
        self.end()
