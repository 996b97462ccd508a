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
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Synthesise with Yosys: LUT, FF, DSP and BRAM of the whole design and of each layer."""
    from gatewright.cli.tables import layers
    from gatewright.flow import load_design, save_results

    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        design = load_design(folder, progress=progress)
        result = design.synthesize(flow=flow, nodsp=None if dsp is None else not dsp)
        save_results(design, folder)
    facts = design.facts()
    names = ("device", "estimate", "synthesis", "layers")
    terminal.answer({"folder": folder, "design": design.name, **{n: facts[n] for n in names}})
    kept = ", found in the cache" if result.cached else ""
    terminal.show(
        layers(facts),
        f"{result.method}; family {result.family}, {result.version}, "
        f"{result.cpu_seconds:.0f} CPU s{kept}. Not placed, not routed.",
    )
    return 0
