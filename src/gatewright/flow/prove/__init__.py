"""Proofs of layers from their emitted Verilog, for every input."""

from gatewright.flow.prove.checks import proof_checks
from gatewright.flow.prove.design import prove
from gatewright.flow.prove.result import LayerProof

__all__ = ["LayerProof", "proof_checks", "prove"]
