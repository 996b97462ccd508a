"""What all sections share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import gatewright as gw
from bench.material import bench_mlp, hgq_tagger
from gatewright.flow import Design
from gatewright.flow.compile import rebuild
from gatewright.flow.options import Options


@dataclass
class Bench:
    """How to measure.

    Attributes:
        quick: fewer repetitions, no synthesis of the large network.
        tell: called with what is being done.
    """

    quick: bool = False
    tell: Callable[[str], None] = print
    _designs: dict[tuple[str, float], Design] = field(default_factory=dict)

    def design(self, name: str, clock: float = 200.0) -> Design:
        """Return a compiled design: `a`, `b` (the HGQ2 taggers) or `bench_mlp`."""
        key = (name, clock)
        if key not in self._designs:
            self.tell(f"compile {name} at {clock:g} MHz")
            first = next((d for (n, _), d in self._designs.items() if n == name), None)
            if first is not None:
                self._designs[key] = rebuild(first.graph, Options.of(clock))
            elif name == "bench_mlp":
                self._designs[key] = rebuild(bench_mlp().graph, Options.of(clock))
            else:
                self._designs[key] = gw.compile(hgq_tagger(name), clock=clock)
        return self._designs[key]


NETWORKS = {"a": "HGQ2 tagger a", "b": "HGQ2 tagger b", "bench_mlp": "bench_mlp"}
"""The networks that are compared with the peers, and what the table calls them."""
