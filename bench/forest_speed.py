"""Time what it takes to compile a large forest, stage by stage, and to predict with it.

The stages are those that `compile` tells of its progress; seconds are the process's processor
seconds. Cold: the first compilation of a process, which loads libraries, and after an
installation also compiles our own loops. Warm: the next one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import gatewright as gw

CONIFER_COMPILE = (11.0, 28.0)
"""Processor seconds in which conifer compiles forests of 500 trees, as published."""

CONIFER_PREDICT = (1_600.0, 29_000.0)
"""Samples a processor second of its fixed-point emulation: of large and of small forests."""


@dataclass
class Stages:
    """Processor seconds by stage, as `progress` of `compile`."""

    seconds: dict[str, float] = field(default_factory=dict)
    _name: str = "begin"
    _since: float = field(default_factory=time.process_time)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take note of a stage that begins."""
        if done or total:
            return
        self.end()
        self._name = what

    def end(self) -> None:
        """End the stage."""
        now = time.process_time()
        self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._since = now


def import_seconds() -> float:
    """Return processor seconds to import the package, in a process of its own."""
    code = "import time; t = time.process_time(); import gatewright; print(time.process_time() - t)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(run.stdout)


def measure(path: Path, x: NDArray[Any], labels: NDArray[Any], tests: NDArray[Any]) -> gw.Design:
    """Compile a model cold and warm, predict, print; return the design.

    Args:
        path: of the model.
        x: samples to calibrate with.
        labels: their classes.
        tests: samples to predict.
    """
    print(f"import: {import_seconds():.2f} CPU s")
    with _empty_cache():
        for turn in ("cold", "warm"):
            stages = Stages()
            design = gw.compile(
                path, calibration=x, labels=labels, clock="400 MHz", progress=stages
            )
            stages.end()
            design.predict(tests[:64])
            stages("first predict", 0, 0)
            total = sum(stages.seconds.values())
            least, most = (seconds / total for seconds in CONIFER_COMPILE)
            print(f"{turn}: {total:.2f} CPU s until predict works; conifer's {least:.1f} to "
                  f"{most:.1f} times as long")  # fmt: skip
            print("  " + ", ".join(f"{n} {s:.2f}" for n, s in stages.seconds.items() if s >= 0.005))
        _predict("as it comes", design, tests)
        before = time.process_time()
        assert design.engine is not None
        print(f"emulator compiled: {time.process_time() - before:.2f} CPU s")
        _predict("compiled", design, tests)
    return design


def _predict(how: str, design: gw.Design, tests: NDArray[Any]) -> None:
    """Print samples a processor second."""
    design.predict(tests)  # what is loaded at the first call is no part of it
    before = time.process_time()
    design.predict(tests)
    rate = len(tests) / max(time.process_time() - before, 1e-9)
    most, least = (rate / theirs for theirs in CONIFER_PREDICT)
    print(f"predict, {how}: {rate:,.0f} samples a CPU s; {most:.0f} times conifer's fixed point on "
          f"forests of this size, {least:.1f} times that on small ones")  # fmt: skip


@contextmanager
def _empty_cache() -> Iterator[None]:
    """Have no machine code of this circuit on disk: what is timed is a new model."""
    before = os.environ.get("GATEWRIGHT_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GATEWRIGHT_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("GATEWRIGHT_CACHE")
            if before is not None:
                os.environ["GATEWRIGHT_CACHE"] = before
