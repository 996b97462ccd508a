"""Designs on streams: how they are built, run, compared, told of and kept."""

from gatewright.flow.streams.circuit import StreamCircuit, stream_circuit
from gatewright.flow.streams.design import StreamDesign
from gatewright.flow.streams.plans import PLAN, plan_text, read_plan

__all__ = ["PLAN", "StreamCircuit", "StreamDesign", "plan_text", "read_plan", "stream_circuit"]
