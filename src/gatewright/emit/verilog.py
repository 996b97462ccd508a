"""Readable Verilog-2005: one file per module."""

from __future__ import annotations

import numpy as np

from gatewright.base import Namer
from gatewright.emit.cells import RULES, place_of
from gatewright.emit.header import header_lines, safe
from gatewright.emit.inline import Inline
from gatewright.emit.instances import Instances
from gatewright.emit.memories import Memories
from gatewright.emit.nets import ALL, vector
from gatewright.emit.ports import port_list, write_inputs, write_outputs, write_unused
from gatewright.emit.registers import declare_registers, write_registers
from gatewright.emit.scope import CONST, INPUT, INSTANCE, READ, REG, Design, Scope, name_rows
from gatewright.emit.tables import Tables
from gatewright.hw import Kind, Module
from gatewright.hw.bulk import instance_rows, values

SILENT = frozenset({int(Kind.INPUT), REG})
ADD, MUL, TABLE = int(Kind.ADD), int(Kind.MUL), int(Kind.TABLE)


def emit_verilog(top: Module) -> dict[str, str]:
    """Write a module and everything that it uses.

    Each port is one packed vector (`hw.Packing`). `clk` and `rst` (synchronous, active high) are
    ports of the modules that hold state and, always, of the top.

    Args:
        top: the design; `top_name` says how it is called in the text.

    Returns:
        File name to text, the top first. A module used many times is written once.

    Raises:
        OptionError: a port's name is none that Verilog allows.
        VerificationError: a register has no input, or a memory that is read no write port.
    """
    modules = used_modules(top)
    names = module_names(modules)
    ports = {port for m in modules for port in (*m.inputs, *m.outputs)}
    shunned = {name for port in ports for name in look_alikes(port, modules)}
    shunned.add(names[id(top)].lower())
    clocked = clocked_modules(modules)
    design = Design(names[id(top)], names, clocked, Namer(shunned), frozenset(shunned))
    return {
        f"{names[id(m)]}.v": module_text(
            Scope(m, names[id(m)], m is top or design.clocked[id(m)], design)
        )
        for m in modules
    }


def top_name(top: Module) -> str:
    """Return the name of the top in the text: its own, unless a port or a language has that."""
    return module_names(used_modules(top))[id(top)]


def module_names(modules: list[Module]) -> dict[int, str]:
    """Return an identifier for each module, by `id`; the top comes first.

    The top's is the name of no port: Verilator takes a top and a signal of one name for the same.
    """
    top, *others = modules
    ports = {port for m in modules for port in (*m.inputs, *m.outputs)}
    name = Namer(ports).name(top.name, "m")
    namer = Namer([name])
    return {id(top): name} | {id(m): namer.name(m.name, "m") for m in others}


def look_alikes(port: str, modules: list[Module]) -> list[str]:
    """Return a port's name and its elements', lower case, where it looks like an instance's."""
    lower = port.lower()
    if not lower.startswith(("u_", "rom_", "ram_")):
        return []
    most = max(len(m.inputs.get(port, m.outputs.get(port, ()))) for m in modules)
    return [lower, *(f"{lower}_{i}" for i in range(most))]


def used_modules(top: Module) -> list[Module]:
    """Return a module and all that it instances, each once, users before what they use."""
    found, todo = {id(top): top}, [top]
    while todo:
        for instance in todo.pop().instances:
            if id(instance.module) not in found:
                found[id(instance.module)] = instance.module
                todo.append(instance.module)
    return list(found.values())


def clocked_modules(modules: list[Module]) -> dict[int, bool]:
    """Say for each module (by `id`) whether it or anything in it holds state."""
    users: dict[int, list[int]] = {}
    clocked = {id(m): False for m in modules}
    todo = []
    for m in modules:
        for instance in m.instances:
            users.setdefault(id(instance.module), []).append(id(m))
        if m.holds_state:
            todo.append(id(m))
    while todo:
        key = todo.pop()
        if not clocked[key]:
            clocked[key] = True
            todo.extend(users.get(key, ()))
    return clocked


def module_text(scope: Scope) -> str:
    """Return the file of one module."""
    write_inputs(scope)
    name_rows(scope)
    tables = Tables(scope)
    tables.declare()
    memories = Memories(scope)
    memories.declare()
    registers = declare_registers(scope)
    write_cells(scope, tables, memories)
    write_registers(scope, registers)
    memories.write_ports()
    write_outputs(scope)
    write_unused(scope)
    lines = [*header_lines(scope.module, scope.name), "`default_nettype none", ""]
    if tables.folded.wants_border and scope.name != scope.design.top:
        lines.append('(* keep_hierarchy = "yes" *)')
    lines += [*port_list(scope), *scope.lines, "endmodule", "", "`default_nettype wire", ""]
    return "\n".join(lines)


def rows_to_write(scope: Scope) -> list[int]:
    """Return the live rows that get text: of an instance the first, and those read one by one."""
    m = scope.module
    if not len(m):
        return []
    kind, live = values(m.kind), np.frombuffer(scope.live, np.uint8) != 0
    needed = np.frombuffer(scope.buses.needed, np.uint8) != 0
    wanted = live & (kind != INPUT) & (kind != CONST) & ((kind != INSTANCE) | needed)
    for rows in instance_rows(m):
        wanted[rows[live[rows]][:1]] = True
    return list(np.flatnonzero(wanted).tolist())


def write_section(scope: Scope, s: int, section: str) -> str:
    """Write the heading of a row's section unless that is open already; return which is."""
    own = scope.module.sections.get(scope.module.names.get(s, ""), section)
    if own != section:
        scope.lines += [*[""][: bool(scope.lines and scope.lines[-1])]]
        scope.lines += [f"  // {safe(line)}" for line in own.splitlines()]
    return own


def write_cells(scope: Scope, tables: Tables, memories: Memories) -> None:
    """Write the cells without state, and the instances, in the module's order."""
    m, nets, lines = scope.module, scope.nets, scope.lines
    name, width, signed = nets.name, nets.width, nets.signed
    instances, inline, section = Instances(scope), Inline.of(scope), ""
    if m.is_network:
        instances.network()
        return
    for s in rows_to_write(scope):
        kind = m.kind[s]
        if kind == INSTANCE:
            instances.row(s)
            continue
        if kind == READ:
            memories.row(s)
            continue
        own, w, meaning = name[s], width[s], ""
        if own is None or kind in SILENT or inline.write(scope, s):
            continue
        section = write_section(scope, s, section)
        if s in tables.folded.silent:  # part of a sum's line, no wire of its own
            nets.used[s] = ALL
            continue
        if kind == TABLE:
            text = tables.row(s)
        elif s in tables.folded.table:
            text, meaning = tables.sum_text(s)
        else:
            text, meaning = RULES[kind](m, nets, s, w)
        if s in m.names and m.names[s] in m.meanings:
            meaning = safe(m.meanings[m.names[s]])
        comment = f"  // = {meaning}" if meaning else ""
        if kind == MUL or (kind == ADD and m.imm[s]):
            # Icarus takes no attribute where a wire is declared and driven at once.
            lines.append(f"  {place_of(m, s)}wire {vector(w, signed[s])}{own};")
            lines.append(f"  assign {own} = {text};{comment}")
            continue
        space = "" if text.startswith("\n") else " "
        lines.append(f"  wire {vector(w, signed[s])}{own} ={space}{text};{comment}")
