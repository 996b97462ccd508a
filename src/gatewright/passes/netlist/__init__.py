"""Passes over circuits, a file each."""

from gatewright.passes.netlist.cost import Resources, modules, resources, total_resources
from gatewright.passes.netlist.delay import Clock, DelayModel, cell_delay
from gatewright.passes.netlist.pipeline import pipeline

__all__ = [
    "Clock",
    "DelayModel",
    "Resources",
    "cell_delay",
    "modules",
    "pipeline",
    "resources",
    "total_resources",
]
