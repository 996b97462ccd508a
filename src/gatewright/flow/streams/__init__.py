"""Designs on streams: how they are built, run, compared, told of and kept."""

from gatewright.flow.streams.build import build_streams, rebuild_streams
from gatewright.flow.streams.circuit import StreamCircuit
from gatewright.flow.streams.design import StreamDesign
from gatewright.flow.streams.plans import PLAN, read_plan

__all__ = [
    "PLAN",
    "StreamCircuit",
    "StreamDesign",
    "build_streams",
    "read_plan",
    "rebuild_streams",
]
