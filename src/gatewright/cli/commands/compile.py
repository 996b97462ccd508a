"""`gatewright compile`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatewright.base import OptionError
from gatewright.cli.custom import CUSTOM_HELP, load_custom
from gatewright.cli.parameters import (
    Clock,
    Device,
    EventSteps,
    Ii,
    Json,
    MaxBrams,
    PlanFile,
    PlanOut,
    Ports,
    Quiet,
    Stateful,
    Throughput,
    VariedLength,
)
from gatewright.cli.terminal import Terminal

if TYPE_CHECKING:
    from gatewright.cli.arrays import Data
    from gatewright.flow import Design

CALIBRATION_HELP = (
    "Real inputs: a .npy or .npz (arrays named as the inputs, or `x`; `y` holds labels), or "
    "FILE.npz:NAME. Needed for a model that is not quantized."
)
FORMAT_HELP = (
    "Fix a number format: 'PATTERN.ROLE=FORMAT', as in 'dense_*.weight=fixed<6,1>'; roles are "
    "weight, bias, activation, input. May be repeated."
)

SCORE_HELP = (
    "Make an anomaly score the only output: mse (mean squared error of an autoencoder), "
    "mean-square or sum-square (of latent means), kl (of latent means and logarithms of "
    "variances). KIND:NAME[,NAME] makes it of outputs or layers by name."
)

MODEL_HELP = (
    "Model: a .keras, .h5, .onnx or .pt2 file; a forest of XGBoost, LightGBM, CatBoost, conifer or "
    "TMVA."
)

MISSING_HELP = (
    "Number that stands for a missing value in the inputs of a forest, which the firmware then "
    "sends where training sent missing ones; NaN in data becomes this number."
)

BETTER_THAN_GUESSING = 1.2
"""Accuracy times the number of classes below which a model is as good as guessing."""


def compile(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help=MODEL_HELP,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write the design to.")
    ],
    calibrate: Annotated[str | None, typer.Option(metavar="FILE", help=CALIBRATION_HELP)] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Class of each calibration sample: .npy, FILE.npz:NAME."),
    ] = None,
    clock: Clock = "200MHz",
    device: Device = "xcvu13p",
    reuse: Annotated[
        int | None,
        typer.Option(metavar="N", help="Cycles each multiplier serves; by default size decides."),
    ] = None,
    latency: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Cycles from input to answer; by default the fewest at the clock."
        ),
    ] = None,
    max_luts: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="LUTs (estimated) that the design may take; a larger one is folded. By default "
            "what the device has.",
        ),
    ] = None,
    max_dsps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="DSP blocks that products may go to; by default none (streams: the device's).",
        ),
    ] = None,
    max_latency: Annotated[
        str | None,
        typer.Option(metavar="N|TIME", help="Longest latency: 12 (cycles), 100ns, 0.1us."),
    ] = None,
    ii: Ii = None,
    throughput: Throughput = None,
    max_brams: MaxBrams = None,
    ports: Ports = "valid",
    stateful: Stateful = None,
    event_steps: EventSteps = None,
    varied_length: VariedLength = False,
    plan: PlanFile = None,
    plan_out: PlanOut = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Accuracy that quantization may cost (0.002 is 0.2 points); without labels, the "
            "relative output error allowed.",
        ),
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(
            metavar="E",
            help="For an expression: largest distance of an output from the real one, for every "
            "input that the formats hold. Needs --input-format.",
        ),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="Format of inputs that the model does not quantize; with --max-error also "
            "'NAME=FORMAT,NAME=FORMAT'.",
        ),
    ] = None,
    format: Annotated[list[str] | None, typer.Option(metavar="RULE", help=FORMAT_HELP)] = None,
    granularity: Annotated[
        str,
        typer.Option(
            metavar="channel|tensor",
            help="Formats of a float model by channel, for parallel circuits, or one a tensor, for "
            "circuits that work off one channel after the other.",
        ),
    ] = "channel",
    weight_bits: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Most bits of a float model's weights; 8 by --granularity tensor."
        ),
    ] = None,
    activation_bits: Annotated[
        int | None,
        typer.Option(metavar="N", help="Most bits of what layers of a float model multiply."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the top module.")
    ] = None,
    custom: Annotated[str | None, typer.Option(metavar="FILE", help=CUSTOM_HELP)] = None,
    score: Annotated[str | None, typer.Option(metavar="KIND[:NAMES]", help=SCORE_HELP)] = None,
    missing: Annotated[float | None, typer.Option(metavar="X", help=MISSING_HELP)] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a design that is in the folder.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Compile a trained model to firmware, in a folder."""
    from gatewright import flow

    terminal = Terminal(json, quiet)
    flow.check_target(output, force)
    options = flow.Options.of(
        clock, device, reuse, latency, max_luts, max_dsps, max_latency, ii, throughput, max_brams,
        ports, stateful, event_steps, varied_length,
    )  # fmt: skip
    check_plan_out(plan_out, plan is not None or options.asks_for_streams)
    rules = parse_rules(format or [])
    handlers = load_custom(custom)
    data = read_calibration(model, calibrate, labels, handlers)
    with terminal.progress() as progress:
        design = flow.compile(
            model,
            calibration=None if data is None else data.inputs,
            labels=None if data is None else data.labels,
            tolerance=tolerance,
            clock=clock,
            device=device,
            reuse=reuse,
            latency=latency,
            max_luts=max_luts,
            max_dsps=max_dsps,
            max_latency=max_latency,
            ii=ii,
            throughput=throughput,
            max_brams=max_brams,
            ports=ports,
            stateful=stateful,
            event_steps=event_steps,
            varied_length=varied_length,
            plan=plan,
            formats=rules or None,
            max_error=max_error,
            input_format=input_formats(input_format),
            granularity=granularity,
            weight_bits=weight_bits,
            activation_bits=activation_bits,
            name=name,
            custom=handlers,
            score=score,
            missing=missing,
            progress=progress,
        )
        design.facts_of_model["command"] = command(
            model,
            output,
            rules,
            {
                **flag("stateful", stateful),
                "--calibrate": calibrate,
                "--labels": labels,
                "--clock": clock,
                "--device": device,
                "--reuse": reuse,
                "--latency": latency,
                "--max-luts": max_luts,
                "--max-dsps": max_dsps,
                "--max-latency": max_latency,
                "--ii": ii,
                "--throughput": throughput,
                "--max-brams": max_brams,
                "--ports": None if ports == "valid" else ports,
                "--event-steps": event_steps,
                "--varied-length": varied_length or None,
                "--plan": plan,
                "--tolerance": tolerance,
                "--max-error": max_error,
                "--input-format": input_format,
                "--granularity": None if granularity == "channel" else granularity,
                "--weight-bits": weight_bits,
                "--activation-bits": activation_bits,
                "--name": name,
                "--custom": custom,
                "--score": score,
                "--missing": missing,
            },
        )
        if progress:
            progress("write design", 0, 0)
        design.save(output, replace=force)
        if plan_out is not None and isinstance(design, flow.StreamDesign):
            flow.write_atomically(plan_out, design.plan_text().encode())
    _tell(terminal, design, output, data)
    facts = design.facts()
    for doubt in [*doubts(facts), facts["budget"]["note"]]:
        if doubt:
            terminal.note(doubt)
    for choice in design.planned.choices:
        if reuse is not None and choice.plan.reuse < reuse:
            terminal.note(
                f"{choice.layer}: reuse factor {choice.plan.reuse} instead of {reuse}, it has "
                f"{choice.products:,} products"
            )
    return 0


