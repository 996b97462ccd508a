"""What is known while one module is written: its nets, who is alive, which names are taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatewright.base import Namer, OptionError
from gatewright.base.names import RESERVED
from gatewright.emit.buses import Buses
from gatewright.emit.header import safe
from gatewright.emit.nets import Nets
from gatewright.hw import Kind, Module
from gatewright.hw.bulk import distinct, is_structure, values
from gatewright.hw.memory import FIELD_BITS

CONST, INPUT, REG = int(Kind.CONST), int(Kind.INPUT), int(Kind.REG)
SHIFT, INSTANCE, READ = int(Kind.SHIFT), int(Kind.INSTANCE), int(Kind.READ)
PORT = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
KEPT = re.compile(r"[tr]\d+(_\d+)?|(u|rom|ram|fill)_.*", re.IGNORECASE)
"""What labels leave to default names, instances, tables and memories."""


@dataclass(frozen=True)
class Design:
    """What the modules of a design share.

    Attributes:
        top: identifier of the top.
        name: identifier of each module, by `id`.
        clocked: whether a module has `clk` and `rst`, by `id`.
        tables: gives out the names of tables and memories; one used above would hide one below.
        shunned: names of ports that look like those of instances, tables or memories.
    """

    top: str
    name: Mapping[int, str]
    clocked: Mapping[int, bool]
    tables: Namer
    shunned: frozenset[str]


@dataclass
class Scope:
    """One module under the pen.

    Attributes:
        module: what is written.
        name: its identifier.
        clock: whether it has `clk` and `rst`.
        design: what it shares with the other modules.
        nets: names, widths and what has been read.
        live: mask of the rows that an output depends on.
        buses: which elements of ports and instances need wires.
        namer: gives out identifiers.
        lines: the text so far.
        vectors: nets that are no rows: ports, words of tables, outputs of instances.
        clock_pins: which of `clk` and `rst` the text reads.
    """

    module: Module
    name: str
    clock: bool
    design: Design
    nets: Nets = field(init=False)
    live: bytearray = field(init=False)
    buses: Buses = field(init=False)
    namer: Namer = field(init=False)
    lines: list[str] = field(default_factory=list)
    vectors: list[int] = field(default_factory=list)
    clock_pins: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.nets = Nets(self.module)
        self.live = live_rows(self.module)
        self.buses = Buses(self.module, self.nets, self.live)
        self.namer = Namer(["clk", "rst", *check_ports(self.module), self.name, self.design.top])

    def vector(self, name: str, width: int, signed: bool = False) -> int:
        """Add a net that is no row; the text must declare it."""
        self.vectors.append(self.nets.add(name, width, signed))
        return self.vectors[-1]


def live_rows(m: Module) -> bytearray:
    """Return a mask of the rows that an output depends on, through state and instances."""
    if m.is_network:
        return bytearray(b"\1") * len(m)  # signals run backwards, and nothing idle is placed
    if is_structure(m, REG):
        return _live_rows_of_structure(m)
    live, called = bytearray(len(m)), bytearray(len(m.instances))
    stored = [list(memory.port) for memory in m.memories]
    a, b, c, kind = m.a, m.b, m.c, m.kind
    todo = list(dict.fromkeys(m.output_signals))
    while todo:
        s = todo.pop()
        if s < 0 or live[s]:  # NONE is negative
            continue
        live[s] = 1
        if kind[s] == INPUT:
            continue
        if kind[s] == INSTANCE:
            number = m.imm[s] >> 32
            if not called[number]:  # once, not for each of its outputs
                todo.extend(m.instances[number].inputs)
                called[number] = 1
        else:
            todo += (a[s], b[s], c[s])
            if kind[s] == READ:
                number = m.imm[s] >> FIELD_BITS
                todo += stored[number]
                stored[number] = []
    return live


def _live_rows_of_structure(m: Module) -> bytearray:
    """Return the live rows of a module that only connects others, perhaps through registers."""
    live, called = np.zeros(len(m), np.bool_), set[int]()
    kind, imm, a, b = values(m.kind), values(m.imm), values(m.a), values(m.b)
    todo = distinct(np.asarray(m.output_signals, np.int64), len(m))
    while todo.size:
        live[todo] = True
        registers = todo[kind[todo] == REG]
        found = [a[registers], b[registers][b[registers] >= 0]]
        for number in set((imm[todo[kind[todo] == INSTANCE]] >> 32).tolist()) - called:
            called.add(number)
            found.append(values(m.instances[number].inputs))
        reached = distinct(np.concatenate(found), len(m))
        todo = reached[~live[reached]]
    return bytearray(live.tobytes())


def check_ports(m: Module) -> list[str]:
    """Return the ports' names, which are the user's to see and must stand as they are.

    Raises:
        OptionError: an output language does not allow a name, or two ports share one.
    """
    names = [*m.inputs, *m.outputs]
    for name in names:
        taken = name.lower() in RESERVED or names.count(name) > 1
        if taken or not PORT.fullmatch(name):
            raise OptionError(
                "a port cannot have this name in RTL",
                place=f"module {safe(m.name)}",
                found=name,
                supported="letters, digits, single underscores; no keyword, clk or rst; once",
                remedy="rename the model's input or output",
            )
    return names


def name_rows(scope: Scope) -> None:
    """Name each live row that gets a wire: by its label, the output it is, or kind and number.

    A row that only moves the binary point is the wire of its operand. Elements of input ports have
    their names already; those of instances and words get theirs when these are written.
    """
    m, nets, live, namer = scope.module, scope.nets, scope.live, scope.namer
    needed, elsewhere = scope.buses.needed, (CONST, INPUT, INSTANCE, READ)
    name, width, kinds = nets.name, nets.width, m.kind
    for s in sorted(m.names):
        if needed[s] and name[s] is None and width[s] and kinds[s] != CONST:
            wanted = namer.name(m.names[s])
            name[s] = namer.name(f"n_{wanted}") if KEPT.fullmatch(wanted) else wanted
    for port, signals in m.outputs.items():
        for i, s in enumerate(signals if len(signals) > 1 else ()):
            if needed[s] and name[s] is None and width[s] and kinds[s] not in (CONST, SHIFT):
                name[s] = namer.name(f"{port}_{i}")
    root, signed, a = nets.root, nets.signed, m.a
    free = not any(KEPT.fullmatch(port) for port in (*m.inputs, *m.outputs, scope.design.top))
    alive = np.frombuffer(live, np.uint8) != 0 if live else np.zeros(0, np.bool_)
    rows = np.flatnonzero(alive & ~np.isin(values(kinds), elsewhere)).tolist()
    for s in rows:
        kind = kinds[s]
        if name[s] is not None or not width[s]:
            continue
        if kind == SHIFT and width[s] == width[a[s]] and signed[s] == signed[a[s]]:
            root[s] = root[a[s]]
        else:
            plain = f"r{s}" if kind == REG else f"t{s}"
            name[s] = plain if free else namer.name(plain)
