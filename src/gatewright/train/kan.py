"""Quantized Kolmogorov-Arnold networks as estimators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatewright.base import OptionError
from gatewright.train.bases import EDGES, basis_of, rising
from gatewright.train.data import Single, require_between, require_whole
from gatewright.train.estimator import Classifier, Estimator, Regressor
from gatewright.train.network import Network

if TYPE_CHECKING:
    from gatewright.train.kan_module import Kan
    from gatewright.train.loop import Progress, Schedule, Trace


@dataclass(eq=False, kw_only=True)
class _KanOptions(Estimator):
    """A Kolmogorov-Arnold network of low bits; see `KanClassifier`."""

    family: ClassVar[str] = "kan"

    hidden: Sequence[int] = (8,)
    input_bits: int = 6
    bits: int | Sequence[int] = 6
    edges: int | None = None
    edge: str = "bspline"
    grid: int = 8
    degree: int = 3
    tail: float = 0.005
    prune: tuple[float, float] = (0.1, 0.6)

    def _check(self) -> None:
        super()._check()
        require_whole("input_bits", self.input_bits, 1, 10)
        for width in self.hidden:
            require_whole("hidden", width, 1, 4096)
        for bits in self._bits():
            require_whole("bits", bits, 1, 10)
        if self.edge not in EDGES:
            raise OptionError("what edges are made of is not known", found=repr(self.edge),
                              supported=", ".join(EDGES))  # fmt: skip
        require_whole("grid", self.grid, 1, 256)
        require_whole("degree", self.degree, 1, 16 if self.edge == "chebyshev" else 5)
        require_between("tail", self.tail, 0, 0.4)
        if self.edges is not None:
            require_whole("edges", self.edges, 1, 1e9)
        if not 0 <= self.prune[0] < self.prune[1] < 1:
            raise OptionError("the time of pruning is impossible", found=self.prune,
                              supported="0 <= begin < end < 1, shares of all epochs")  # fmt: skip

    def _bits(self) -> list[int]:
        """Return the bits of each layer's answers."""
        count = len(self.hidden) + 1
        if not isinstance(self.bits, Sequence | np.ndarray):  # a number, checked like others
            return [self.bits] * count
        if len(self.bits) != count:
            raise OptionError("bits do not fit the layers", found=f"{len(self.bits)} numbers",
                              supported=f"{count}: for each hidden layer and the last")  # fmt: skip
        return list(self.bits)

    def _fit(
        self, learnt: Any, held: Any, schedule: Schedule, x: Single, outputs: int,
        tell: Progress | None,
    ) -> tuple[Network, Trace]:  # fmt: skip
        module = self._module(x, outputs)
        trace = self._run(module, learnt, held, schedule, tell)
        network = module.tables(module.codes.encoder())
        if self.edges is not None and not len(network.layers[0].reads):
            raise OptionError(
                "pruning left no way from a feature to an output: every answer is the same",
                found=f"edges={self.edges}", remedy="keep more edges",
            )  # fmt: skip
        return network, trace

    def _module(self, x: Single, outputs: int) -> Kan:
        from gatewright.train.kan_module import Kan, KanLayer
        from gatewright.train.modules import CodesOf

        rng = np.random.default_rng(self.seed)
        sizes, bits = [x.shape[1], *self.hidden, outputs], self._bits()
        widths = [self.input_bits, *bits]
        layers = []
        for n, (a, b) in enumerate(pairwise(sizes)):
            codes = 1 << widths[n]
            basis = basis_of(self.edge, codes, self.grid, self.degree)
            line = rising(self.edge, basis, codes)
            layers.append(KanLayer(a, b, codes, bits[n], basis, line, n < len(sizes) - 2, rng))
        number = isinstance(self, Regressor)
        scale = 2.0 ** (1 - bits[-1]) * (1.0 if number else 4.0)
        return Kan(CodesOf(x, self.input_bits, self.tail), layers, self.edges, self.prune, scale)


@dataclass(eq=False, kw_only=True)
class KanClassifier(_KanOptions, Classifier):
    """Classify by a Kolmogorov-Arnold network whose edges are tables of few bits.

    A node adds up a function of each node before it, rounded, and limits the sum (KANELÉ). Each
    edge becomes a table of `2**bits` entries.

    Attributes:
        hidden: nodes of each hidden layer.
        input_bits: bits of a feature's code; scale and offset of the codes are learnt.
        bits: of the answers, and of the entries, of all layers or of each.
        edges: how many edges are left in the end, those that the loss would miss most; None: all.
        edge: what an edge is made of: `bspline`, `rbf` (Gaussians), `chebyshev` (polynomials), or
            `table`, whose entries are parameters. Where codes are no more than the parameters,
            entries are taken.
        grid: intervals of a spline, or steps between Gaussians.
        degree: of a spline, or of the polynomials.
        tail: share of the samples beyond each end of the codes when training begins.
        prune: when pruning begins and ends, as shares of all epochs.
    """


@dataclass(eq=False, kw_only=True)
class KanRegressor(_KanOptions, Regressor):
    """Predict numbers by a Kolmogorov-Arnold network; parameters as of `KanClassifier`.

    The circuit answers integers; scale and offset bring them to numbers on the host.
    """