def input_formats(text: str | None) -> str | dict[str, str] | None:
    """Return one format, or formats by name from `NAME=FORMAT,NAME=FORMAT`.

    Raises:
        OptionError: a part is no `NAME=FORMAT`, or a name comes twice.
    """
    if text is None or "=" not in text:
        return text
    parts = re.findall(r"\s*([^=,<>]+?)\s*=\s*([^=]*?>)\s*(?:,|$)", text)
    if ",".join(f"{n}={f}" for n, f in parts).replace(" ", "") != text.replace(" ", ""):
        raise OptionError(
            "formats of inputs cannot be read",
            found=text,
            supported="'fixed<12,4>', or 'pt=ufixed<12,8>,eta=fixed<12,3>'",
        )
    if len(dict(parts)) != len(parts):
        raise OptionError("two formats are given for one input", found=text)
    return dict(parts)


def check_plan_out(path: Path | None, streams: bool) -> None:
    """Raise `OptionError` where a plan is to be written of a design that has none."""
    if path is not None and not streams:
        raise OptionError(
            "only a design on streams has a plan to be written",
            found=f"--plan-out {path}",
            supported="--plan-out with --ii, --throughput, --ports, --stateful or --plan",
            remedy="leave it out",
        )


def parse_rules(texts: Sequence[str]) -> dict[str, str]:
    """Return format rules by pattern.

    Raises:
        OptionError: a rule is no `PATTERN.ROLE=FORMAT`, or a pattern comes twice.
    """
    rules: dict[str, str] = {}
    for text in texts:
        pattern, sign, form = text.rpartition("=")
        if not sign or not pattern.strip() or not form.strip():
            raise OptionError(
                "a format rule cannot be read",
                found=text,
                supported="'PATTERN.ROLE=FORMAT', as in 'dense_*.weight=fixed<6,1>'",
            )
        if pattern.strip() in rules:
            raise OptionError("two format rules have the same pattern", found=pattern)
        rules[pattern.strip()] = form.strip()
    return rules


