"""Run a test bench with Icarus Verilog, the second opinion on emitted Verilog."""

from __future__ import annotations

import shutil
from pathlib import Path

from gatewright.base.errors import ToolError, VerificationError
from gatewright.tools.process import ending, error_lines, run, work_folder, write_sources
from gatewright.tools.rtl import check_sources, verilog_files

TIMEOUT = 900.0


def run_testbench(sources: dict[str, str], top: str, *, timeout: float = TIMEOUT) -> str:
    """Compile and run a self-checking test bench; return what it prints.

    `.v` files are read as Verilog-2005; where a `.sv` file is among them, all as SystemVerilog.
    Files of other kinds lie beside the running bench. Raises `ToolError` where Icarus is missing
    or refuses the sources, `VerificationError` where the bench ends with `$fatal` or `$stop`.
    """
    check_sources(sources)
    iverilog, vvp = _find("iverilog"), _find("vvp")
    files = verilog_files(sources)
    standard = "-g2012" if any(name.endswith(".sv") for name in files) else "-g2005"
    with work_folder() as work:
        write_sources(sources, work / "src")
        command = [iverilog, standard, "-I.", "-s", top, "-o", "../bench.vvp", *files]
        done = run(command, cwd=work / "src", timeout=timeout, what="Icarus Verilog")
        if done.status != 0:
            found = error_lines(done.text, r"error|not find|unknown", limit=3)
            raise ToolError(
                f"Icarus Verilog refuses the test bench {top!r}:\n  {found}",
                found=ending(done.status),
            )
        # -N: not interactive, and $stop ends with exit status 1.
        what = f"test bench {top!r}"
        ran = run([vvp, "-N", "../bench.vvp"], cwd=work / "src", timeout=timeout, what=what)
    if ran.status != 0:
        raise VerificationError(
            f"the test bench {top!r} fails in Icarus Verilog:\n  {error_lines(ran.text)}",
            found=ending(ran.status),
        )
    return ran.stdout + ran.stderr


def icarus_version() -> str:
    """Return Icarus Verilog's version; raise `ToolError` where it is missing."""
    done = run([_find("iverilog"), "-V"], cwd=Path.cwd(), timeout=60, what="Icarus Verilog")
    return error_lines(done.stdout, "version", limit=1)


def _find(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise ToolError(
            f"Icarus Verilog is not installed: no {program} on PATH",
            remedy="apt install iverilog (Debian, Ubuntu), or leave this second simulation out",
        )
    return path
