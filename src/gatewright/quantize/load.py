"""Say what a sample costs in memory and time, and divide batches accordingly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gatewright.ir import Graph, Reals, shapes
from gatewright.num import Ints

MOST_LIVE = 1 << 25
"""Elements of values that are held at once while a model is quantized: 256 MB of float64."""

MOST_WORK = 1 << 34
"""Products, and eighths of elements, that one trial of a model may take: some seconds."""

VISIT = 1000
"""Products in the time in which a sample passes a node of a tree: tries are many."""

CHUNK = 1 << 21
"""Elements held at once where samples are run one chunk after the other: 16 MB."""

MOST_ROWS = 8192
"""Rows of a value (samples times positions) that moments, errors and extremes are taken of."""


@dataclass(frozen=True)
class Load:
    """What one sample costs.

    Attributes:
        live: most elements held at once if each value is dropped behind its last reader.
        total: elements of all values.
        products: multiplications.
    """

    live: int
    total: int
    products: int

    @classmethod
    def of(cls, graph: Graph) -> Load:
        """Count for one sample."""
        sizes = {name: int(np.prod(shape)) for name, shape in shapes(graph).items()}
        last = {name: node.name for node in graph.nodes for name in node.inputs}
        held = sum(sizes[i.name] for i in graph.inputs)
        live, products = held, 0
        for node in graph.nodes:
            held += sizes[node.name]
            live = max(live, held)
            held -= sum(sizes[n] for n in set(node.inputs) if last[n] == node.name)
            weight = getattr(node.op, "weight", None)
            products += sizes[node.name] * (1 if weight is None else int(weight.shape[-2]))
            products += VISIT * int(getattr(node.op, "visits", 0))
        return cls(live, sum(sizes.values()), products)

    @property
    def fitted(self) -> int:
        """Samples to fit to: what memory holds, and what one trial may take."""
        return max(min(MOST_LIVE // max(self.live, 1), self.tried), 1)

    @property
    def tried(self) -> int:
        """Samples that one trial may run."""
        return max(MOST_WORK // max(self.products + 8 * self.total, 1), 1)


def chunks(samples: int, elements: int, most: int = CHUNK) -> Iterator[slice]:
    """Cut samples of so many elements each into slices that hold `most` at once."""
    step = max(most // max(elements, 1), 1)
    for start in range(0, samples, step):
        yield slice(start, min(start + step, samples))


def cut(inputs: Mapping[str, Reals], part: slice) -> dict[str, Reals]:
    """Return some samples of every input."""
    return {name: x[part] for name, x in inputs.items()}


class Rows:
    """Which rows, along the last axis, of a batch are looked at: all, or as many by chance.

    Values with as many rows a sample share the choice, so that a layer's inputs and its targets
    belong together. The order is by chance too: any first part is a fair sample.
    """

    def __init__(self, samples: int, seed: int) -> None:
        """Choose among so many samples."""
        self.samples, self.seed = samples, seed
        self.chosen: dict[tuple[int, int], Ints | None] = {}

    def index(self, shape: tuple[int, ...], most: int = MOST_ROWS) -> Ints | None:
        """Return numbers of rows of a batch of samples of a shape; None: all, in order."""
        per = int(np.prod(shape[:-1]))
        if (per, most) not in self.chosen:
            count = self.samples * per
            rng = np.random.default_rng([self.seed, per])
            self.chosen[per, most] = (
                None if count <= most else rng.choice(count, most, replace=False)
            )
        return self.chosen[per, most]

    def take(self, x: Reals, most: int = MOST_ROWS) -> Reals:
        """Return the chosen rows of a whole batch."""
        index = self.index(x.shape[1:], most)
        return as_rows(x) if index is None else as_rows(x)[index]


def as_rows(x: Reals) -> Reals:
    """Return a batch as rows of its last axis."""
    return x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x.reshape(-1, 1)
