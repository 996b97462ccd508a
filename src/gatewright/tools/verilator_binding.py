"""What stands between a verilated design and its driver: a harness in Verilog, a binding in C++."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.tools.rtl import RtlDesign, RtlPort

DRIVER = "driver.hpp"
STREAM_DRIVER = "stream_driver.hpp"


def harness_name(design: RtlDesign) -> str:
    """Return a name for the harness that no source of the design holds."""
    name = "gatewright_harness"
    while any(name in text for text in design.sources.values()):
        name += "_"
    return name


def harness_text(design: RtlDesign, name: str) -> str:
    """Return a module with numbered ports, so that the C++ names do not depend on the design's."""
    ports = ["  input clk", "  input rst"]
    pins = ["    .clk(clk)", "    .rst(rst)"]
    if not design.elastic:
        ports += ["  input valid_in", "  output valid_out"]
        pins += ["    .valid_in(valid_in)", "    .valid_out(valid_out)"]
    for letter, group in (("i", design.inputs), ("o", design.outputs)):
        forth, back = ("input", "output") if letter == "i" else ("output", "input")
        for number, port in enumerate(group):
            own = f"{letter}{number}"
            if design.elastic:
                ports += [f"  {forth} {own}_valid", f"  {back} {own}_ready"]
                ends = ("valid", "ready")
                pins += [f"    .{port.name}_{end}({own}_{end})" for end in ends]
            if port.width:
                ports.append(f"  {forth} [{port.width - 1}:0] {own}")
                pins.append(f"    .{port.name}({own})")
    head = f"module {name} (\n" + ",\n".join(ports) + "\n);\n"
    return head + f"  {design.top} dut (\n" + ",\n".join(pins) + "\n  );\nendmodule\n"


def binding_text(design: RtlDesign, index: int, prefix: str) -> str:
    """Return the C++ that tells the driver how to set and read this design's ports."""
    driver, run = (STREAM_DRIVER, "simulate_streams") if design.elastic else (DRIVER, "simulate")
    body = _stream_binding(design) if design.elastic else _binding(design)
    return "\n".join(
        [
            f'#include "{prefix}.h"',
            f'#include "{driver}"',
            "namespace {",
            f"struct Binding{index} {{",
            f"    using Model = {prefix};",
            *body,
            "};",
            f"constexpr uint64_t Binding{index}::masks[];",
            "}  // namespace",
            f"int gatewright_design{index}(const char* stimulus, const char* response) {{",
            f"    return gatewright::{run}<Binding{index}>(stimulus, response);",
            "}",
            "",
        ]
    )


def _masks(design: RtlDesign) -> str:
    """Return the bits that exist in each word of the inputs, as a C++ constant."""
    masks = ", ".join(f"{mask:#x}ULL" for port in design.inputs for mask in port_masks(port))
    return f"    static constexpr uint64_t masks[] = {{{masks or '0'}}};"


def _binding(design: RtlDesign) -> list[str]:
    """Return the members for ports that one `valid_in` marks together."""
    return [
        f"    static constexpr int in_words = {design.input_words};",
        f"    static constexpr int out_words = {design.output_words};",
        _masks(design),
        "    static void drive(Model& model, const uint64_t* words) {",
        *_accesses("put", "i", design.inputs),
        "    }",
        "    static void sample(const Model& model, uint64_t* words) {",
        *_accesses("get", "o", design.outputs),
        "    }",
    ]


def _stream_binding(design: RtlDesign) -> list[str]:
    """Return the members for ports that are streams, each chosen by its number."""
    lines = [_masks(design)]
    for name, letter, group in (("in", "i", design.inputs), ("out", "o", design.outputs)):
        sizes = ", ".join(str(port.words) for port in group)
        lines += [
            f"    static int {name}puts() {{ return {len(group)}; }}",
            f"    static int {name}_words(int port) {{",
            f"        static const int sizes[] = {{{sizes or '0'}}};",
            "        return sizes[port];",
            "    }",
        ]
        forth, back = ("bool valid", "ready") if letter == "i" else ("bool ready", "valid")
        wires = [f"model.{letter}{number}" for number in range(len(group))]
        set_, get = forth.split()[1], back
        sets = [f"{wire}_{set_} = {set_}; break;" for wire in wires]
        gets = [f"return {wire}_{get} & 1;" for wire in wires]
        lines += _choice(f"void {name}_{set_}(Model& model, int port, {forth})", sets)
        lines += _choice(f"bool {name}_{get}(const Model& model, int port)", gets, "return false;")
    drives = [
        f"gatewright::put(model.i{n}, words); break;" if port.width else "break;"
        for n, port in enumerate(design.inputs)
    ]
    lines += _choice("void drive(Model& model, int port, const uint64_t* words)", drives)
    samples = [
        f"gatewright::get(model.o{n}, words); break;" if port.width else "break;"
        for n, port in enumerate(design.outputs)
    ]
    return lines + _choice("void sample(const Model& model, int port, uint64_t* words)", samples)


def _choice(head: str, cases: Sequence[str], otherwise: str = "") -> list[str]:
    """Return a function with a case for each port."""
    rows = [f"            case {number}: {text}" for number, text in enumerate(cases)]
    last = [f"        {otherwise}"] if otherwise else []
    return [f"    static {head} {{", "        switch (port) {", *rows, "        }", *last, "    }"]


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


def main_text(count: int) -> str:
    """Return the C++ of a program that runs one of `count` designs."""
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
