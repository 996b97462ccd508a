"""Proofs as lines of the verification ledger."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.flow.prove.design import Progress, prove
from gatewright.flow.prove.result import LayerProof
from gatewright.flow.verify import Check
from gatewright.hw import Module
from gatewright.ir import Graph, Plan
from gatewright.tools.yosys import yosys_version

METHOD = "proof for every input"


def proof_checks(
    graph: Graph,
    module: Module,
    sources: Mapping[str, str],
    plans: Mapping[str, Plan],
    progress: Progress | None = None,
) -> list[Check]:
    """Prove a design from its Verilog; return a line of the ledger for each layer.

    Raises:
        ToolError: Yosys is missing, or refuses the text.
    """
    version = yosys_version()
    return [check_of(p, version) for p in prove(graph, module, sources, plans, progress)]


def check_of(proof: LayerProof, reader: str) -> Check:
    """Return a proof as a line; `vectors` counts the values that cones were tried on."""
    return Check(
        f"Verilog of {proof.layer}",
        METHOD,
        proof.tried,
        proof.status,
        proof.detail if proof.failure else f"{proof.detail}; read by {reader}",
        proof.seconds,
    )
