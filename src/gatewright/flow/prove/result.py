"""What a proof found, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerProof:
    """What is proven of one layer's Verilog: for every input in its range.

    Attributes:
        layer: the user's layer; the last entry of a design is its top, wiring and ports.
        module: the Verilog module.
        outputs: elements of its outputs.
        linear: of them, those that are affine and equal the model's rows, coefficient by
            coefficient.
        cones: those that are a function of one affine number, tried on each of its values.
        tried: values tried in all.
        gaps: why others are not proven.
        failure: where the text differs from the model, with a counterexample.
        depth: registers between its inputs and its outputs; -1 where that is not known.
        seconds: time taken.
    """

    layer: str
    module: str
    outputs: int = 0
    linear: int = 0
    cones: int = 0
    tried: int = 0
    gaps: tuple[str, ...] = ()
    failure: str = ""
    depth: int = -1
    seconds: float = 0.0

    @property
    def proven(self) -> bool:
        """Whether every output is."""
        return not self.failure and not self.gaps and self.linear + self.cones == self.outputs

    @property
    def status(self) -> str:
        """`proven`, `not proven` or `failed`, as in the ledger."""
        return "failed" if self.failure else "proven" if self.proven else "not proven"

    @property
    def detail(self) -> str:
        """One line that says what is proven."""
        if self.failure:
            return self.failure
        parts = []
        if self.linear:
            parts.append(f"{self.linear}/{self.outputs} outputs affine, equal in every coefficient")
        if self.cones:
            parts.append(
                f"{self.cones}/{self.outputs} functions of an affine number, tried on each of its "
                f"values ({self.tried:,} in all)"
            )
        if self.depth >= 0:
            parts.append(f"{self.depth} registers on every path")
        if self.gaps:
            rest = self.outputs - self.linear - self.cones
            more = f" (and {len(self.gaps) - 1} other reasons)" if len(self.gaps) > 1 else ""
            parts.append(f"not proven: {rest} outputs: {self.gaps[0]}{more}")
        return "; ".join(parts)
