"""Bring a program to operators that are handled: functional, and split up where they are not."""

from __future__ import annotations

from typing import Any

import torch

from gatewright.frontends.torch.operators import HARMLESS, handler_of
from gatewright.frontends.torch.trace import quiet

ROUNDS = 6
"""How often what a decomposition gives is decomposed again."""


def decompose(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Return a program without in-place operators, with as few operators split up as need be.

    Operators that mean a layer (an LSTM, attention, a convolution) stay whole; one that no handler
    reads is replaced by what PyTorch's own table of decompositions says it is made of.
    """
    with quiet(), torch.no_grad():
        program = program.run_decompositions({})
        table: dict[Any, Any] = {}
        for _ in range(ROUNDS):
            unknown = {t for t in _targets(program) if _is_unknown(t)}
            if not unknown:
                break
            table = table or dict(_table())
            chosen = {t: table[t] for t in unknown if t in table}
            if not chosen:
                break
            program = program.run_decompositions(chosen)
    return program


def _targets(program: torch.export.ExportedProgram) -> set[Any]:
    return {
        n.target
        for n in program.graph.nodes
        if n.op == "call_function" and isinstance(n.target, torch._ops.OpOverload)
    }


def _is_unknown(target: Any) -> bool:
    return str(target) not in HARMLESS and handler_of(str(target)) is None


def _table() -> Any:
    from torch.export import default_decompositions

    return default_decompositions()
