"""Weightless networks: a thermometer, layers of lookup tables, a count for each class.

As DWN (arXiv:2410.11112) has them: which bits a table reads is learnt, and so are its bits. DWN's
gradients are finite differences in a kernel for GPUs; here a table's real numbers are interpolated
linearly in each input, which is exact at bits, has the differences as slopes, and runs anywhere.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from gatewright.train.modules import Trainable
from gatewright.train.network import Encoder, Network, TableLayer
from gatewright.train.straight import Choice, Lookup


class LutLayer(nn.Module):  # type: ignore[misc]
    """Lookup tables of bits: (n, inputs) bits to (n, tables) bits."""

    def __init__(self, inputs: int, tables: int, fan_in: int, learnt: bool,
                 rng: np.random.Generator) -> None:  # fmt: skip
        super().__init__()
        self.fan_in, self.tables = fan_in, tables
        entries = rng.uniform(-1, 1, (tables, 1 << fan_in))
        self.entries = nn.Parameter(torch.tensor(entries, dtype=torch.float32))
        # Begin with all inputs read about equally often, each table's inputs apart.
        few = min(inputs, fan_in)
        picks = [rng.permutation(inputs)[:few] for _ in range(tables)]
        picks = [np.resize(p, fan_in) for p in picks]
        index = np.concatenate(picks)
        self.register_buffer("fixed", torch.tensor(index))
        scores = rng.normal(0, 0.5, (inputs, tables * fan_in))
        scores[index, np.arange(len(index))] += 3.0
        self.scores = nn.Parameter(torch.tensor(scores, dtype=torch.float32)) if learnt else None

    def forward(self, x: Tensor) -> Tensor:
        """Choose inputs and look up."""
        chosen = x[:, self.fixed] if self.scores is None else Choice.apply(x, self.scores)
        real = torch.clamp(self.entries, -1, 1)
        hard = (real > 0).float()
        bits = hard.detach() + (real - real.detach()) / 2
        smooth = (real.detach() + 1) / 2
        return Lookup.apply(chosen.reshape(len(x), self.tables, self.fan_in), bits, smooth, 2)

    def table_layer(self) -> TableLayer:
        """Return the tables."""
        index = self.fixed if self.scores is None else self.scores.argmax(0)
        reads = index.detach().cpu().numpy().reshape(self.tables, self.fan_in).astype(np.int64)
        values = (self.entries.detach().cpu().numpy() > 0).astype(np.int64)
        target = np.arange(self.tables)
        return TableLayer(reads, target, values, np.zeros(self.tables, np.int64), 2)


class Weightless(Trainable):
    """Tables behind a thermometer, counted by class.

    Args:
        encoder: of the features' codes.
        thermometer: (features, levels) codes.
        layers: of tables; the last one's are counted in `classes` groups of equal size.
        classes: how many.
        scale: of the counts at first.
    """

    def __init__(self, encoder: Encoder, thermometer: np.ndarray, layers: list[LutLayer],
                 classes: int, scale: float) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.levels = encoder, thermometer
        self.layers, self.classes = nn.ModuleList(layers), classes
        self.gain = nn.Parameter(torch.tensor(float(np.log(scale))))

    def bits(self, x: np.ndarray) -> np.ndarray:
        """Return the thermometer's bits, which no training changes: (n, features * levels)."""
        codes = self.encoder.codes(x).astype(np.int32)
        return (codes[:, :, None] >= self.levels).reshape(len(x), -1).astype(np.float32)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits for bits."""
        for layer in self.layers:
            x = layer(x)
        return x.reshape(len(x), self.classes, -1).sum(2) * torch.exp(self.gain)

    def after_backward(self) -> None:
        """Keep entries where they learn."""
        with torch.no_grad():
            for layer in self.layers:
                layer.entries.clamp_(-1, 1)

    def tables(self, encoder: Encoder) -> Network:
        """Return the network as integer tables."""
        layers = [layer.table_layer() for layer in self.layers]
        last = layers[-1]
        counted = TableLayer(
            last.reads, last.target // (len(last.target) // self.classes), last.values,
            np.zeros(self.classes, np.int64), 2,
        )  # fmt: skip
        found = Network("weightless", encoder, (*layers[:-1], counted), self.levels,
                        scale=float(torch.exp(self.gain.detach())))  # fmt: skip
        return found.trimmed()


def thermometer_of(codes: np.ndarray, levels: int) -> np.ndarray:
    """Return codes that cut each feature's samples into parts of equal size: (features, levels).

    Where codes repeat too often for that, the next ones are taken; 1 is the least (all codes reach
    0).
    """
    shares = (np.arange(levels) + 1) / (levels + 1)
    found = np.array(np.quantile(codes, shares, axis=0, method="higher").T, np.int64)
    for row in found:
        for k in range(levels):
            row[k] = max(row[k], row[k - 1] + 1 if k else 1)
    return found
