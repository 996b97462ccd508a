"""Constant matrix-vector multiplication (CMVM) by shifts and adds."""

from gatewright.blocks.cmvm.graph import AdderGraph
from gatewright.blocks.cmvm.solver import solve

__all__ = ["AdderGraph", "solve"]