def read_calibration(
    model: str,
    calibrate: str | None,
    labels: str | None,
    custom: Mapping[str, Any] | None = None,
) -> Data | None:
    """Return the calibration data and their labels, if any were given."""
    from dataclasses import replace

    from gatewright.cli.arrays import read_data, read_labels

    if calibrate is None:
        if labels is not None:
            raise OptionError(
                "labels were given without calibration data",
                found=f"--labels {labels}",
                remedy="give the inputs that they belong to with --calibrate",
            )
        return None
    data = read_data(calibrate, lambda: input_names(model, custom))
    if labels is None:
        return data
    inputs = data.described.partition(", labels")[0]
    return replace(data, labels=read_labels(labels), described=f"{inputs}, labels from {labels}")


def input_names(model: str, custom: Mapping[str, Any] | None = None) -> list[str]:
    """Return the names of a model's inputs."""
    from gatewright.frontends import read_model

    return [i.name for i in read_model(model, custom).inputs]


def command(
    model: str, output: Path, rules: Mapping[str, str], options: Mapping[str, object]
) -> str:
    """Return the command that builds the design again, every choice spelt out."""
    words: list[object] = ["gatewright", "compile", model, "-o", output]
    for option, value in options.items():
        words += [] if value is None else [option] if value is True else [option, value]
    for pattern, form in rules.items():
        words += ["--format", f"{pattern}={form}"]
    return shlex.join(str(word) for word in words)


def flag(name: str, value: bool | None) -> dict[str, bool]:
    """Return the word that says yes or no; none where nothing was said."""
    return {} if value is None else {f"--{name}" if value else f"--no-{name}": True}


def doubts(facts: Mapping[str, Any]) -> list[str]:
    """Return what suggests that a compilation, although correct, is not what the user wants."""
    found, estimate, texts = facts["metrics"] or {}, facts["estimate"], []
    classes = facts["model"]["outputs"][0]["shape"][-1:] or [1]
    accuracy = found.get("accuracy_model")
    if accuracy is not None and accuracy * classes[0] < BETTER_THAN_GUESSING:
        texts.append(
            f"the model itself is right on only {accuracy:.2%} of the calibration samples, no "
            f"better than guessing one of {classes[0]} classes: are they prepared as in training, "
            f"and the labels in the model's order?"
        )
    if not any(estimate[kind] for kind in ("lut", "ff", "dsp")):
        texts.append(
            "the circuit holds no logic: its outputs are constant, or copies of its inputs"
        )
    return texts


def _tell(terminal: Terminal, design: Design, output: Path, data: Data | None) -> None:
    """Print what was built and what may come next."""
    facts = design.facts()
    terminal.answer({"folder": str(output), **facts})
    if terminal.json or terminal.quiet:
        return
    from gatewright.cli.stream_tables import streams
    from gatewright.cli.tables import budget, next_steps, steps, summary

    folder = shlex.quote(str(output))
    terminal.show(summary(facts, f"{design.name} in {output}"), *streams(facts), *budget(facts))
    if data is not None:
        terminal.show(f"Calibration: {data.described}.")
    terminal.show(
        steps(facts["timings"]),
        "Next:",
        next_steps(
            (f"gatewright verify {folder}", "prove that the RTL computes the model"),
            (f"gatewright synth {folder}", "count LUT, FF, DSP and BRAM with Yosys"),
            (f"gatewright report {folder}", "write one page that tells all of it"),
        ),
    )
