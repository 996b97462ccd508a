"""Compile Verilator's C++ directly: few large units in parallel, and a runtime built once."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

from gatewright.base.cache import Cache, content_key
from gatewright.base.errors import ToolError
from gatewright.tools.compiler import compiler_version, extra_flags
from gatewright.tools.process import Progress, ending, error_lines, in_parallel, run, steps
from gatewright.tools.verilator_program import Verilator

RUNTIME = ("verilated.cpp", "verilated_dpi.cpp", "verilated_threads.cpp")
TIMING = ("verilated_timing.cpp",)
# Each model's sources begin with its own header "__pch.h", which objects to another model's.
UNIT_LINE = '#undef VL_PCH_INCLUDED\n#include "{file}"\n'
UNIT_BYTES = 700_000  # below that, another unit costs more (the headers again) than it gains
UNIT_MOST = 4_000_000  # above that, the compiler wants more than half a gigabyte


class Compiler:
    """Compile and link C++ against Verilator's runtime with one compiler and standard."""

    def __init__(
        self, command: tuple[str, ...], verilator: Verilator, *, timing: bool, timeout: float
    ) -> None:
        self.command = command
        self.verilator = verilator
        self.timeout = timeout
        self.runtime_files = RUNTIME + (TIMING if timing else ())
        version = compiler_version(command)
        standard = ["-std=gnu++20"] if timing else ["-std=gnu++17"]
        if timing and not any(word in version.lower() for word in ("clang", "zig")):
            standard.append("-fcoroutines")
        self.flags = [
            *standard,
            "-w",
            "-DVL_TIME_CONTEXT",
            f"-I{verilator.include}",
            f"-I{verilator.include / 'vltstd'}",
            *extra_flags(command),
        ]
        self.identity = content_key(
            *command, version, verilator.version, platform.machine(), *self.flags
        )

    def compile(self, source: Path, target: Path, opt: str, includes: Sequence[Path]) -> Path:
        """Compile one file to an object; raise `ToolError` with the first error lines."""
        folders = [f"-I{folder}" for folder in includes]
        command = [*self.command, opt, *self.flags, *folders, "-c", str(source), "-o", str(target)]
        self._run(command, target.parent, "compiling the simulation")
        return target

    def build(
        self,
        files: Sequence[Path],
        target: Path,
        opt: str,
        cache: Cache,
        jobs: int,
        progress: Progress | None = None,
    ) -> Path:
        """Compile files as a few units, and the runtime if the cache lacks it, and link all.

        Working files lie beside `target`.
        """
        folder = target.parent
        includes = sorted({file.parent for file in files} | {folder})
        units = []
        for number, unit in enumerate(pack(files, jobs)):
            source = folder / f"unit{number}.cpp"
            source.write_text("".join(UNIT_LINE.format(file=file) for file in unit))
            units.append((source, source.with_suffix(".o"), opt, includes))
        key = content_key(self.identity, *self.runtime_files)
        runtime = [folder / "runtime" / f"{name}.o" for name in self.runtime_files]
        known = cache.fetch("verilated-runtime", key, folder / "runtime")
        known = known and all(path.is_file() for path in runtime)
        tasks = list(units)
        if not known:
            (folder / "runtime").mkdir(exist_ok=True)
            tasks += [(self.verilator.include / path.stem, path, "-O1", []) for path in runtime]
        step = steps(progress, "compile", len(tasks))

        def one(task: tuple[Path, Path, str, list[Path]]) -> Path:
            done = self.compile(*task)
            step()
            return done

        objects = in_parallel(one, tasks, jobs)
        if not known:
            cache.write("verilated-runtime", key, {path.name: path for path in runtime})
        command = [*self.command, *map(str, [*objects[: len(units)], *runtime])]
        self._run([*command, "-pthread", "-o", str(target)], folder, "linking the simulation")
        return target

    def _run(self, command: list[str], cwd: Path, what: str) -> None:
        done = run(command, cwd=cwd, timeout=self.timeout, what=what)
        if done.status != 0:
            found = error_lines(done.text, r"\berror\b|undefined|cannot find|No space")
            raise ToolError(
                f"{what} failed:\n  {found}",
                place=" ".join(self.command),
                found=ending(done.status),
                remedy="set CXX to another C++ compiler, or free memory and disk",
            )


def pack(files: Sequence[Path], jobs: int) -> list[list[Path]]:
    """Deal files out to compile units: balanced, as many as pay, none too large to compile."""
    sizes = {file: file.stat().st_size for file in files}
    total = sum(sizes.values())
    count = max(1, min(jobs, total // UNIT_BYTES), -(-total // UNIT_MOST))
    units: list[list[Path]] = [[] for _ in range(min(count, len(files)))]
    loads = [0] * len(units)
    for file in sorted(files, key=lambda f: (-sizes[f], f.name)):
        least = loads.index(min(loads))
        units[least].append(file)
        loads[least] += sizes[file]
    return units
