"""Find the C++ compiler that turns Verilator's output into a program."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from functools import lru_cache
from pathlib import Path

from gatewright.base.errors import ToolError
from gatewright.tools.process import run

REMEDY = (
    "install g++ (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; "
    "macOS: xcode-select --install), or without rights on the machine: pip install ziglang"
)


def find_compiler() -> tuple[str, ...]:
    """Return the command of a C++17 compiler: `$CXX`, g++, clang++ or the `ziglang` package.

    Raises `ToolError` with a remedy where there is none, or where `$CXX` names no program.
    """
    wanted = shlex.split(os.environ.get("CXX", ""))
    if wanted:
        if shutil.which(wanted[0]) is None:
            raise ToolError(
                "the C++ compiler that CXX names is not there",
                found=" ".join(wanted),
                remedy="correct CXX, or unset it so that g++ or clang++ is looked for",
            )
        return tuple(wanted)
    for name in ("g++", "clang++"):
        path = shutil.which(name)
        if path is not None:
            return (path,)
    if importlib.util.find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "c++")
    raise ToolError(
        "no C++ compiler: RTL cannot be simulated with Verilator",
        supported="$CXX, g++, clang++, the Python package ziglang",
        remedy=REMEDY,
    )


@lru_cache(maxsize=8)
def compiler_version(command: tuple[str, ...]) -> str:
    """Return the first line of the compiler's `--version`."""
    done = run([*command, "--version"], cwd=Path.cwd(), timeout=60, what="C++ compiler")
    if done.status != 0 or not done.text.strip():
        raise ToolError(
            "the C++ compiler does not run",
            place=" ".join(command),
            found=done.text.strip() or f"exit status {done.status}",
            remedy=REMEDY,
        )
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else done.text.strip()


def extra_flags(command: tuple[str, ...]) -> list[str]:
    """Return flags that only some compilers need: zig traps undefined behaviour by default."""
    return ["-fno-sanitize=undefined"] if "ziglang" in command else []
