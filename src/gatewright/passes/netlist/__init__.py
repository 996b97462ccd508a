"""Passes over circuits, a file each."""

from gatewright.passes.netlist.cost import Resources, modules, resources, total_resources
from gatewright.passes.netlist.delay import DelayModel, cell_delay, growth
from gatewright.passes.netlist.pipeline import Clock, pipeline

__all__ = [
    "Clock",
    "DelayModel",
    "Resources",
    "cell_delay",
    "growth",
    "modules",
    "pipeline",
    "resources",
    "total_resources",
]
