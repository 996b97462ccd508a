"""Tables of a design on streams."""

from __future__ import annotations

from rich.table import Table

from gatewright.cli.tables import Facts, columns, number, row

MOST = 40
"""Actors that are shown; the report has all."""


def streams(facts: Facts) -> list[Table]:
    """Return the streams at the border, the actors and the FIFOs; nothing without streams."""
    found = facts.get("stream")
    if not found:
        return []
    return [_ports(found), *_states(facts.get("state") or []), _actors(found), *_fifos(found)]


def _ports(found: Facts) -> Table:
    names = ("stream", "", "tensor", "elements\na beat", "beats\nan event", "bits", "a beat every")
    table = columns(f"Streams, {found['ports']} ports", names, right=names[3:6])
    for port in found["streams"]:
        pace = port["pace"]
        figures = (number(port[k]) for k in ("beat", "beats", "bits"))
        every = "as it is taken" if not pace else f"{pace:,} cycle{'' if pace == 1 else 's'}"
        shape = "x".join(map(str, port["shape"])) or "scalar"
        row(table, port["name"], port["direction"], shape, *figures, every)
    return table


def _states(states: list[Facts]) -> list[Table]:
    """Return what recurrent layers keep in registers from step to step."""
    if not states:
        return []
    names = ("layer", "state", "elements", "bits", "format", "steps\nan event", "cleared")
    table = columns("State of recurrent layers", names, right=(names[2], names[3], names[5]))
    for each in states:
        figures = (number(each["elements"]), number(each["bits"]))
        row(table, each["layer"], each["state"], *figures, each["format"], number(each["steps"]),
            each["cleared"])  # fmt: skip
    return [table]


def _actors(found: Facts) -> Table:
    names = ("actor", "layer", "steps", "beats", "latency", "LUT\nest.", "DSP\nest.", "BRAM\nest.")
    actors = found["actors"]
    left = f", the {MOST} with most steps of {len(actors)}" if len(actors) > MOST else ""
    table = columns(f"Actors, for one event{left}", names, right=(names[2], *names[4:]))
    most = sorted(range(len(actors)), key=lambda i: (-actors[i]["steps"], i))[:MOST]
    for actor in (actors[i] for i in sorted(most)):
        both = (" + ".join(map(number, actor[k])) for k in ("beats_in", "beats_out"))
        counts = (number(actor["estimate"][k]) for k in ("lut", "dsp", "bram"))
        row(
            table, actor["name"], actor["layer"], number(actor["steps"]), " > ".join(both),
            number(actor["latency"]), *counts,
        )  # fmt: skip
    return table


def _fifos(found: Facts) -> list[Table]:
    if not found["fifos"]:
        return []
    table = columns("FIFOs", ("from", "to", "depth", "bits", "why"), right=("depth", "bits"))
    for fifo in found["fifos"]:
        bits = fifo["depth"] * fifo["bits"]
        row(table, fifo["from"], fifo["to"], number(fifo["depth"]), number(bits), fifo["why"])
    return [table]
