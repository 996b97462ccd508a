"""Every value's format beside the range it needs and the range that was seen."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gatewright.report.forests import kept_inputs
from gatewright.report.rail import Rail, rails
from gatewright.report.text import percent, span

LIMITING = ("input", "quantize", "scaled_quantize", "clip", "threshold")
"""Operations that pull a value to the end of its range, so that reaching it may have cut it."""


@dataclass(frozen=True)
class TensorRow:
    """One value of the model.

    Attributes:
        lsb, msb: powers of two that its bits cover, from the finest step to below 2**msb; None for
            a value that is always 0.
        reach: log2 of the largest magnitude seen on calibration data, or None.
        headroom: whole bits at the top that calibration never needed, or None.
        limited: whether the end of the range was reached where values are cut there.
        saturated: fraction of calibration values that were cut, as printed; empty if not known.
    """

    name: str
    layer: str
    operation: str
    format: str
    bits: str
    signed: bool
    lsb: int | None
    msb: int | None
    reach: float | None
    range: str
    observed: str
    headroom: int | None
    limited: bool
    saturated: str
    weight: str
    pruned: str
    rail: Rail | None


@dataclass(frozen=True)
class Ranges:
    """The section: rows in the model's order."""

    rows: tuple[TensorRow, ...]
    has_observed: bool
    has_rail: bool
    has_choices: bool


def ranges_of(facts: Mapping[str, Any]) -> Ranges:
    """Return the section."""
    tensors: Sequence[Mapping[str, Any]] = facts.get("tensors") or []
    choices = _choices(facts)
    drawn = rails(tensors) if any("inputs" in t for t in tensors) else None
    harmless = kept_inputs(facts)
    rows = []
    for i, tensor in enumerate(tensors):
        queue = choices.get((str(tensor.get("layer")), str(tensor.get("operation"))))
        choice = queue.popleft() if queue else {}
        row = _row(tensor, choice, drawn[i] if drawn else None)
        rows.append(replace(row, limited=False) if tensor["name"] in harmless else row)
    return Ranges(
        tuple(rows), any(row.observed for row in rows), drawn is not None,
        any(row.weight for row in rows),
    )  # fmt: skip


def _choices(facts: Mapping[str, Any]) -> dict[tuple[str, str], deque[Mapping[str, Any]]]:
    """Return what quantization chose by layer and operation, in order."""
    found: dict[tuple[str, str], deque[Mapping[str, Any]]] = defaultdict(deque)
    for choice in (facts.get("quantization") or {}).get("choices", ()):
        found[str(choice.get("layer")), str(choice.get("kind"))].append(choice)
    return found


def exponent(value: float) -> int:
    """Return the least n for which |value| < 2**n."""
    return math.frexp(value)[1]


def _row(tensor: Mapping[str, Any], choice: Mapping[str, Any], rail: Rail | None) -> TensorRow:
    low, high = float(tensor["low"]), float(tensor["high"])
    bits = tensor["bits"]
    empty = not bits["max"] or not (math.isfinite(low) and math.isfinite(high))
    lsb = None if empty else -int(tensor["frac"])
    msb = None if empty else _top(low, high)
    seen = _seen(tensor)
    saturated = float(choice.get("saturated") or 0.0)
    return TensorRow(
        name=str(tensor["name"]),
        layer=str(tensor.get("layer") or tensor["name"]),
        operation=str(tensor.get("operation", "")),
        format=str(tensor["format"]),
        bits=_bits(bits),
        signed=low < 0,
        lsb=lsb,
        msb=msb,
        reach=_reach(seen),
        range=span(low, high),
        observed="" if seen is None else span(*seen),
        headroom=None
        if seen is None or msb is None or not any(seen)
        else max(0, msb - _top(*seen)),
        limited=seen is not None and _limited(tensor, seen, saturated),
        saturated=_fraction(saturated) if choice and seen is not None else "",
        weight=str(choice.get("weight") or ""),
        pruned=percent(choice["pruned"], 0) if choice.get("weight") else "",
        rail=rail,
    )


def _fraction(saturated: float) -> str:
    if 0 < saturated < 1e-4:
        return "< 0.01 %"
    return percent(saturated) if saturated else "none"


def _top(low: float, high: float) -> int:
    """Return the least n for which the range lies in [-2**n, 2**n)."""
    above = exponent(high) if high > 0 else -(2**20)
    below = -(2**20)
    if low < 0:
        mantissa, power = math.frexp(-low)
        below = power - 1 if mantissa == 0.5 else power
    top = max(above, below)
    return top if top > -(2**20) else 0


def _bits(bits: Mapping[str, Any]) -> str:
    least, most = int(bits["min"]), int(bits["max"])
    if least == most:
        return str(most)
    return f"{least}\u2013{most} ({float(bits['mean']):.1f})"


def _seen(tensor: Mapping[str, Any]) -> tuple[float, float] | None:
    if tensor.get("observed_low") is None or tensor.get("observed_high") is None:
        return None
    low, high = float(tensor["observed_low"]), float(tensor["observed_high"])
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _reach(seen: tuple[float, float] | None) -> float | None:
    largest = max(abs(v) for v in seen) if seen else 0.0
    return math.log2(largest) if largest else None


def _limited(tensor: Mapping[str, Any], seen: tuple[float, float], saturated: float) -> bool:
    """Say whether values were cut, or may have been: the end other than 0 of the range was met."""
    if saturated:
        return True
    if tensor.get("operation") not in LIMITING:
        return False
    low, high = float(tensor["low"]), float(tensor["high"])
    return (seen[1] >= high and high != 0) or (seen[0] <= low and low != 0)
