"""Weightless networks as estimators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatewright.base import OptionError
from gatewright.train.data import Single, require_between, require_whole
from gatewright.train.estimator import Classifier
from gatewright.train.network import Network

if TYPE_CHECKING:
    from gatewright.train.loop import Progress, Schedule, Trace

MAPPINGS = ("learned", "random")


@dataclass(eq=False, kw_only=True)
class WeightlessClassifier(Classifier):
    """Classify by lookup tables of bits, counted for each class (DWN, arXiv:2410.11112).

    A bit of the thermometer says whether a feature's code reaches a level; levels cut the samples
    into parts of equal size. The circuit does that, too: it receives codes of `input_bits`.

    Attributes:
        tables: lookup tables of each layer; of the last one a multiple of the classes.
        levels: of the thermometer, for each feature.
        fan_in: bits that a table reads.
        mapping: `learned` or `random`: which bits a table reads.
        input_bits: bits of a feature's code.
        tail: share of the samples beyond each end of the codes.
    """

    family: ClassVar[str] = "weightless"

    tables: Sequence[int] = (100,)
    levels: int = 16
    fan_in: int = 6
    mapping: str = "learned"
    input_bits: int = 8
    tail: float = 0.002

    def _check(self) -> None:
        super()._check()
        if not self.tables:
            raise OptionError("a weightless network has no layer", found="no tables",
                              supported="a number for each layer")  # fmt: skip
        for count in self.tables:
            require_whole("tables", count, 1, 1e6)
        require_whole("fan_in", self.fan_in, 1, 12)
        require_whole("input_bits", self.input_bits, 1, 12)
        require_whole("levels", self.levels, 1, (1 << self.input_bits) - 1)
        require_between("tail", self.tail, 0, 0.4)
        if self.mapping not in MAPPINGS:
            raise OptionError("a mapping is not known", found=self.mapping,
                              supported=", ".join(MAPPINGS))  # fmt: skip

    def _fit(
        self, learnt: Any, held: Any, schedule: Schedule, x: Single, outputs: int,
        tell: Progress | None,
    ) -> tuple[Network, Trace]:  # fmt: skip
        import torch

        from gatewright.train.loop import Part
        from gatewright.train.modules import CodesOf
        from gatewright.train.weightless_module import LutLayer, Weightless, thermometer_of

        if self.tables[-1] % outputs:
            raise OptionError(
                "the last layer's tables cannot be shared out among the classes",
                found=f"{self.tables[-1]} tables, {outputs} classes",
                supported=f"a multiple of {outputs}",
            )
        rng = np.random.default_rng(self.seed)
        encoder = CodesOf(x, self.input_bits, self.tail).encoder()
        thermometer = thermometer_of(encoder.codes(x), self.levels)
        sizes = [thermometer.size, *self.tables]
        layers = [
            LutLayer(a, b, self.fan_in, self.mapping == "learned", rng) for a, b in pairwise(sizes)
        ]
        # Sums of fair coins spread as the root of their number: logits begin spread by 2.
        scale = 4.0 / float(np.sqrt(self.tables[-1] / outputs))
        module = Weightless(encoder, thermometer, layers, outputs, scale)
        device = learnt.x.device
        first, second = (
            Part(torch.tensor(module.bits(part.x.cpu().numpy()), device=device), part.y)
            for part in (learnt, held)
        )
        trace = self._run(module, first, second, schedule, tell)
        return module.tables(encoder), trace
