"""Registers: their declarations, and one block for all that share an enable and a reset."""

from __future__ import annotations

import numpy as np

from gatewright.base import VerificationError
from gatewright.emit.cells import truth
from gatewright.emit.header import safe
from gatewright.emit.nets import literal, vector
from gatewright.emit.scope import REG, Scope
from gatewright.hw import NO_RESET, NONE
from gatewright.hw.bulk import values


def declare_registers(scope: Scope) -> list[int]:
    """Declare the live registers; return their rows."""
    m, nets, live = scope.module, scope.nets, scope.live
    registers = np.flatnonzero(values(m.kind) == REG).tolist()
    rows = [s for s in registers if live[s] and nets.width[s]]
    for s in rows:
        if m.a[s] == NONE:
            raise VerificationError(
                "the circuit is malformed: a register has no input",
                place=f"module {safe(m.name)}, register {nets.name[s]}",
                remedy="this is a defect of Gatewright: please report the model",
            )
        scope.lines.append(f"  reg {vector(nets.width[s], nets.signed[s])}{nets.name[s]};")
    if rows:
        scope.lines.append("")
    return rows


def write_registers(scope: Scope, rows: list[int]) -> None:
    """Write the clocked blocks; a register holds its value where its enable is 0."""
    m = scope.module
    groups: dict[tuple[int, bool], list[int]] = {}
    for s in rows:
        enable = m.b[s]
        if enable != NONE and scope.nets.is_constant(enable) and scope.nets.value[enable]:
            enable = NONE
        groups.setdefault((enable, m.imm[s] != NO_RESET), []).append(s)
    for (enable, reset), group in groups.items():
        scope.clock_pins.update(("clk", "rst") if reset else ("clk",))
        scope.lines += [
            "",
            "  always @(posedge clk) begin",
            *_block(scope, enable, reset, group),
            "  end",
        ]


def _block(scope: Scope, enable: int, reset: bool, group: list[int]) -> list[str]:
    """Return the assignments of one clocked block."""
    m, nets = scope.module, scope.nets
    plain = enable == NONE
    margin = "    " if plain and not reset else "      "
    load = []
    for s in group:
        data = nets.part(m.a[s], m.frac[m.a[s]] - m.frac[s], nets.width[s])
        load.append(f"{margin}{nets.name[s]} <= {data};")
    if not plain:
        load = [f"    if ({truth(nets, enable)}) begin", *load, "    end"]
    if not reset:
        return load
    clear = [f"      {nets.name[s]} <= {literal(m.imm[s], nets.width[s])};" for s in group]
    if plain:
        load = ["    begin", *load, "    end"]
    load[0] = f"    end else {load[0].lstrip()}"
    return ["    if (rst) begin", *clear, *load]
