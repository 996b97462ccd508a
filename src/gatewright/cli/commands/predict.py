"""`gatewright predict`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatewright.base import OptionError
from gatewright.cli.parameters import DesignFolder, Json, Quiet
from gatewright.cli.terminal import Terminal

if TYPE_CHECKING:
    import numpy as np

    from gatewright.cli.arrays import Arrays


def predict(
    folder: DesignFolder,
    data: Annotated[
        str,
        typer.Argument(
            metavar="X", help="Inputs: .npy, .npz (named as the inputs, or `x`), or FILE.npz:NAME."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="Y", help="File for the answers: .npy or .npz."),
    ],
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            help="Write the firmware's integers q and their binary points NAME.frac into a .npz: "
            "the value is q * 2**-frac.",
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Compute the firmware's answers, bit for bit."""
    from gatewright.cli.arrays import encode_arrays, read_data
    from gatewright.flow import load_design, write_atomically

    terminal = Terminal(json, quiet)
    if raw and output.suffix != ".npz":
        raise OptionError(
            "integers and their binary points need a .npz file",
            found=output.name,
            supported=".npz",
        )
    with terminal.progress() as progress:
        design = load_design(folder, progress=progress)
        x = read_data(data, lambda: [i.name for i in design.graph.inputs])
        engine = design.engine  # compiled before the clock starts
        if progress:
            progress("predict", 0, 0)
        start = time.perf_counter()
        answers = _integers(design.predict_codes(x.inputs)) if raw else _named(design, x.inputs)
        took = time.perf_counter() - start
    write_atomically(output, encode_arrays(output, answers))
    samples = len(next(iter(answers.values())))
    how = "compiled netlist" if engine is not None else "integer reference"
    facts: dict[str, Any] = {
        "folder": folder,
        "output": output,
        "samples": samples,
        "shapes": {name: a.shape for name, a in answers.items()},
        "seconds": took,
        "samples_per_second": samples / took if took else None,
        "emulator_samples_per_second": engine.rate if engine else None,
        "emulator": how,
    }
    if x.labels is not None and not raw:
        facts["accuracy"] = accuracy(answers, x.labels)
    terminal.answer(facts)
    rate = f"{samples / took:,.0f} samples/s" if took else ""
    terminal.show(f"{samples:,} samples predicted, {rate} ({how}), written to {output}")
    if facts.get("accuracy") is not None:
        terminal.show(f"Accuracy against the labels `y`: {100 * facts['accuracy']:.2f} %")
    return 0


def _named(design: Any, inputs: Any) -> Arrays:
    """Return the answers by output name."""
    answers = design.predict(inputs)
    return answers if isinstance(answers, dict) else {design.graph.outputs[0].name: answers}


def _integers(codes: Any) -> Arrays:
    """Return integers and binary points by output name."""
    arrays = {}
    for name, value in codes.items():
        arrays[name] = value.q
        arrays[f"{name}.frac"] = value.frac
    return arrays


def accuracy(answers: Arrays, labels: np.ndarray) -> float | None:
    """Return how often the highest score is the label's; None where there are no scores.

    Raises:
        DataError: labels and answers differ in number.
    """
    from gatewright.base import DataError

    scores = next(iter(answers.values()))
    if len(answers) != 1 or scores.ndim != 2 or scores.shape[1] < 2:
        return None
    if labels.shape != (len(scores),):
        raise DataError(
            "labels do not match the data", found=labels.shape, supported=(len(scores),)
        )
    return float((scores.argmax(1) == labels).mean())
