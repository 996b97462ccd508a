"""`gatewright devices`."""

from __future__ import annotations

from dataclasses import asdict

from gatewright.cli.parameters import Json, Quiet
from gatewright.cli.terminal import Terminal


def devices(json: Json = False, quiet: Quiet = False) -> int:
    """List the devices that designs can be made for."""
    from gatewright.arch import DEFAULT, DEVICES
    from gatewright.cli.tables import columns, number, row

    terminal = Terminal(json, quiet)
    names = ("device", "part", "family", "LUT", "FF", "DSP", "BRAM", "URAM", "known from")
    table = columns("Devices", names, right=names[3:8], whole=3)
    for d in DEVICES:
        counts = (number(n) for n in (d.lut, d.ff, d.dsp, d.bram, d.uram))
        name = f"{d.name} (default)" if d.name == DEFAULT else d.name
        row(table, name, d.part, d.family, *counts, d.note)
    terminal.show(table, "Delays are constants by family, not calibrated against routed designs.")
    terminal.answer({"default": DEFAULT, "devices": [asdict(d) for d in DEVICES]})
    return 0
