"""Passes over circuits, a file each."""

from gatewright.passes.netlist.bits import Bits
from gatewright.passes.netlist.cost import (
    Resources,
    cell_luts,
    counted,
    modules,
    resources,
    total_resources,
)
from gatewright.passes.netlist.delay import Clock, DelayModel, cell_delay, growth
from gatewright.passes.netlist.multipliers import Multiplier, into_blocks, multipliers
from gatewright.passes.netlist.pipeline import least_latency, pipeline
from gatewright.passes.netlist.product_rows import with_product_rows
from gatewright.passes.netlist.recode import recode

__all__ = [
    "Bits",
    "Clock",
    "DelayModel",
    "Multiplier",
    "Resources",
    "cell_delay",
    "cell_luts",
    "counted",
    "growth",
    "into_blocks",
    "least_latency",
    "modules",
    "multipliers",
    "pipeline",
    "recode",
    "resources",
    "total_resources",
    "with_product_rows",
]
