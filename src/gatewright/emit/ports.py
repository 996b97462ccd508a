"""A module's ports: their list, the wires of their elements, and what is read of none."""

from __future__ import annotations

from gatewright.emit.nets import vector
from gatewright.emit.scope import Scope

PER_LINE = 8


def port_list(scope: Scope) -> list[str]:
    """Return the head of the module; a port without bits is left out."""
    nets = scope.nets
    rows = ["input  wire clk", "input  wire rst"] if scope.clock else []
    for direction, ports in (("input ", scope.module.inputs), ("output", scope.module.outputs)):
        for port, signals in ports.items():
            width = int(scope.buses.place.width[signals].sum()) if signals else 0
            signed = len(signals) == 1 and nets.signed[signals[0]]
            if width:
                rows.append(f"{direction} wire {vector(width, signed)}{port}")
    return [f"module {scope.name} (", ",\n".join(f"  {row}" for row in rows), ");", ""]


def write_inputs(scope: Scope) -> None:
    """Unpack the input ports: a wire for each element that is read."""
    nets, needed, lines = scope.nets, scope.buses.needed, scope.lines
    for port, signals in scope.module.inputs.items():
        width = int(scope.buses.place.width[signals].sum()) if signals else 0
        if not width:
            continue
        if len(signals) == 1:
            nets.name[signals[0]] = port
            scope.buses.vector[-1, port] = signals[0]
            continue
        whole = scope.buses.vector[-1, port] = scope.vector(port, width)
        for i, s in enumerate(signals):
            if not needed[s]:
                continue
            own = nets.width[s]
            if own:
                label = scope.module.names.get(s, f"{port}_{i}")
                name = nets.name[s] = scope.namer.name(label)
                text = nets.part(whole, int(scope.buses.place.low[s]), own)
                lines.append(f"  wire {vector(own, nets.signed[s])}{name} = {text};")
        if lines and lines[-1]:
            lines.append("")


def write_outputs(scope: Scope) -> None:
    """Pack the output ports."""
    for port, signals in scope.module.outputs.items():
        parts = scope.buses.parts(scope.buses.output_feeds(signals))
        if parts:
            scope.lines += ["", *concatenation(f"  assign {port} = ", parts, ";")]


def concatenation(left: str, parts: list[str], right: str) -> list[str]:
    """Return lines that join parts, the first lowest."""
    if len(parts) == 1:
        return [f"{left}{parts[0]}{right}"]
    parts = parts[::-1]
    if len(parts) <= PER_LINE:
        return [f"{left}{{{', '.join(parts)}}}{right}"]
    rows = [", ".join(parts[i : i + PER_LINE]) for i in range(0, len(parts), PER_LINE)]
    body = ",\n".join(f"    {row}" for row in rows)
    return [f"{left}{{", body, f"  }}{right}"]


def write_unused(scope: Scope) -> None:
    """Name the bits that nothing reads in one place, so that lint still finds any other."""
    nets, m = scope.nets, scope.module
    named = (s for s, name in enumerate(nets.name[: len(m)]) if name is not None)
    rows = [s for s in named if nets.used[s] != -1]
    single = [s for signals in m.inputs.values() if len(signals) == 1 for s in signals]
    idle = [] if not scope.clock else [pin for pin in ("clk", "rst") if pin not in scope.clock_pins]
    bits = [b for s in sorted({*rows, *single}) + scope.vectors for b in nets.unused(s)]
    if not bits and not idle:
        return
    name = scope.namer.name("unused_bits")
    text = [*idle, *bits]
    rows_text = [", ".join(text[i : i + PER_LINE]) for i in range(0, len(text), PER_LINE)]
    scope.lines += [
        "",
        "  // Bits that nothing reads (rounded away, wrapped away): listed for lint, no logic.",
        f"  wire {name} = &{{1'b0,",
        ",\n".join(f"    {row}" for row in rows_text),
        "  };",
    ]
