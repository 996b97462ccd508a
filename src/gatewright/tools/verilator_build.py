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
from gatewright.tools.rtl import RtlDesign, RtlPort, verilog_files
from gatewright.tools.verilator_program import COMMON, NO_INLINING, Verilator, reject

DRIVER = "driver.hpp"
# The harness is checked (a port of another width is an error), the design's own style is not.
LINT_ONLY_HARNESS = '`verilator_config\nlint_off -file "src/*"\n'
# Registers and unknown values start at random, so that a missing reset shows.
MODEL = ["--cc", *COMMON, "-O3", "--x-assign", "unique", "--x-initial", "unique", "-Isrc"]
SMALL_BYTES = 300_000  # C++ below which -O0 gains nothing


def driver_text() -> str:
    """Return the text of the C++ driver."""
    return (resources.files(__package__) / DRIVER).read_text(encoding="utf-8")


def recipe(design: RtlDesign) -> str:
    """Return a hash of the design and of everything that is generated around it."""
    harness = _harness_text(design, _harness_name(design))
    binding = _binding_text(design, 0, "Design")
    parts = (
        *MODEL,
        *NO_INLINING,
        LINT_ONLY_HARNESS,
        _main_text(1),
        driver_text(),
        harness,
        binding,
    )
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
    (work / DRIVER).write_text(driver_text(), encoding="utf-8")
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
    main.write_text(_main_text(len(designs)), encoding="utf-8")
    large = sum(file.stat().st_size for file in files) > SMALL_BYTES
    opt = "-O0" if few_cycles and large else "-O1"
    return compiler.build([*files, main], work / "program", opt, cache, jobs, progress), opt


def verilate(
    design: RtlDesign, index: int, work: Path, verilator: Verilator, timeout: float
) -> list[Path]:
    """Turn a design into C++ below `work`; return the files to compile.

    A shared module becomes a model of its own, with a wrapper that stands in for it in its users:
    one copy of C++ for all its copies in the circuit.
    """
    folder = work / f"design{index}"
    write_sources(design.sources, folder / "src")
    harness = _harness_name(design)
    (folder / "harness.v").write_text(_harness_text(design, harness), encoding="utf-8")
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
    binding.write_text(_binding_text(design, index, prefix), encoding="utf-8")
    return [*generated, binding]


def _verilate(
    design: RtlDesign, folder: Path, prefix: str, target: str, arguments: Sequence[str],
    *, verilator: Verilator, timeout: float,
) -> list[Path]:  # fmt: skip
    """Turn one top of a design into C++ in `target`, below `folder`; return the files."""
    what = f"Verilator refuses the Verilog of {design.top!r}"
    options = [*MODEL, "--prefix", prefix, "--Mdir", target, "lint.vlt"]
    done = verilator.call([*options, *arguments], cwd=folder, timeout=timeout, what="Verilator")
    if done.status != 0:
        raise reject(done, what)
    generated = sorted((folder / target).glob("*.cpp"))
    if not generated:
        raise ToolError(f"{what}: it wrote no C++", found=done.text.strip()[:200])
    return generated


def _harness_name(design: RtlDesign) -> str:
    name = "gatewright_harness"
    while any(name in text for text in design.sources.values()):
        name += "_"
    return name


def _harness_text(design: RtlDesign, name: str) -> str:
    """Return a module with numbered ports, so that the C++ names do not depend on the design's."""
    ports = ["  input clk", "  input rst", "  input valid_in", "  output valid_out"]
    pins = [f"    .{pin}({pin})" for pin in ("clk", "rst", "valid_in", "valid_out")]
    for letter, group in (("i", design.inputs), ("o", design.outputs)):
        for number, port in enumerate(group):
            direction = "input" if letter == "i" else "output"
            ports.append(f"  {direction} [{port.width - 1}:0] {letter}{number}")
            pins.append(f"    .{port.name}({letter}{number})")
    head = f"module {name} (\n" + ",\n".join(ports) + "\n);\n"
    return head + f"  {design.top} dut (\n" + ",\n".join(pins) + "\n  );\nendmodule\n"


def _binding_text(design: RtlDesign, index: int, prefix: str) -> str:
    """Return the C++ that tells the driver how to set and read this design's ports."""
    masks = ", ".join(f"{mask:#x}ULL" for port in design.inputs for mask in port_masks(port))
    return "\n".join(
        [
            f'#include "{prefix}.h"',
            f'#include "{DRIVER}"',
            "namespace {",
            f"struct Binding{index} {{",
            f"    using Model = {prefix};",
            f"    static constexpr int in_words = {design.input_words};",
            f"    static constexpr int out_words = {design.output_words};",
            f"    static constexpr uint64_t masks[] = {{{masks or '0'}}};",
            "    static void drive(Model& model, const uint64_t* words) {",
            *_accesses("put", "i", design.inputs),
            "    }",
            "    static void sample(const Model& model, uint64_t* words) {",
            *_accesses("get", "o", design.outputs),
            "    }",
            "};",
            f"constexpr uint64_t Binding{index}::masks[];",
            "}  // namespace",
            f"int gatewright_design{index}(const char* stimulus, const char* response) {{",
            f"    return gatewright::simulate<Binding{index}>(stimulus, response);",
            "}",
            "",
        ]
    )


def _accesses(action: str, letter: str, ports: Sequence[RtlPort]) -> list[str]:
    lines, offset = [], 0
    for number, port in enumerate(ports):
        lines.append(f"        gatewright::{action}(model.{letter}{number}, words + {offset});")
        offset += port.words
    return lines


def port_masks(port: RtlPort) -> list[int]:
    """Return the bits that exist in each 64-bit word of a port."""
    full = (1 << port.width) - 1
    return [full >> (64 * word) & (2**64 - 1) for word in range(port.words)]


def _main_text(count: int) -> str:
    names = [f"gatewright_design{index}" for index in range(count)]
    lines = ["#include <cstdlib>"]
    lines += [f"int {name}(const char* stimulus, const char* response);" for name in names]
    lines += [
        "int main(int count, char** arguments) {",
        f"    int (*const designs[])(const char*, const char*) = {{{', '.join(names)}}};",
        "    if (count != 4) return 2;",
        "    const int index = std::atoi(arguments[1]);",
        f"    if (index < 0 || index >= {count}) return 2;",
        "    return designs[index](arguments[2], arguments[3]);",
        "}",
        "",
    ]
    return "\n".join(lines)
