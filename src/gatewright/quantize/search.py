"""Search the prices at which a model is just good enough: the least circuit for the tolerance.

Weights and formats answer to one price of a LUT (`build`): at the optimum the same error buys one
LUT everywhere. So the search has one dimension, in which the loss rises; then factors by layer
correct what the model of errors and costs cannot know, by the circuit's solved cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gatewright.base import OptionError
from gatewright.ir import Reals
from gatewright.ops import Dense, ScaledQuantize
from gatewright.quantize.cost import layer_costs
from gatewright.quantize.formats import Formats
from gatewright.quantize.judge import Judge, Score
from gatewright.quantize.material import Built, Material, Prices
from gatewright.quantize.structure import Structure
from gatewright.quantize.ties import build

START, FINEST = 1e-6, 1e-20
JUMP = 512.0
"""Most by which a price is raised or lowered at once."""

BEYOND = 1.3
"""By how much a price goes past the one at which the tolerance is expected, for a bracket."""

CLOSE, CLOSER = 1.25, 1.12
"""Ratio of good and bad price at which the bisection ends; that of small models, which take little
time."""

FACTORS = (2.5, 0.4)
REFINED_LAYERS = 8
REFINED_WEIGHTS = 30_000
"""Weights up to which factors by layer are tried, and every trial's matrices are solved."""

Progress = Callable[[str, int, int], None]


LEAST_SPREAD = 1e-6
"""Of the logarithms of losses, for a slope over them."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A quantized model, what it costs and how good it is on the data to choose with."""

    prices: Prices
    built: Built
    cost: float
    score: Score


