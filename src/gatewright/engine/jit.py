"""Machine code from LLVM text, loaded into this process."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from gatewright.base.cache import Cache, content_key
from gatewright.engine.target import Target

LEVEL = 1
"""Effort of LLVM's code generator; more makes no better code of straight lines."""

MANY = 300_000
"""Cells from which on least effort is better: a third less to compile, half as fast."""

KIND = "engine"
"""Kind of the entries in the cache."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Library:
    """Loaded machine code; it stays loaded as long as this object is there.

    Attributes:
        address: where each exported function is.
    """

    address: dict[str, int]
    tracker: Any


def maker(target: Target) -> str:
    """Return what object code depends on besides its source."""
    return f"{target.triple} {target.cpu} {target.features} llvmlite {llvmlite.__version__}"


def fetch(text: str, names: list[str], target: Target, store: Cache | None) -> Library:
    """Compile LLVM text, or take what an earlier run compiled, and load it."""
    key = content_key(text, maker(target), str(LEVEL))
    entry = store.read(KIND, key) if store is not None else None
    code = entry.get("code.o") if entry is not None else None
    if code is None:
        code = compile_text(text, target)
        if store is not None:
            store.write(KIND, key, {"code.o": code})
    return link([code], names)


def link(codes: Iterable[bytes], names: list[str]) -> Library:
    """Load object files that call each other."""
    builder = llvm.JITLibraryBuilder()
    for code in codes:
        builder.add_object_img(code)
    for name in names:
        builder.export_symbol(name)
    tracker = builder.link(_jit(), f"gatewright{next(_numbers)}")
    return Library({name: tracker[name] for name in names}, tracker)


def level_for(cells: int) -> int:
    """Return the effort for a circuit of some cells that differ."""
    return LEVEL if cells < MANY else 0


def compile_text(text: str, target: Target, level: int = LEVEL) -> bytes:
    """Return the object file for LLVM text."""
    machine = target.machine(level)
    module = llvm.parse_assembly(text)
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    return bytes(machine.emit_object(module))


@cache
def _jit() -> Any:
    """Return the process's linker of machine code."""
    Target.host()
    return llvm.create_lljit_compiler()
