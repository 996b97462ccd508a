"""The whole hand-over: RTL, test bench, vectors, constraints, scripts, and a page that says how."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gatewright.emit.constraints import (
    check_clock,
    check_part,
    emit_core,
    emit_nextpnr,
    emit_vivado,
    emit_xdc,
    emit_yosys,
    yosys_family,
)
from gatewright.emit.header import elements_text, generator, safe
from gatewright.emit.testbench import emit_testbench, template
from gatewright.emit.vectors import check_values, input_ports, output_ports, write_hex, write_npz
from gatewright.emit.verilog import emit_verilog, top_name
from gatewright.hw import Module
from gatewright.num import Ints


def emit_project(
    top: Module,
    *,
    clock_ns: float,
    part: str,
    inputs: Mapping[str, Ints],
    outputs: Mapping[str, Ints],
    facts: Mapping[str, object] | None = None,
    others: Mapping[str, str] | None = None,
    rtl: Mapping[str, str] | None = None,
) -> dict[str, str | bytes]:
    """Return everything that someone needs to use a design, as path to content.

    Args:
        top: the design.
        clock_ns: clock period.
        part: part number for the scripts.
        inputs: golden inputs, integers of shape (samples, elements) for each data port.
        outputs: golden outputs, alike.
        facts: further rows for the page; see `fact_rows`.
        others: files that the caller adds, with what they are, for the page's list.
        rtl: what `emit_verilog` returned for `top`, where it was called already.

    Raises:
        OptionError: an impossible clock, part or port name.
        DataError: vectors that do not fit the ports, or none.
    """
    sources = emit_verilog(top) if rtl is None else dict(rtl)
    samples = check_values(input_ports(top), inputs) or check_values(output_ports(top), outputs)
    vectors: dict[str, str | bytes] = {
        "vectors/inputs.hex": write_hex(input_ports(top), inputs),
        "vectors/outputs.hex": write_hex(output_ports(top), outputs),
        "vectors/golden.npz": write_npz(top, inputs, outputs),
    }

    def page(paths: Mapping[str, str]) -> str:
        return emit_readme(
            top, clock_ns=clock_ns, part=part, samples=samples, paths=paths, facts=facts or {}
        )

    bench = emit_testbench(top, samples)
    return assemble_project(
        top, clock_ns, part, sources, bench, vectors, {}, dict(others or {}), page
    )


def assemble_project(
    top: Module,
    clock_ns: float,
    part: str,
    sources: Mapping[str, str],
    bench: Mapping[str, str],
    vectors: Mapping[str, str | bytes],
    told: Mapping[str, str],
    others: Mapping[str, str],
    page: Callable[[Mapping[str, str]], str],
) -> dict[str, str | bytes]:
    """Return the files of a hand-over.

    Args:
        top: the design.
        clock_ns: clock period.
        part: part number for the scripts.
        sources: Verilog by file name.
        bench: test benches by file name.
        vectors: by path.
        told: what files are that `what_is` does not know.
        others: files that the caller adds, with what they are.
        page: writes the page that lists all files.
    """
    check_clock(clock_ns)
    check_part(part)
    name = top_name(top)
    files = [f"rtl/{file}" for file in sources]
    texts = [path for path in vectors if path.endswith(".hex")]
    project: dict[str, str | bytes] = {f"rtl/{file}": text for file, text in sources.items()}
    project |= {f"tb/{file}": text for file, text in bench.items()}
    project |= vectors
    project |= {
        f"constraints/{name}.xdc": emit_xdc(clock_ns),
        "scripts/synth.ys": emit_yosys(name, files, part),
        **_place_and_route(name, files, clock_ns, part),
        f"{name}.core": emit_core(name, files, clock_ns, part, texts),
    }
    paths = {
        path: told.get(path) or what_is(path, name) for path in sorted([*project, "README.md"])
    }
    project["README.md"] = page(paths | dict(others))
    return project


def _place_and_route(
    name: str, files: list[str], clock_ns: float, part: str
) -> dict[str, str | bytes]:
    """Return the script of the tool that places and routes for a part."""
    if yosys_family(part) == "ecp5":
        return {"scripts/nextpnr.sh": emit_nextpnr(name, clock_ns, part)}
    return {"scripts/vivado.tcl": emit_vivado(name, files, part)}


def what_is(path: str, name: str) -> str:
    """Return what a file of the hand-over is, for the page's list."""
    if path == f"rtl/{name}.v":
        return "top module"
    known = {
        "README.md": "this page",
        f"{name}.core": "description for FuseSoC",
        f"tb/tb_{name}.v": "self-checking test bench",
        "vectors/golden.npz": "golden vectors for programs, integers by port",
        "vectors/inputs.hex": "golden inputs, read by the test bench",
        "vectors/outputs.hex": "golden outputs, read by the test bench",
        f"constraints/{name}.xdc": "clock, out of context",
        "scripts/synth.ys": "synthesis with Yosys",
        "scripts/nextpnr.sh": "placement and routing with nextpnr",
        "scripts/vivado.tcl": "synthesis, placement and routing with Vivado",
    }
    return known.get(path, "module")


def emit_readme(
    top: Module,
    *,
    clock_ns: float,
    part: str,
    samples: int,
    paths: Mapping[str, str],
    facts: Mapping[str, object],
) -> str:
    """Return the page that comes with a design."""
    return template("readme.md.jinja").render(
        top=top_name(top),
        origin=safe(top.origin),
        ports=port_rows(top),
        latency=top.latency,
        interval=top.interval,
        clock_ns=clock_ns,
        part=part,
        samples=samples,
        paths=dict(paths),
        facts=fact_rows(facts),
        valid="valid_in" in top.inputs,
        generator=generator(),
    )


def port_rows(top: Module) -> list[tuple[str, str, int, str]]:
    """Return name, direction, bits and elements of each port that has bits."""
    ports = []
    for direction, group in (("input", top.inputs), ("output", top.outputs)):
        for port, signals in group.items():
            bits = sum(top.width(s) for s in signals)
            if bits:
                ports.append((port, direction, bits, elements_text(top, signals)))
    return ports


def fact_rows(facts: Mapping[str, object]) -> dict[str, str]:
    """Return the facts that fit a table: text and numbers, also those one level down."""
    rows: dict[str, str] = {}
    for key, value in facts.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        for name, single in inner:
            if isinstance(single, str | int | float) and single != "":
                rows[safe(f"{key} {name}".strip())] = safe(str(single))
    return rows
