"""Simulate, lint and test emitted Verilog with Verilator."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gatewright.base.cache import Cache
from gatewright.base.errors import DataError, OptionError, ToolError, VerificationError
from gatewright.tools.compiler import compiler_version, find_compiler
from gatewright.tools.cxx_build import Compiler
from gatewright.tools.process import (
    Progress,
    ending,
    error_lines,
    in_parallel,
    job_count,
    run,
    steps,
    work_folder,
    write_sources,
)
from gatewright.tools.rtl import RtlDesign, check_sources, verilog_files
from gatewright.tools.verilator_binding import port_masks
from gatewright.tools.verilator_build import programs
from gatewright.tools.verilator_program import COMMON, find_verilator, reject

__all__ = [
    "Response",
    "Stimulus",
    "find_compiler",
    "lint",
    "run_testbench",
    "simulate",
    "versions",
]

# Below this many cycles compiling at -O1 takes longer than it saves (measured on trees of 1,000
# and 5,000 adders: 0.8 s a megabyte of C++ more, against 50,000 cycles a second and megabyte).
FEW_CYCLES = 20_000
TIMEOUT = 900.0


@dataclass(frozen=True)
class Stimulus:
    """Hold what is put on a design's data inputs.

    `words` is (samples, total words) uint64: each input port little-endian in ceil(width / 64)
    words, ports in their order, bits beyond a port's width zero. `gaps` is (samples,) int64: the
    cycles with `valid_in` low before each sample.
    """

    words: NDArray[np.uint64]
    gaps: NDArray[np.int64]


@dataclass(frozen=True)
class Response:
    """Hold what a design answered; cycle 0 is the first one after reset.

    `words` is (outputs seen, total words) uint64, `output_cycle` (outputs seen,) the cycle in
    which each was seen with `valid_out` high, `accept_cycle` (samples presented,) the cycle in
    which each sample lay on the inputs with `valid_in` high. The outputs are looked at before the
    clock edge that ends a cycle: a combinational path has latency 0, one register 1. A design that
    answers more often than it was asked shows as more outputs than samples; 65 too many end the
    run at once, so that then some samples may not have been presented.
    """

    words: NDArray[np.uint64]
    accept_cycle: NDArray[np.int64]
    output_cycle: NDArray[np.int64]
    cycles: int


def simulate(
    designs: Sequence[RtlDesign],
    stimuli: Sequence[Stimulus],
    *,
    drain: int = 64,
    max_latency: int = 65_536,
    seed: int = 1,
    jobs: int | None = None,
    timeout: float = TIMEOUT,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> list[Response]:
    """Simulate each design with its stimulus; return the responses in that order.

    All designs that the cache does not know are built into one program. Before cycle 0 come some
    cycles of reset with `valid_in` toggling; registers start at random; the data inputs carry
    garbage whenever `valid_in` is low. After the last sample a run goes on until `drain` cycles
    without output have passed (so that a late, spurious output shows), or, with fewer outputs than
    samples, `max_latency` cycles. `timeout` (seconds) holds for each outside program.

    Raises `DataError` for stimulus that does not fit the ports, `ToolError` where Verilator or the
    compiler is missing, refuses the design or takes too long.
    """
    if len(designs) != len(stimuli):
        raise OptionError("one stimulus a design", found=f"{len(stimuli)} for {len(designs)}")
    elastic = [design.top for design in designs if design.elastic]
    if elastic:
        raise OptionError(
            "a design whose ports are streams has no valid_in",
            found=", ".join(elastic),
            remedy="simulate it with tools.streams.simulate_streams",
        )
    if drain < 0 or max_latency < 1 or sys.byteorder != "little":
        raise OptionError(
            "simulation limits", found=f"drain {drain}, max_latency {max_latency}, {sys.byteorder}"
        )
    checked = [_packed(d, s) for d, s in zip(designs, stimuli, strict=True)]
    if not designs:
        return []
    workers = job_count(jobs)
    store = cache if cache is not None else Cache()
    compiler = Compiler(find_compiler(), find_verilator(), timing=False, timeout=timeout)
    cycles = max(int(stimulus.gaps.sum()) + len(stimulus.gaps) for stimulus in checked)
    with work_folder() as work:
        few = cycles < FEW_CYCLES
        known = programs(designs, compiler, store, work, few, workers, progress)
        header = [drain, max_latency, seed]
        step = steps(progress, "simulate", len(designs))

        def one(index: int) -> Response:
            design, stimulus = designs[index], checked[index]
            program, number = known[design.digest()]
            folder = work / f"run{index}"
            response = _run_one(design, stimulus, program, number, folder, header, timeout)
            step()
            return response

        return in_parallel(one, range(len(designs)), workers)


def _packed(design: RtlDesign, stimulus: Stimulus) -> Stimulus:
    """Check that a stimulus fits the design's ports; return it contiguous."""
    words, gaps = np.asarray(stimulus.words), np.asarray(stimulus.gaps)
    samples = len(gaps) if gaps.ndim == 1 else -1
    wanted = (samples, design.input_words)
    if words.shape != wanted or words.dtype != np.uint64 or gaps.dtype != np.int64:
        raise DataError(
            "stimulus of the wrong shape or type",
            place=f"design {design.top!r}",
            found=f"words {words.dtype}{words.shape}, gaps {gaps.dtype}{gaps.shape}",
            supported=f"words uint64(samples, {design.input_words}), gaps int64(samples,)",
        )
    masks = np.array([m for port in design.inputs for m in port_masks(port)], np.uint64)
    if samples and (gaps.min() < 0 or bool((words & ~masks).any())):
        raise DataError(
            "stimulus with a negative gap or with bits beyond a port's width",
            place=f"design {design.top!r}",
            found=f"smallest gap {gaps.min()}",
            remedy="mask each port's value to its width",
        )
    return Stimulus(np.ascontiguousarray(words), np.ascontiguousarray(gaps))