@dataclass
class Search:
    """Tries prices and remembers what came of them."""

    structure: Structure
    material: Material
    judge: Judge
    tolerance: float
    formats: Formats
    progress: Progress | None = None
    history: list[tuple[float, float]] = field(default_factory=list)
    tried: list[Candidate] = field(default_factory=list)
    reads: Mapping[str, Reals] = field(default_factory=dict)

    def run(self) -> Candidate:
        """Return the cheapest model found whose risk is within the tolerance.

        Raises:
            OptionError: no price is low enough, as formats fixed by the user are too coarse.
        """
        # A softmax's last bit should be below what may be lost.
        bits = int(np.clip(np.ceil(np.log2(2 / self.tolerance)), 6, 14))
        best = self.bisect(Prices(START, softmax=bits))
        if self.is_small and self.formats.most_weight_bits is None:
            self.refine(best)  # weights of so many bits have no price
        # Costs jump a little from price to price, so the highest good price need not be cheapest.
        return min((c for c in self.tried if self.good(c)), key=lambda c: c.cost)

    def tighter(self, last: Candidate) -> Candidate:
        """Return the next model with a lower price."""
        finer = replace(last.prices, softmax=min(last.prices.softmax + 1, 14))
        return self.attempt(finer.at(last.prices.lut / (CLOSER if self.is_small else CLOSE)))

    def attempt(self, prices: Prices) -> Candidate:
        """Quantize at given prices."""
        built = build(self.structure, self.material, prices, self.formats, self.reads)
        if not self.reads:  # the first pass had to guess what reads each bit
            built = build(self.structure, self.material, prices, self.formats, built.reads)
        self.reads = built.reads
        candidate = Candidate(prices, built, self.cost(built), self.judge.score(built.graph))
        self.tried.append(candidate)
        self.history.append((candidate.cost, candidate.score.metric))
        if self.progress:
            self.progress("choosing formats", len(self.tried), 0)
        return candidate

    def cost(self, built: Built) -> float:
        """Return the estimated LUTs."""
        if any(isinstance(node.op, ScaledQuantize) for node in built.graph.nodes):
            return 0.0
        return sum(layer_costs(built.graph, built.types, self.is_small).values())

    @property
    def is_small(self) -> bool:
        """Whether matrices are few enough to be solved in every trial."""
        weights = sum(node.op.multiplications() for node in self.structure.graph.nodes)
        return weights <= REFINED_WEIGHTS

    def good(self, candidate: Candidate) -> bool:
        """Say whether a candidate is within the tolerance."""
        return candidate.score.risk <= self.tolerance

    def bisect(self, prices: Prices, jump: float = JUMP) -> Candidate:
        """Find the highest price with a good model."""
        low = high = last = None
        lut = prices.lut
        while low is None or high is None:
            if lut < FINEST:
                raise self._hopeless()
            candidate = self.attempt(prices.at(lut))
            if self.good(candidate):
                low = candidate
                if lut > 1:
                    return low
            else:
                high = candidate
            lut *= self._leap(last, candidate, jump)
            last = candidate
        while high.prices.lut / low.prices.lut > (CLOSER if self.is_small else CLOSE):
            middle = self._between(low, high)
            candidate = self.attempt(prices.at(middle))
            low, high = (candidate, high) if self.good(candidate) else (low, candidate)
        return low

    def _leap(self, last: Candidate | None, here: Candidate, jump: float) -> float:
        """Return the factor to a price on the other side of the tolerance.

        The loss rises with a power of the price: the root, in theory, or what two trials say.
        """
        power = 0.5
        if last is not None:
            prices = np.log(here.prices.lut / last.prices.lut)
            risks = [max(c.score.risk, 1e-6 * self.tolerance) for c in (here, last)]
            power = float(np.clip(np.log(risks[0] / risks[1]) / prices, 0.25, 1.0))
        ratio = self.tolerance / max(here.score.risk, 1e-6 * self.tolerance)
        factor = float(np.clip(max(ratio, 1 / ratio) ** (1 / power) * BEYOND, BEYOND, jump))
        return factor if self.good(here) else 1 / factor

    def _between(self, low: Candidate, high: Candidate) -> float:
        """Return the price at which the tolerance is expected, well inside of a bracket."""
        risks = [np.log(max(c.score.risk, 1e-3 * self.tolerance)) for c in (low, high)]
        rise = max(risks[1] - risks[0], 1e-9)
        share = float(np.clip((np.log(self.tolerance) - risks[0]) / rise, 0.2, 0.8))
        return float(low.prices.lut ** (1 - share) * high.prices.lut**share)

    def _hopeless(self) -> OptionError:
        best = min(self.tried, key=lambda c: c.score.risk)
        fixed = "; ".join(" ".join(rule) for rule in self.formats.rules)
        return OptionError(
            "no number formats keep the model within the tolerance",
            place=self.structure.graph.source,
            found=f"{self.judge.name} {best.score.metric:.4g} of {self.judge.real:.4g} at best"
            + (f", with {fixed}" if fixed else ""),
            supported=f"a loss of at most {self.tolerance:g}",
            remedy="loosen the formats that you fixed, or raise the tolerance"
            if fixed
            else "raise the tolerance, or give more calibration samples",
        )

    def refine(self, best: Candidate) -> None:
        """Try factors on the price of each layer, by what they do to loss and solved cost."""
        exchange = self._exchange()
        current = best

        def worth(c: Candidate) -> float:
            return float(np.log(max(c.cost, 1.0)) + exchange * np.log(max(c.score.smooth, 1e-12)))

        # Of tied operations the first stands for all.
        dense = list(
            {n.tie or n.name: n.name for n in reversed(self.structure.graph.nodes)
             if isinstance(n.op, Dense)}.values()
        )[::-1]  # fmt: skip
        names = [name for name in dense if name in self.structure.weighted]
        for name in names[:REFINED_LAYERS]:
            for factor in FACTORS:
                trial = self.attempt(current.prices.scaled("weight", name, factor))
                if worth(trial) < worth(current) - 0.003:
                    current = trial
                    break
        if current is not best:
            self.bisect(current.prices, 1.6)

    def _exchange(self) -> float:
        """Return how many per cent of cost one per cent of loss is worth, from what was tried."""
        points = sorted(
            (np.log(c.score.smooth), np.log(c.cost))
            for c in self.tried
            if c.cost > 0 and c.score.smooth > 0
        )
        near = [p for p in points if abs(p[0] - np.log(self.tolerance)) < 1.5]
        if len(near) < 3 or near[-1][0] - near[0][0] < LEAST_SPREAD:
            return 0.3
        slope = np.polyfit([p[0] for p in near], [p[1] for p in near], 1)[0]
        return float(np.clip(-slope, 0.05, 1.0))
