"""`gatewright synth`."""

from __future__ import annotations

from typing import Annotated

import typer

from gatewright.cli.parameters import DesignFolder, Flow, Json, Quiet
from gatewright.cli.terminal import Terminal


def synth(
    folder: DesignFolder,
    flow: Flow = "full",
    dsp: Annotated[
        bool | None,
        typer.Option(
            "--dsp/--no-dsp",
            help="Put the products that the plan says into DSP blocks, or none; by default as "
            "planned.",
        ),
    ] = None,
    route: Annotated[
        bool,
        typer.Option("--route", help="Also place and route with nextpnr (ECP5 devices): fmax."),
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the placement.")] = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Synthesise with Yosys: LUT, FF, DSP and BRAM of the whole design and of each layer.

    For Lattice ECP5 devices `--route` also places and routes, and says the clock that was reached.
    """
    from gatewright.cli.tables import layers, routed
    from gatewright.flow import load_design, save_results

    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        design = load_design(folder, progress=progress)
        nodsp = None if dsp is None else not dsp
        if route:  # first: a device that cannot be routed is refused before any work
            design.route(seed=seed, nodsp=nodsp)
        result = design.synthesize(flow=flow, nodsp=nodsp)
        save_results(design, folder)
    facts = design.facts()
    names = ("device", "clock", "estimate", "synthesis", "routing", "layers")
    terminal.answer({"folder": folder, "design": design.name, **{n: facts[n] for n in names}})
    kept = ", found in the cache" if result.cached else ""
    terminal.show(
        layers(facts),
        f"{result.method}; family {result.family}, {result.version}, "
        f"{result.cpu_seconds:.0f} CPU s{kept}. "
        + ("" if design.routing else "Not placed, not routed."),
    )
    if design.routing:
        terminal.show(routed(facts))
    return 0
