"""`gatewright verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatewright.base import VerificationError
from gatewright.cli.failures import NO, explain
from gatewright.cli.parameters import DesignFolder, Json, Quiet
from gatewright.cli.terminal import Terminal
from gatewright.tools.compiler import REMEDY

if TYPE_CHECKING:
    from gatewright.flow import Design, Verification


def verify(
    folder: DesignFolder,
    random: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Random samples beside calibration and corners."),
    ] = 1000,
    seed: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Seed of random samples and of gaps in `valid`."),
    ] = 0,
    prove: Annotated[
        bool,
        typer.Option("--prove", help="Also prove each layer for every input, from its Verilog."),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Prove that reference, netlist, emulator and simulated RTL agree.

    Exit status 0 says verified. 1 says not: they differ, or the RTL could not be simulated. With
    `--prove`, the ledger says layer by layer what is proven for every input; what cannot be proven
    is no failure, what is wrong is.
    """
    from gatewright.flow import load_design, save_results

    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        design = load_design(folder, progress=progress)
        found, error = run_checks(design, random, seed, prove)
        save_results(design, folder)
    error = error or not_simulated(found, folder)
    failure = None if error is None else explain(error)
    changed = design.facts_of_model.get("changed_files", [])
    facts = {"folder": folder, "design": design.name, **found.facts(), "changed_files": changed}
    terminal.answer(facts if failure is None else {**facts, "error": failure.facts})
    if terminal.json:
        return 0 if found.verified else NO
    show_ledger(terminal, found)
    for name in changed:
        terminal.note(f"{name} is not as it was written")
    if failure is not None:
        terminal.fail(failure)
    return 0 if found.verified else NO


def run_checks(
    design: Design, random: int, seed: int, prove: bool = False
) -> tuple[Verification, VerificationError | None]:
    """Return the ledger, also where a comparison failed, with the error that says where."""
    design.verification = None
    try:
        return design.verify(random=random, seed=seed, prove=prove), None
    except VerificationError as error:
        if design.verification is None:  # nothing could be compared
            raise
        return design.verification, error


def not_simulated(found: Verification, place: Path) -> VerificationError | None:
    """Return an error where nothing differs, but the RTL itself was never run."""
    if found.verified:
        return None
    return VerificationError(
        "the RTL was not simulated, so the design is not verified",
        place=str(place),
        found="; ".join(c.detail.partition("\n")[0] for c in found.checks if c.status == "not run"),
        supported="$CXX, g++, clang++, the Python package ziglang",
        remedy=REMEDY,
    )


def show_ledger(terminal: Terminal, found: Verification) -> None:
    """Print the ledger and the verdict."""
    from rich.text import Text

    from gatewright.cli.tables import BAD, GOOD, ledger

    verdict = Text("NOT VERIFIED", BAD)
    if found.verified:
        proven = " Proven for every input." if found.proven else ""
        verdict = Text(f"VERIFIED: the simulated RTL gives the model's integers.{proven}", GOOD)
    terminal.show(ledger(found.facts()), verdict)
