"""A compiled circuit, and its entry in the cache on disk, found by what the circuit is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gatewright.base.cache import Cache, content_key
from gatewright.engine import canonical, jit
from gatewright.engine.layout import Port
from gatewright.engine.program import Program, below
from gatewright.engine.target import Target
from gatewright.hw import Module

LAYOUT, TABLES, CODE = "layout.json", "tables.bin", "code{}.o"


@dataclass(frozen=True, eq=False)
class Compiled:
    """What it takes to run a circuit.

    Attributes:
        inputs, outputs: the ports in memory.
        block: samples computed at once.
        least: bits of the narrowest lane.
        cells: cells that are computed for a sample.
        depth: bytes of memory that values wait in.
        tables: what the code reads besides the samples.
        codes: object files; `top` is the entry.
        cached: whether it came from disk.
    """

    inputs: list[Port]
    outputs: list[Port]
    block: int
    least: int
    cells: int
    depth: int
    tables: bytes
    codes: list[bytes]
    cached: bool = False

    @classmethod
    def of(cls, module: Module, target: Target, store: Cache | None) -> Compiled:
        """Compile a circuit, or take what an earlier run compiled.

        Raises:
            UnsupportedError: the circuit holds registers.
        """
        key = ""
        if store is not None:
            key = _key(module, target)
            entry = store.read(jit.KIND, key)
            found = _from_entry(module, entry) if entry is not None else None
            if found is not None:
                return found
        level = jit.level_for(sum(len(m) for m in below(module)))
        compiler = partial(jit.compile_text, target=target, level=level)
        made = _from_program(Program.of(module, target, compiler))
        if store is not None:
            store.write(jit.KIND, key, made._entry())
        return made

    def _entry(self) -> dict[str, bytes]:
        ports = [[[p.name, p.lane, p.offset, p.stride] for p in side] for side in self._sides()]
        numbers = [self.block, self.least, self.cells, self.depth, len(self.codes)]
        layout = json.dumps({"ports": ports, "numbers": numbers})
        files = {LAYOUT: layout.encode(), TABLES: self.tables}
        return files | {CODE.format(i): code for i, code in enumerate(self.codes)}

    def _sides(self) -> tuple[list[Port], list[Port]]:
        return self.inputs, self.outputs


def is_stored(module: Module) -> bool:
    """Say whether the machine code of a circuit is in the user's cache, for this processor."""
    return Cache().read(jit.KIND, _key(module, Target.host())) is not None


def _key(module: Module, target: Target) -> str:
    circuit = canonical.digest(below(module))
    return content_key(circuit, canonical.version(), jit.maker(target), str(target))


def _from_program(program: Program) -> Compiled:
    top = program.top
    return Compiled(
        top.inputs,
        top.outputs,
        program.block,
        program.least,
        program.cells,
        top.depth,
        program.tables,
        program.codes,
    )


def _from_entry(module: Module, entry: Mapping[str, bytes]) -> Compiled | None:
    """Read an entry; None where it is not one of ours, which its checksums cannot tell."""
    try:
        layout = json.loads(entry[LAYOUT])
        inputs, outputs = (
            _ports(signals, rows)
            for signals, rows in zip((module.inputs, module.outputs), layout["ports"], strict=True)
        )
        block, least, cells, depth, count = map(int, layout["numbers"])
        codes = [entry[CODE.format(i)] for i in range(count)]
        tables = entry[TABLES]
    except (KeyError, ValueError, TypeError):
        return None
    return Compiled(inputs, outputs, block, least, cells, depth, tables, codes, cached=True)


def _ports(ports: Mapping[str, Sequence[int]], rows: Any) -> list[Port]:
    return [
        Port(str(name), int(lane), int(offset), int(stride), tuple(ports[name]))
        for name, lane, offset, stride in rows
    ]
