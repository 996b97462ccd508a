"""Passes over circuits, a file each."""

from gatewright.passes.netlist.cost import (
    Resources,
    cell_luts,
    modules,
    resources,
    total_resources,
)
from gatewright.passes.netlist.delay import Clock, DelayModel, cell_delay
from gatewright.passes.netlist.multipliers import Multiplier, into_blocks, multipliers
from gatewright.passes.netlist.pipeline import least_latency, pipeline

__all__ = [
    "Clock",
    "DelayModel",
    "Multiplier",
    "Resources",
    "cell_delay",
    "cell_luts",
    "into_blocks",
    "least_latency",
    "modules",
    "multipliers",
    "pipeline",
    "resources",
    "total_resources",
]
