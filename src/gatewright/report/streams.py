"""How a design on streams works: its ports, its actors, its FIFOs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.report.text import number, one_line

SECTION = ("streams", "Streams")

PORTS = {
    "valid": "Beats come at a stated pace and are always taken; there is no `ready`.",
    "stream": "A beat is transferred where `valid` and `ready` are both high.",
    "axi-stream": "The ports are AXI4-Stream; TLAST ends an event.",
}


@dataclass(frozen=True)
class PortLine:
    """A stream at the border."""

    name: str
    direction: str
    shape: str
    beat: str
    beats: str
    bits: str
    pace: str
    form: str


@dataclass(frozen=True)
class ActorLine:
    """An actor: what it does in the steps of an event."""

    name: str
    layer: str
    note: str
    steps: str
    beats: str
    lanes: str
    latency: str
    cycles: str
    estimate: str


@dataclass(frozen=True)
class FifoLine:
    """A FIFO: between whom, how deep, and what one less would cost."""

    link: str
    layer: str
    depth: str
    bits: str
    why: str


@dataclass(frozen=True)
class StateLine:
    """What a recurrent layer keeps in registers."""

    layer: str
    state: str
    elements: str
    bits: str
    form: str
    steps: str
    cleared: str


@dataclass(frozen=True)
class StreamView:
    """The section."""

    about: str
    rate: str
    ports: tuple[PortLine, ...]
    actors: tuple[ActorLine, ...]
    fifos: tuple[FifoLine, ...]
    states: tuple[StateLine, ...]


def streams_of(facts: Mapping[str, Any]) -> StreamView | None:
    """Return the section; None for a design without streams."""
    found = facts.get("stream")
    if not found:
        return None
    actors = tuple(_actor(row) for row in found["actors"])
    fifos = tuple(_fifo(row) for row in found["fifos"])
    return StreamView(
        PORTS.get(str(found["ports"]), ""), _rate(facts, found),
        tuple(_port(row) for row in found["streams"]), actors, fifos,
        tuple(_state(row) for row in facts.get("state") or ()),
    )  # fmt: skip


def _rate(facts: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Say what was asked for, planned and reached."""
    asked, interval = found.get("interval_asked"), int(facts["interval"]["cycles"])
    text = f"An event every {number(interval)} cycles"
    if asked is not None:
        text += f"; at most {number(int(asked))} were asked for"
    text += f", planned for {number(int(found['interval_planned']))}."
    alone, full = int(facts["latency"]["cycles"]), int(found["full_latency"])
    if full != alone:
        text += (
            f" The latency is that of an event alone; with events at full rate it is up to "
            f"{number(full)} cycles."
        )
    return text


def _port(row: Mapping[str, Any]) -> PortLine:
    pace = row.get("pace")
    return PortLine(
        one_line(row["name"]), str(row["direction"]),
        " \u00d7 ".join(map(str, row["shape"])) or "scalar", number(int(row["beat"])),
        number(int(row["beats"])), number(int(row["bits"])),
        "as it is taken" if not pace else f"every {number(int(pace))} cycles",
        one_line(row["format"]),
    )  # fmt: skip


def _state(row: Mapping[str, Any]) -> StateLine:
    return StateLine(
        one_line(row["layer"]), one_line(row["state"]), number(int(row["elements"])),
        number(int(row["bits"])), one_line(row["format"]), number(int(row["steps"])),
        str(row["cleared"]),
    )  # fmt: skip


def _actor(row: Mapping[str, Any]) -> ActorLine:
    estimate = row["estimate"]
    parts = [f"{number(estimate['lut'])} LUT", f"{number(estimate['ff'])} FF"]
    parts += [f"{number(estimate[k])} {k.upper()}" for k in ("dsp", "bram") if estimate.get(k)]
    both = (" + ".join(number(int(n)) for n in row[k]) for k in ("beats_in", "beats_out"))
    return ActorLine(
        one_line(row["name"]), one_line(row["layer"]) or "(between layers)", one_line(row["note"]),
        number(int(row["steps"])), " \u2192 ".join(both),
        ", ".join(number(int(n)) for n in row["elements"]), number(int(row["latency"])),
        f"{number(int(row['begin']))} \u2026 {number(int(row['end']))}", ", ".join(parts),
    )  # fmt: skip


def _fifo(row: Mapping[str, Any]) -> FifoLine:
    return FifoLine(
        f"{one_line(row['from'])} \u2192 {one_line(row['to'])}", one_line(row["layer"]),
        number(int(row["depth"])), number(int(row["depth"]) * int(row["bits"])),
        one_line(row["why"]),
    )  # fmt: skip
