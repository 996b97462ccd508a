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
class Bounds:
    """Bounds that were derived for a requested output error.

    Attributes:
        asked: the error.
        tried: on how many inputs errors were found.
        outputs: rows of name, expression, derived bound, worst error found.
        terms: rows of a value's text, least, largest, derived error and format.
    """

    asked: str
    tried: str
    outputs: tuple[tuple[str, str, str, str], ...]
    terms: tuple[tuple[str, str, str, str, str], ...]


@dataclass(frozen=True)
class Accuracy:
    """Everything the section says; `metrics` is empty where no data were given."""

    metrics: tuple[Metric, ...]
    samples: str
    loss: Loss | None
    quantized: bool
    data: tuple[str, ...]
    notes: tuple[str, ...]
    bounds: Bounds | None = None


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
        _bounds(details),
    )


def _bounds(details: Mapping[str, Any]) -> Bounds | None:
    """Return the bounds; None where no output error was asked for."""
    if details.get("max_error") is None:
        return None
    tried, texts = details.get("tried") or {}, details.get("expressions") or {}
    outputs = tuple(
        (
            name, str(texts.get(name, "")), f"{float(bound):.3g}",
            f"{float(tried[name]['worst']):.3g}" if name in tried else NONE,
        )
        for name, bound in details["derived"].items()
    )  # fmt: skip
    terms = tuple(
        (
            str(t["text"]), f"{t['low']:.5g}", f"{t['high']:.5g}",
            f"{t['error']:.3g}" if t["error"] else "exact", str(t["format"]),
        )
        for t in details.get("terms", ())
    )  # fmt: skip
    count = max((int(found["inputs"]) for found in tried.values()), default=0)
    return Bounds(f"{float(details['max_error']):g}", f"{count:,}", outputs, terms)


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
