"""Float model against firmware, and how the formats were searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.report.text import NONE, number, percent, plural, points

KNOWN = (
    "samples", "state", "accuracy_model", "accuracy_firmware", "same_class", "relative_error",
)  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """A row of the table: what, the float model's figure, the firmware's, the difference."""

    label: str
    model: str
    firmware: str
    difference: str = ""


@dataclass(frozen=True)
class Loss:
    """What quantization cost, and what was allowed."""

    metric: str
    model: str
    firmware: str
    loss: str
    tolerance: str
    within: bool
    cost: str


@dataclass(frozen=True)
class Accuracy:
    """Everything the section says; `metrics` is empty where no data were given."""

    metrics: tuple[Metric, ...]
    samples: str
    loss: Loss | None
    quantized: bool
    data: tuple[str, ...]
    notes: tuple[str, ...]


def accuracy_of(facts: Mapping[str, Any]) -> Accuracy:
    """Return the section."""
    metrics = facts.get("metrics") or {}
    quantization = facts.get("quantization")
    details = quantization or {}
    return Accuracy(
        tuple(_metrics(metrics)),
        ", ".join(
            filter(None, (plural(int(metrics.get("samples", 0)), "sample"), metrics.get("state")))
        ),
        _loss(details),
        quantization is not None,
        tuple(map(str, details.get("data", ()))),
        tuple(map(str, details.get("notes", ()))),
    )


def _metrics(metrics: Mapping[str, Any]) -> list[Metric]:
    rows = []
    if "accuracy_firmware" in metrics:
        model, firmware = metrics["accuracy_model"], metrics["accuracy_firmware"]
        rows.append(Metric("Accuracy", percent(model), percent(firmware), points(firmware - model)))
    if "same_class" in metrics:
        rows.append(Metric("Same class as the float model", NONE, percent(metrics["same_class"])))
    if "relative_error" in metrics:
        error = percent(metrics["relative_error"])
        rows.append(Metric("Error of the output (rms, relative)", NONE, error))
    rest = {name: value for name, value in metrics.items() if name not in KNOWN}
    rows += [
        Metric(name.replace("_", " "), NONE, number(v) if isinstance(v, int | float) else str(v))
        for name, v in rest.items()
    ]
    return rows


def _loss(details: Mapping[str, Any]) -> Loss | None:
    """Return the loss; None where the facts of the quantization hold none."""
    if details.get("loss") is None or details.get("tolerance") is None:
        return None
    name = str(details.get("metric_name", "metric"))
    loss, tolerance = float(details["loss"]), float(details["tolerance"])
    accuracy = name == "accuracy"
    model, firmware = details.get("metric_float"), details.get("metric_fixed")
    return Loss(
        name,
        percent(model) if model is not None else NONE,
        percent(firmware) if firmware is not None else NONE,
        points(-loss) if accuracy else percent(loss),
        points(-tolerance) if accuracy else percent(tolerance),
        loss <= tolerance,
        number(round(details["cost"])) if details.get("cost") is not None else "",
    )
