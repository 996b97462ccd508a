"""Floor 8: printers of circuits: Verilog, test bench, golden vectors, constraints, hand-over."""

from gatewright.emit.verilog import emit_verilog

__all__ = ["emit_verilog"]
