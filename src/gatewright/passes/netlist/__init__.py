"""Passes over circuits, a file each."""

from gatewright.passes.netlist.cost import Resources, modules, resources, total_resources
from gatewright.passes.netlist.delay import Clock, DelayModel, cell_delay, growth
from gatewright.passes.netlist.pipeline import least_latency, pipeline
from gatewright.passes.netlist.recode import recode

__all__ = [
    "Clock",
    "DelayModel",
    "Resources",
    "cell_delay",
    "growth",
    "least_latency",
    "modules",
    "pipeline",
    "recode",
    "resources",
    "total_resources",
]
