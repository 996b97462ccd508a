"""`gatewright demo`: the whole way, on jets and a tagger that come with the package."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatewright.cli.commands.verify import not_simulated, run_checks, show_ledger
from gatewright.cli.failures import NO, explain
from gatewright.cli.parameters import Clock, Device, Flow, Json, Quiet
from gatewright.cli.terminal import Terminal

if TYPE_CHECKING:
    import numpy as np

    from gatewright.datasets import JetSample
    from gatewright.flow import Design

SAMPLES = 250_000
"""Jets (repeated ones) on which the emulator's speed is measured."""


@dataclass
class Walk:
    """What was measured on the way, for the tables and for JSON."""

    jets: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, what: str, progress: Any) -> Iterator[None]:
        """Time a step and tell of it."""
        if progress:
            progress(what, 0, 0)
        start = time.perf_counter()
        yield
        self.timings[what] = time.perf_counter() - start


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for design and report.")
    ] = Path("demo-out"),
    clock: Clock = "200MHz",
    device: Device = "xcvu13p",
    flow: Flow = "fast",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Take a trained jet tagger to verified, synthesised firmware and a report.

    The folder is replaced where it holds a design already. Exit status 1 says: not verified.
    """
    from gatewright.cli.tables import layers, steps
    from gatewright.datasets import load_jets, tagger_path
    from gatewright.flow import check_target, save_results

    terminal, walk = Terminal(json, quiet), Walk()
    check_target(output, True)
    jets, model = load_jets(), tagger_path()
    terminal.show(f"A tagger of {len(jets.classes)} kinds of jet ({model.name}), to {output}")
    with terminal.progress() as progress:
        design = _compile(model, jets, clock, device, progress)
        design.facts_of_model["command"] = shlex.join(["gatewright", "demo", "-o", str(output)])
        walk.timings.update(design.timings)
        _judge(walk, design, model, jets, progress)
        with walk.step("write design", progress):
            design.save(output, replace=True)
        with walk.step("verify, RTL simulated", progress):
            found, error = run_checks(design, random=1000, seed=0)
        with walk.step(f"synthesise, {flow} flow", progress):
            design.synthesize(flow=flow)
        with walk.step("write report", progress):
            save_results(design, output)
            page = design.report(output / "report.html")
    facts = design.facts()
    error = error or not_simulated(found, output)
    failure = None if error is None else explain(error)
    answer = {"folder": output, "report": page, "jets": walk.jets, "seconds": walk.timings}
    answer |= {"verified": found.verified, "facts": facts}
    terminal.answer(answer if failure is None else {**answer, "error": failure.facts})
    if not terminal.json:
        show_ledger(terminal, found)
        terminal.show(layers(facts), steps(walk.timings), _outcome(walk, facts))
        _point_on(terminal, output, page)
        if failure is not None:
            terminal.fail(failure)
    return 0 if found.verified else NO


def _compile(model: Path, jets: JetSample, clock: str, device: str, progress: Any) -> Design:
    from gatewright import flow

    return flow.compile(
        model,
        calibration=jets.x_calibration,
        labels=jets.y_calibration,
        clock=clock,
        device=device,
        progress=progress,
    )


def _judge(walk: Walk, design: Design, model: Path, jets: JetSample, progress: Any) -> None:
    """Measure both accuracies on test jets, and the emulator's speed."""
    import numpy as np

    from gatewright.frontends import read_model
    from gatewright.ir import run_real

    source = read_model(model)
    x = jets.x_test.astype(np.float64)
    with walk.step("run the float model", progress):
        answers = run_real(source, {source.inputs[0].name: x})
        real = answers[source.outputs[0].value]
    with walk.step("emulate the firmware", progress):
        firmware = _scores(design.predict(x))
    times = 1 if design.engine is None else SAMPLES // len(x)
    many = np.tile(x, (times, 1))
    with walk.step(f"emulate {len(many):,} jets", progress):
        start = time.perf_counter()
        design.predict(many)
        rate = len(many) / (time.perf_counter() - start)
    walk.jets = {
        "test_jets": len(x),
        "accuracy_model": float((real.argmax(1) == jets.y_test).mean()),
        "accuracy_firmware": float((firmware.argmax(1) == jets.y_test).mean()),
        "same_class": float((real.argmax(1) == firmware.argmax(1)).mean()),
        "samples_per_second": design.engine.rate if design.engine else rate,
        "samples_per_second_with_host": rate,
        "threads": design.engine.threads if design.engine else 1,
    }


def _scores(answers: np.ndarray | dict[str, np.ndarray]) -> np.ndarray:
    return next(iter(answers.values())) if isinstance(answers, dict) else answers


def _outcome(walk: Walk, facts: dict[str, Any]) -> Any:
    """Return the table that the demo is for."""
    from rich.text import Text

    from gatewright.cli.tables import BAD, GOOD, columns, percent, row, timing, totals

    jets, table = walk.jets, columns("Outcome", ("figure", "value", "how it was got"))
    tested = f"{jets['test_jets']:,} test jets"
    rate = f"{jets['samples_per_second'] / 1e6:.2f} million jets/s"
    host = f"{jets['samples_per_second_with_host'] / 1e6:.2f} with the host's part"
    how = f"{jets['threads']} threads, integers to integers; {host}"
    row(table, "accuracy of the float model", percent(jets["accuracy_model"]), tested)
    row(
        table,
        "accuracy of the firmware",
        percent(jets["accuracy_firmware"]),
        tested + ", bit-exact emulation",
    )
    row(table, "emulation", rate, how)
    verified = facts["verification"]["verified"]
    vectors = max(check["vectors"] for check in facts["verification"]["checks"])
    verdict = Text("verified", GOOD) if verified else Text("NOT VERIFIED", BAD)
    row(table, "model = netlist = emulator = RTL", verdict, f"{vectors:,} vectors")
    for line in [*timing(facts), *totals(facts)]:
        row(table, *line)
    return table


def _point_on(terminal: Terminal, output: Path, page: Path) -> None:
    """Say where everything is and what to try next."""
    from gatewright.cli.tables import next_steps

    folder = shlex.quote(str(output))
    terminal.show(
        f"Report: {page.absolute()}",
        "Next:",
        next_steps(
            (f"ls {folder}/rtl", "read the Verilog, a module per layer"),
            (f"gatewright verify {folder} --random 100000", "prove it on more vectors"),
            ("gatewright compile MODEL -o DIR --calibrate X.npz", "do it with your own model"),
        ),
    )
