"""`gatewright report`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gatewright.cli.parameters import DesignFolder, Json, Quiet
from gatewright.cli.terminal import Terminal


def report(
    folder: DesignFolder,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The page; default DIR/report.html."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Write the report: one page that needs nothing else, and the same facts as JSON."""
    from gatewright.cli.tables import program
    from gatewright.flow import load_design

    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        design = load_design(folder, progress=progress)
        if progress:
            progress("write report", 0, 0)
        page = design.report(folder / "report.html" if output is None else output)
    terminal.answer({"report": page, "facts": design.facts()})
    terminal.show(f"Report: {page}", f"Facts:  {page.with_suffix('.json')}")
    told, name = shlex.quote(str(folder)), program()
    if design.verification is None:
        terminal.note(f"the design was not verified yet: {name} verify {told}")
    if design.synthesis is None:
        terminal.note(f"the design was not synthesised yet: {name} synth {told}")
    return 0