def _run_one(
    design: RtlDesign,
    stimulus: Stimulus,
    program: Path,
    number: int,
    folder: Path,
    header: list[int],
    timeout: float,
) -> Response:
    """Run one design's simulation in a folder with its sources (memory contents lie there)."""
    write_sources(design.sources, folder)
    question, answer = folder / "stimulus.bin", folder / "response.bin"
    head = np.array([len(stimulus.gaps), *header], np.uint64)
    with question.open("wb") as file:
        for array in (head, stimulus.words, stimulus.gaps):
            file.write(array.tobytes())
    what = f"simulating {design.top!r}"
    done = run([program, str(number), question, answer], cwd=folder, timeout=timeout, what=what)
    if done.status != 0 or not answer.is_file():
        raise ToolError(f"{what} failed:\n  {error_lines(done.text)}", found=ending(done.status))
    data = np.fromfile(answer, np.uint64)
    outputs, accepted, cycles = (int(value) for value in data[:3])
    sizes = np.cumsum([3, outputs * design.output_words, outputs, accepted])
    if len(data) != sizes[-1]:
        raise ToolError(f"{what}: the answer is cut short", found=f"{len(data)} words")
    words, output_cycle, accept_cycle = np.split(data[3:], sizes[1:3] - 3)
    return Response(
        words.reshape(outputs, design.output_words),
        accept_cycle.astype(np.int64),
        output_cycle.astype(np.int64),
        cycles,
    )


def lint(design: RtlDesign, *, timeout: float = TIMEOUT) -> None:
    """Check a design with `verilator --lint-only -Wall`.

    Raises `ToolError` with the first warnings (file, line, rule) where there is any.
    """
    verilator = find_verilator()
    with work_folder() as work:
        write_sources(design.sources, work)
        arguments = ["--lint-only", "-Wall", *COMMON, "--top-module", design.top, "-I."]
        arguments += verilog_files(design.sources)
        done = verilator.call(arguments, cwd=work, timeout=timeout, what="Verilator's lint")
    if done.status != 0 or "%Warning" in done.text:
        raise reject(done, f"Verilator's lint of {design.top!r} complains")


def run_testbench(
    sources: dict[str, str],
    top: str,
    *,
    timeout: float = TIMEOUT,
    jobs: int | None = None,
    cache: Cache | None = None,
) -> str:
    """Build and run a self-checking test bench with Verilator (`--timing`); return what it prints.

    Raises `ToolError` where the bench does not build, `VerificationError` where it ends with
    `$fatal`, `$error` or `$stop`.
    """
    check_sources(sources)
    verilator = find_verilator()
    compiler = Compiler(find_compiler(), verilator, timing=True, timeout=timeout)
    with work_folder() as work:
        write_sources(sources, work / "src")
        arguments = ["--cc", "--main", "--exe", "--timing", "--assert", *COMMON, "-Wno-fatal"]
        arguments += ["-Wno-lint", "-Wno-style", "--prefix", "Bench", "--top-module", top]
        arguments += ["--Mdir", "cc", "-Isrc", *(f"src/{n}" for n in verilog_files(sources))]
        done = verilator.call(arguments, cwd=work, timeout=timeout, what="Verilator")
        if done.status != 0:
            raise reject(done, f"Verilator refuses the test bench {top!r}")
        build = work / "build"
        build.mkdir()
        store, workers = cache if cache is not None else Cache(), job_count(jobs)
        files = sorted((work / "cc").glob("*.cpp"))
        program = compiler.build(files, build / "bench", "-O1", store, workers)
        ran = run([program], cwd=work / "src", timeout=timeout, what=f"test bench {top!r}")
    if ran.status != 0:
        raise VerificationError(
            f"the test bench {top!r} fails in Verilator:\n  {error_lines(ran.text)}",
            found=ending(ran.status),
        )
    return ran.stdout + ran.stderr


def versions() -> dict[str, str]:
    """Return the versions of Verilator and of the C++ compiler; raise `ToolError` if one lacks."""
    command = find_compiler()
    return {"verilator": find_verilator().version, "c++": compiler_version(command)}
