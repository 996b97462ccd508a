"""Machine code from LLVM text, kept on disk by content."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from gatewright.base.cache import Cache, content_key
from gatewright.engine.target import Target

LEVEL = 1
"""Effort of LLVM's code generator; more makes no better code of straight lines."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Library:
    """Loaded machine code; it stays loaded as long as this object is there.

    Attributes:
        address: where each exported function is.
        cached: whether the code came from disk.
    """

    address: dict[str, int]
    cached: bool
    tracker: Any


def load(text: str, names: list[str], target: Target, store: Cache | None) -> Library:
    """Compile LLVM text, or fetch what an earlier run compiled, and load it."""
    version = f"llvmlite {llvmlite.__version__}, level {LEVEL}"
    key = content_key(text, target.triple, target.cpu, target.features, version)
    entry = store.read("engine", key) if store is not None else None
    code = entry.get("code.o") if entry is not None else None
    cached = code is not None
    if code is None:
        code = compile_text(text, target)
        if store is not None:
            store.write("engine", key, {"code.o": code})
    builder = llvm.JITLibraryBuilder().add_object_img(code)
    for name in names:
        builder.export_symbol(name)
    tracker = builder.link(_jit(), f"gatewright{next(_numbers)}")
    return Library({name: tracker[name] for name in names}, cached, tracker)


def compile_text(text: str, target: Target) -> bytes:
    """Return the object file for LLVM text."""
    machine = target.machine(LEVEL)
    module = llvm.parse_assembly(text)
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    return bytes(machine.emit_object(module))


@cache
def _jit() -> Any:
    """Return the process's linker of machine code."""
    Target.host()
    return llvm.create_lljit_compiler()
