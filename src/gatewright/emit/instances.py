"""Uses of other modules: vectors that connect them, and the wires of what they answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.base import identifier
from gatewright.emit.buses import instance_feeds
from gatewright.emit.nets import literal, vector
from gatewright.emit.ports import concatenation
from gatewright.emit.scope import Scope


@dataclass
class Instances:
    """The instances of a module that are written already, with their names."""

    scope: Scope
    written: dict[int, str] = field(default_factory=dict)

    def row(self, s: int) -> None:
        """Write an INSTANCE row: its instance before its first row, then the element's wire."""
        scope, nets = self.scope, self.scope.nets
        number, e = scope.buses.element(s)
        if number not in self.written:
            self.written[number] = self._write(number)
        width = nets.width[s]
        if not width or not scope.buses.needed[s]:
            return
        if not e.width:
            text = literal(0, width)
        else:
            text = nets.field(scope.buses.vector[number, e.port], e.low, e.width, e.signed, width)
        name = nets.name[s] or scope.namer.name(self._element_name(number, s))
        nets.name[s] = name
        scope.lines.append(f"  wire {vector(width, nets.signed[s])}{name} = {text};")

    def _element_name(self, number: int, s: int) -> str:
        """Return the name of an output element: like the port's vector, with the index behind."""
        m, index = self.scope.module, self.scope.module.imm[s] & 0xFFFFFFFF
        for port, signals in m.instances[number].module.outputs.items():
            if index < len(signals):
                return f"{port}_of_{self.written[number]}_{index}"
            index -= len(signals)
        raise AssertionError("an instance output has no port")

    def _write(self, number: int) -> str:
        """Write an instance; return its name."""
        scope = self.scope
        instance = scope.module.instances[number]
        child = instance.module
        own = self._name(instance.name)
        pins = [".clk(clk)", ".rst(rst)"] if scope.design.clocked[id(child)] else []
        scope.clock_pins.update(("clk", "rst") if pins else ())
        if scope.lines and scope.lines[-1]:
            scope.lines.append("")
        pins += self._inputs(number, own)
        for port, signals in child.outputs.items():
            width = sum(child.width(s) for s in signals)
            if width:
                name = scope.namer.name(f"{port}_of_{own}")
                scope.buses.vector[number, port] = scope.vector(name, width)
                scope.lines.append(f"  wire {vector(width)}{name};")
                pins.append(f".{port}({name})")
        body = ",\n".join(f"    {pin}" for pin in pins)
        scope.lines += [f"  {scope.design.name[id(child)]} {own} (", body, "  );"]
        return own

    def _name(self, wanted: str) -> str:
        """Return an identifier that starts with `u_` and is no port of any module."""
        wanted = identifier(wanted if wanted.startswith("u_") else f"u_{wanted}")
        wanted = wanted if wanted.startswith("u_") else "u_m"  # nothing of the name was left
        name = self.scope.namer.name(wanted)
        while name.lower() in self.scope.design.shunned:
            name = self.scope.namer.name(wanted)
        return name

    def _inputs(self, number: int, own: str) -> list[str]:
        """Connect the input ports, each signal brought to the grid and width of its element."""
        scope, pins = self.scope, []
        for port, feeds in instance_feeds(scope.module, number).items():
            parts = scope.buses.parts(feeds)
            if len(parts) == 1:
                pins.append(f".{port}({parts[0]})")
            elif parts:
                name = scope.namer.name(f"{port}_to_{own}")
                width = sum(width for _, _, width in feeds)
                scope.lines += concatenation(f"  wire {vector(width)}{name} = ", parts, ";")
                pins.append(f".{port}({name})")
        return pins
