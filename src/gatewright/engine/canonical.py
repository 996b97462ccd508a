"""What a circuit is, as a digest: two circuits of one digest compile to the same machine code."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from gatewright.base.cache import content_key
from gatewright.hw import Kind, Module


def digest(modules: Iterable[Module]) -> str:
    """Return the digest of the last of some modules; each comes after those that it uses.

    It covers the cells, the tables, the ports by name and the instances; not the names of modules
    and signals, nor notes.
    """
    known: dict[int, str] = {}
    key = ""
    for module in modules:
        key = known[id(module)] = _of(module, known)
    return key


def _of(module: Module, known: dict[int, str]) -> str:
    parts: list[str | bytes] = [
        array("q", column).tobytes()
        for column in (
            module.kind,
            module.a,
            module.b,
            module.c,
            module.imm,
            module.lo,
            module.hi,
            module.frac,
        )
    ]
    for table in module.tables:
        parts += [str(table.words.shape), table.words.tobytes(), table.frac.tobytes()]
    parts.append("instances")
    for instance in module.instances:
        parts += [known[id(instance.module)], str(instance.count), instance.inputs.tobytes()]
    for ports in (module.inputs, module.outputs):
        parts.append("ports")
        for name, signals in ports.items():
            parts += [name, array("q", signals).tobytes()]
    return content_key(*parts)


@cache
def version() -> str:
    """Return a digest of what turns circuits into code: this package and the meaning of cells."""
    sources = hashlib.sha256(str([(kind.name, int(kind)) for kind in Kind]).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return sources.hexdigest()
