"""Give each beat to several readers."""

from __future__ import annotations

from gatewright.num import Intervals
from gatewright.streams.actor import Actor, Program
from gatewright.streams.shell import Shell


def fork(name: str, types: Intervals, readers: int, beats: int) -> Actor:
    """Return an actor with outputs `y`, `y2`, ... that all get each beat of `x`."""
    outputs = ["y" if i == 0 else f"y{i + 1}" for i in range(readers)]
    note = f"gives each beat to {readers} readers" if readers > 1 else "passes each beat on"
    shell = Shell.begin(name, {"x": types}, outputs, note=note)
    fired = shell.fire()
    kept = shell.data["x"]
    shell.finish(dict.fromkeys(outputs, (fired, kept)))
    return shell.actor(Program.plain(beats, 1, readers), note=note)
