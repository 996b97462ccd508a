"""`gatewright devices`."""

from __future__ import annotations

from dataclasses import asdict

from gatewright.cli.parameters import Json, Quiet
from gatewright.cli.terminal import Terminal

RESOURCES = ("LUT", "FF", "DSP", "BRAM", "URAM")


def devices(json: Json = False, quiet: Quiet = False) -> int:
    """List the devices that designs can be made for."""
    from gatewright.arch import DEFAULT, DEVICES
    from gatewright.cli.tables import columns, number, row

    terminal = Terminal(json, quiet)
    names = ("device", "part", "family", *RESOURCES, "fmax error", "known from")
    table = columns("Devices", names, right=names[3:8], whole=3)
    for d in DEVICES:
        counts = (number(n) for n in (d.lut, d.ff, d.dsp, d.bram, d.uram))
        name = f"{d.name} (default)" if d.name == DEFAULT else d.name
        error = str(d.calibration or "not calibrated")
        row(table, name, d.part, d.family, *counts, error, d.note)
    terminal.show(
        table, "fmax error: from how much slower to how much faster clocks were than estimated."
    )
    terminal.answer({"default": DEFAULT, "devices": [asdict(d) for d in DEVICES]})
    return 0
