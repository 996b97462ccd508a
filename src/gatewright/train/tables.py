"""Sparse networks of lookup tables as estimators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatewright.base import OptionError
from gatewright.train.data import Single, require_between, require_whole
from gatewright.train.estimator import Classifier
from gatewright.train.network import Network

if TYPE_CHECKING:
    from gatewright.train.loop import Progress, Schedule, Trace

CONNECTIVITY = ("learned", "random")
MOST_ADDRESS_BITS = 12


@dataclass(eq=False, kw_only=True)
class TableClassifier(Classifier):
    """Classify by a sparse network whose neurons are tables of a few inputs of few bits.

    A neuron is the sum of small networks of `fan_in` inputs each, which are enumerated after
    training (LogicNets, NeuraLUT, PolyLUT-Add); what they read is learnt by pruning (SparseLUT).

    Attributes:
        hidden: neurons of each hidden layer.
        input_bits: bits of a feature's code; scale and offset of the codes are learnt.
        bits: of a hidden neuron's answer.
        output_bits: of the tables that are added up for each class.
        fan_in: inputs of a table; times their bits at most 12.
        adds: tables that each hidden neuron adds up.
        output_adds: tables that each class adds up.
        inner: hidden neurons of the small network behind a table; 0: it is linear.
        connectivity: `learned` or `random`: what tables read.
        search: part of the epochs in which that is learnt.
        tail: share of the samples beyond each end of the codes when training begins.
    """

    family: ClassVar[str] = "tables"

    hidden: Sequence[int] = (40,)
    input_bits: int = 3
    bits: int = 2
    output_bits: int = 4
    fan_in: int = 3
    adds: int = 1
    output_adds: int = 4
    inner: int = 8
    connectivity: str = "learned"
    search: float = 0.3
    tail: float = 0.01

    def _check(self) -> None:
        super()._check()
        for name, most in (("input_bits", 8), ("bits", 8), ("output_bits", 10), ("fan_in", 12),
                           ("adds", 64), ("output_adds", 256)):  # fmt: skip
            require_whole(name, getattr(self, name), 1, most)
        require_whole("inner", self.inner, 0, 256)
        require_between("search", self.search, 0.01, 0.9)
        require_between("tail", self.tail, 0, 0.4)
        for width in self.hidden:
            require_whole("hidden", width, 1, 1e5)
        widest = max(self.input_bits, self.bits if self.hidden else 0) * self.fan_in
        if widest > MOST_ADDRESS_BITS:
            raise OptionError("tables would be too large", found=f"{widest} address bits",
                              supported=f"up to {MOST_ADDRESS_BITS}: fan_in times bits",
                              remedy="let tables read fewer inputs, or fewer bits")  # fmt: skip
        if self.connectivity not in CONNECTIVITY:
            raise OptionError("a connectivity is not known", found=self.connectivity,
                              supported=", ".join(CONNECTIVITY))  # fmt: skip

    def _fit(
        self, learnt: Any, held: Any, schedule: Schedule, x: Single, outputs: int,
        tell: Progress | None,
    ) -> tuple[Network, Trace]:  # fmt: skip
        from gatewright.train.modules import CodesOf
        from gatewright.train.tables_module import Search, TableNet, TableNeurons, read_by

        rng = np.random.default_rng(self.seed)
        sizes = [x.shape[1], *self.hidden, outputs]
        count = len(sizes) - 1
        bits = [self.input_bits, *[self.bits] * len(self.hidden), self.output_bits]
        adds = [*[self.adds] * len(self.hidden), self.output_adds]
        scale = 8.0 / (1 << self.output_bits)
        encoder = CodesOf(x, self.input_bits, self.tail)
        reads = []
        if self.connectivity == "learned":
            searches = [
                Search(sizes[n], sizes[n + 1], 1 << bits[n], bits[n + 1], n == count - 1, rng)
                for n in range(count)
            ]
            net = TableNet(encoder, list(searches), scale, [self.fan_in * a for a in adds])
            part = replace(schedule, epochs=max(round(self.search * schedule.epochs), 1))
            self._run(net, learnt, held, replace(part, patience=part.epochs), tell)
            reads = [read_by(s, a, self.fan_in, rng) for s, a in zip(searches, adds, strict=True)]
            schedule = replace(schedule, epochs=max(schedule.epochs - part.epochs, 1))
        else:
            reads = [
                _random(sizes[n], sizes[n + 1] * adds[n], self.fan_in, rng) for n in range(count)
            ]
        layers: list[Any] = [
            TableNeurons(reads[n], sizes[n + 1], 1 << bits[n], bits[n + 1], self.inner,
                         n == count - 1, rng)
            for n in range(count)
        ]  # fmt: skip
        module = TableNet(encoder, layers, scale / float(np.sqrt(self.output_adds)))
        trace = self._run(module, learnt, held, schedule, tell)
        return module.tables(encoder.encoder()), trace


def _random(inputs: int, tables: int, fan_in: int, rng: np.random.Generator) -> np.ndarray:
    """Return what tables read at random: all inputs about equally often, none twice if it can be.

    The inputs of a table are neighbours in a row of permutations.
    """
    rows = [rng.permutation(inputs)[: min(fan_in, inputs)] for _ in range(tables)]
    return np.stack([np.resize(row, fan_in) for row in rows]).astype(np.int64)
