"""Build one program out of many designs: a model each, one driver, few compile units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path

from gatewright.base.cache import Cache, content_key
from gatewright.base.errors import ToolError
from gatewright.tools.cxx_build import Compiler
from gatewright.tools.process import Progress, in_parallel, steps, write_sources
from gatewright.tools.rtl import RtlDesign, verilog_files
from gatewright.tools.verilator_binding import (
    DRIVER,
    STREAM_DRIVER,
    binding_text,
    harness_name,
    harness_text,
    main_text,
)
from gatewright.tools.verilator_program import COMMON, NO_INLINING, Verilator, reject

# The harness is checked (a port of another width is an error), the design's own style is not.
LINT_ONLY_HARNESS = '`verilator_config\nlint_off -file "src/*"\n'
# Registers and unknown values start at random, so that a missing reset shows.
MODEL = ["--cc", *COMMON, "-O3", "--x-assign", "unique", "--x-initial", "unique", "-Isrc"]
SMALL_BYTES = 300_000  # C++ below which -O0 gains nothing


def driver_text(name: str = DRIVER) -> str:
    """Return the text of a C++ driver."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def recipe(design: RtlDesign) -> str:
    """Return a hash of the design and of everything that is generated around it."""
    parts = [*MODEL, *NO_INLINING, LINT_ONLY_HARNESS, main_text(1), driver_text()]
    if design.elastic:
        parts.append(driver_text(STREAM_DRIVER))
    parts += [harness_text(design, harness_name(design)), binding_text(design, 0, "Design")]
    return content_key(design.digest(), *parts)


def build_program(
    designs: Sequence[RtlDesign],
    compiler: Compiler,
    cache: Cache,
    work: Path,
    *,
    few_cycles: bool,
    jobs: int,
    progress: Progress | None = None,
) -> tuple[Path, str]:
    """Build a program that simulates any of `designs` (`program INDEX STIMULUS RESPONSE`).

    Returns its path and how it was optimised: `few_cycles` allows -O0 for large designs, where the
    compiler would take longer than it saves.
    Raises `ToolError` where Verilator or the compiler refuses.
    """
    for name in (DRIVER, STREAM_DRIVER):
        (work / name).write_text(driver_text(name), encoding="utf-8")
    step = steps(progress, "verilate", len(designs))

    # The C names of shared modules are the user's: two designs may have the same.
    sharing = len(designs) == 1

    def one(item: tuple[int, RtlDesign]) -> list[Path]:
        design = item[1] if sharing else replace(item[1], shared=())
        files = verilate(design, item[0], work, compiler.verilator, compiler.timeout)
        step()
        return files

    files = [file for model in in_parallel(one, enumerate(designs), jobs) for file in model]
    main = work / "main.cpp"
    main.write_text(main_text(len(designs)), encoding="utf-8")
    large = sum(file.stat().st_size for file in files) > SMALL_BYTES
    opt = "-O0" if few_cycles and large else "-O1"
    return compiler.build([*files, main], work / "program", opt, cache, jobs, progress), opt


def programs(
    designs: Sequence[RtlDesign],
    compiler: Compiler,
    cache: Cache,
    work: Path,
    few_cycles: bool,
    jobs: int,
    progress: Progress | None,
) -> dict[str, tuple[Path, int]]:
    """Return, for each design's digest, a program that simulates it and its number in there."""
    unique = {design.digest(): design for design in designs}
    keys = {digest: content_key(compiler.identity, recipe(unique[digest])) for digest in unique}
    found: dict[str, tuple[Path, int]] = {}
    for digest, key in keys.items():
        levels = ["-O1", "-O0"] if few_cycles else ["-O1"]
        hits = (_cached(content_key(key, level), cache, work) for level in levels)
        hit = next((hit for hit in hits if hit is not None), None)
        if hit is not None:
            found[digest] = hit
    missing = [digest for digest in unique if digest not in found]
    if not missing:
        return found
    folder = work / "build"
    folder.mkdir()
    program, level = build_program(
        [unique[digest] for digest in missing],
        compiler,
        cache,
        folder,
        few_cycles=few_cycles,
        jobs=jobs,
        progress=progress,
    )
    name = content_key(level, *(keys[digest] for digest in missing))
    cache.write("simulation", name, {"program": program})
    for number, digest in enumerate(missing):
        place = {"name": name, "number": number}
        cache.write_json("simulation-index", content_key(keys[digest], level), place)
        found[digest] = (program, number)
    return found


def _cached(key: str, cache: Cache, work: Path) -> tuple[Path, int] | None:
    """Return a program built earlier, copied into the work folder."""
    entry = cache.read_json("simulation-index", key)
    if not isinstance(entry, dict) or not {"name", "number"} <= entry.keys():
        return None
    folder = work / "cached" / str(entry["name"])
    program = folder / "program"
    if not program.is_file() and not cache.fetch("simulation", str(entry["name"]), folder):
        return None
    return (program, int(entry["number"])) if program.is_file() else None


def verilate(
    design: RtlDesign, index: int, work: Path, verilator: Verilator, timeout: float
) -> list[Path]:
    """Turn a design into C++ below `work`; return the files to compile.

    A shared module becomes a model of its own, with a wrapper that stands in for it in its users:
    one copy of C++ for all its copies in the circuit.
    """
    folder = work / f"design{index}"
    write_sources(design.sources, folder / "src")
    harness = harness_name(design)
    (folder / "harness.v").write_text(harness_text(design, harness), encoding="utf-8")
    (folder / "lint.vlt").write_text(LINT_ONLY_HARNESS, encoding="utf-8")
    prefix = f"Design{index}"
    call = partial(_verilate, design, folder, verilator=verilator, timeout=timeout)
    own = [name for name in verilog_files(design.sources) if name[:-2] not in design.shared]
    sources = [f"src/{name}" for name in own]
    generated: list[Path] = []
    (folder / "shared").mkdir()
    for name in design.shared:
        arguments = ["--lib-create", name, "--top-module", name, f"src/{name}.v", *sources]
        generated += call(f"{prefix}_{name}", f"shared/{name}", arguments)
        sources.append(f"shared/{name}/{name}.sv")
    generated += call(prefix, "cc", ["--top-module", harness, "harness.v", *sources])
    binding = folder / "cc" / f"binding{index}.cpp"
    binding.write_text(binding_text(design, index, prefix), encoding="utf-8")
    return [*generated, binding]


def _verilate(
    design: RtlDesign, folder: Path, prefix: str, target: str, arguments: Sequence[str],
    *, verilator: Verilator, timeout: float,
) -> list[Path]:  # fmt: skip
    """Turn one top of a design into C++ in `target`, below `folder`; return the files."""
    what = f"Verilator refuses the Verilog of {design.top!r}"
    # Valid and ready run both ways through a model that stands for a shared module, whose outputs
    # count as depending on all of its inputs: what looks like a loop is settled by repetition.
    loops = ["-Wno-UNOPTFLAT"] if design.elastic and design.shared else []
    options = [*MODEL, *loops, "--prefix", prefix, "--Mdir", target, "lint.vlt"]
    done = verilator.call([*options, *arguments], cwd=folder, timeout=timeout, what="Verilator")
    if done.status != 0:
        raise reject(done, what)
    generated = sorted((folder / target).glob("*.cpp"))
    if not generated:
        raise ToolError(f"{what}: it wrote no C++", found=done.text.strip()[:200])
    return generated
