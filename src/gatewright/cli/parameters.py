"""Parameters that several commands share, and what a shell completes for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def complete_device(incomplete: str) -> list[tuple[str, str]]:
    """Return devices that begin as typed, with what they are known from."""
    from gatewright.arch import DEVICES

    return [(d.name, d.note) for d in DEVICES if d.name.startswith(incomplete.lower())]


def complete_flow(incomplete: str) -> list[tuple[str, str]]:
    """Return the ways to synthesise."""
    flows = [
        ("full", "synth_xilinx as it is, mapped with abc9"),
        ("fast", "mapped with abc: 3 to 4 times quicker, LUTs within -3 to +15 %"),
        ("area", "mapped with abc for the fewest LUTs, with longer paths"),
    ]
    return [(name, note) for name, note in flows if name.startswith(incomplete)]


def complete_ports(incomplete: str) -> list[tuple[str, str]]:
    """Return the kinds of ports."""
    kinds = [
        ("valid", "valid only: beats come at the stated pace"),
        ("stream", "valid and ready for every beat"),
        ("axi-stream", "AXI4-Stream with TLAST"),
    ]
    return [(name, note) for name, note in kinds if name.startswith(incomplete)]


Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
DesignFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder that `gatewright compile` wrote.")
]
Clock = Annotated[
    str,
    typer.Option(metavar="CLOCK", help="Clock to place registers for: 400MHz, 2.5ns, 0.4GHz."),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="Device; see `gatewright devices`.",
        autocompletion=complete_device,
    ),
]
Ii = Annotated[
    int | None,
    typer.Option(
        "--ii",
        metavar="N",
        help="Most cycles between two events. Above 1 the design works on streams: operations "
        "share their hardware among the beats of an event.",
    ),
]
Throughput = Annotated[
    float | None,
    typer.Option(metavar="R", help="The same as events a second: 1e6."),
]
MaxBrams = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Block memories (36 Kbit, estimated) that the design may take; by default what the "
        "device has.",
    ),
]
Ports = Annotated[
    str,
    typer.Option(
        metavar="KIND",
        help="`valid`: beats come at a stated pace and are always taken. `stream`: valid and ready "
        "for every beat. `axi-stream`: AXI4-Stream. The latter two make a design on streams.",
        autocompletion=complete_ports,
    ),
]
Stateful = Annotated[
    bool | None,
    typer.Option(
        "--stateful/--no-stateful",
        help="Recurrent layers keep their state from event to event, until a reset: events are "
        "parts of one sequence. By default as the model says.",
        show_default=False,
    ),
]
EventSteps = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Steps of an event of a stateful design: 1 for an answer at every tick; by default "
        "the model's.",
    ),
]
VariedLength = Annotated[
    bool,
    typer.Option(
        "--varied-length",
        help="An event may end before the model's last step: an element more in each row says "
        "whether the event has it.",
    ),
]
PlanFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Plan of a design on streams: the plan.json that was written with one, edited or not.",
    ),
]
PlanOut = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Also write the plan of a design on streams here."),
]
Flow = Annotated[
    str,
    typer.Option(
        metavar="FLOW",
        help="`full`: Yosys's synth_xilinx as it is. `fast`: abc in place of abc9, 3 to 4 times "
        "quicker, LUTs within -3 to +15 %. `area`: abc for the fewest LUTs, with longer paths.",
        autocompletion=complete_flow,
    ),
]
