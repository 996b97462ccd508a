"""Floor 8: printers of circuits: Verilog, test bench, golden vectors, constraints, hand-over."""

from gatewright.emit.constraints import emit_core, emit_vivado, emit_xdc, emit_yosys
from gatewright.emit.project import emit_project, emit_readme
from gatewright.emit.testbench import emit_testbench
from gatewright.emit.vectors import read_hex, write_hex, write_npz
from gatewright.emit.verilog import emit_verilog, top_name

__all__ = [
    "emit_core",
    "emit_project",
    "emit_readme",
    "emit_testbench",
    "emit_verilog",
    "emit_vivado",
    "emit_xdc",
    "emit_yosys",
    "read_hex",
    "top_name",
    "write_hex",
    "write_npz",
]
