"""Passes over circuits, a file each."""

from gatewright.passes.netlist.delay import DelayModel, cell_delay
from gatewright.passes.netlist.pipeline import Clock, pipeline

__all__ = ["Clock", "DelayModel", "cell_delay", "pipeline"]
