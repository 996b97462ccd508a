"""The measurements, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable

from bench.context import Bench
from bench.record import Row
from bench.sections import (
    compilation,
    emulation,
    expressions,
    keywords,
    latency,
    quantization,
    scale,
    sharing,
    solver,
    synthesis,
    taggers,
)

SECTIONS: dict[str, Callable[[Bench], list[Row]]] = {
    "taggers": taggers.run,
    "keywords": keywords.run,
    "quantization": quantization.run,
    "emulation": emulation.run,
    "compilation": compilation.run,
    "solver": solver.run,
    "sharing": sharing.run,
    "scale": scale.run,
    "synthesis": synthesis.run,
    "latency": latency.run,
    "expressions": expressions.run,
}

CIRCUITS = ("emulation", "compilation", "solver", "sharing", "synthesis", "scale")
"""Sections that hold the circuits, and the speed of making them, against other compilers."""
