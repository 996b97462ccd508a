"""Kolmogorov-Arnold networks whose edges are tables of few bits, after KANELÉ.

A node's value is a sum of one function of each node before it, rounded: `clip(sum(Q(phi(x))))`. As
inputs are codes, an edge is a table whichever way its numbers are parametrised; each step computes
the tables once and the samples only look them up.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from gatewright.train.modules import CodesOf, Trainable, to_integers
from gatewright.train.network import Encoder, Network, TableLayer
from gatewright.train.straight import EdgeSum, rounded, slopes

MEMORY = 0.9
"""Of what an edge was worth, how much is kept from step to step."""


class KanLayer(nn.Module):  # type: ignore[misc]
    """All edges between two layers of nodes.

    Args:
        inputs, outputs: nodes.
        codes: of each input.
        bits: of an entry, and of the limited sum.
        basis: (codes, parameters) functions that an edge is made of, or None: an entry is a
            parameter.
        line: (parameters,) of an edge that rises, by which training begins.
        limited: whether sums are brought into `bits`.
        rng: for the first values.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        codes: int,
        bits: int,
        basis: np.ndarray | None,
        line: np.ndarray,
        limited: bool,
        rng: np.random.Generator,
    ) -> None:
        super().__init__()
        self.codes, self.bits, self.limited = codes, bits, limited
        self.low, self.high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        grid = np.eye(codes) if basis is None else basis
        lean = rng.normal(0, 1 / np.sqrt(inputs), (inputs, 1, outputs))
        first = lean * line[:, None] + rng.normal(0, 0.05, (inputs, len(line), outputs))
        self.weight = nn.Parameter(torch.tensor(first, dtype=torch.float32))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("basis", torch.tensor(grid, dtype=torch.float32))
        self.register_buffer("alive", torch.ones(inputs, outputs))
        self.register_buffer("seen", torch.full((inputs, codes), 1.0 / codes))
        self.register_buffer("worth", torch.zeros(inputs, outputs))
        self.has_basis = basis is not None
        self.entries: Tensor | None = None

    def real(self) -> Tensor:
        """Return the tables in units of the last place, not rounded: (inputs, codes, outputs)."""
        table = torch.einsum("ck,pkq->pcq", self.basis, self.weight) if self.has_basis else (
            self.weight
        )  # fmt: skip
        return torch.clamp(table * float(1 << (self.bits - 1)), self.low, self.high)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums in units of the last place."""
        real = self.real()
        alive = self.alive[:, None, :]
        entries = rounded(real) * alive
        if self.training and torch.is_grad_enabled():
            entries.retain_grad()
            self.entries = entries
            self._count(x)
        total = EdgeSum.apply(x, entries, slopes(real.detach()) * alive)
        total = total + rounded(self.bias * float(1 << (self.bits - 1)))
        return torch.clamp(total, self.low, self.high) if self.limited else total

    def _count(self, x: Tensor) -> None:
        """Learn how often codes occur."""
        p = x.shape[1]
        index = x.detach().long() + self.codes * torch.arange(p, device=x.device)
        count = torch.bincount(index.reshape(-1), minlength=p * self.codes)
        self.seen.lerp_(count.reshape(p, self.codes) / len(x), 1 - MEMORY)

    def mean(self, table: Tensor) -> Tensor:
        """Return each edge's mean over the codes that occur: (inputs, outputs)."""
        return torch.einsum("pc,pcq->pq", self.seen, table) / self.seen.sum(1, keepdim=True)

    def weigh(self) -> None:
        """Learn what the loss would feel if an edge became its mean (to second order)."""
        if self.entries is None or self.entries.grad is None:
            return
        with torch.no_grad():
            apart = self.entries - self.mean(self.entries)[:, None, :]
            felt = (self.entries.grad * apart).sum(1) ** 2
            self.worth.lerp_(felt * self.alive, 1 - MEMORY)
        self.entries = None

    def cut(self, kept: Tensor) -> None:
        """Replace edges by their means."""
        with torch.no_grad():
            gone = self.alive * (1 - kept)
            mean = (self.mean(self.real()) * gone).sum(0)
            self.bias += mean / float(1 << (self.bits - 1))
            self.alive *= kept
            self.worth *= self.alive

    def table_layer(self) -> TableLayer:
        """Return the edges that are left as tables."""
        with torch.no_grad():
            entries = to_integers(rounded(self.real()))
            bias = to_integers(rounded(self.bias * float(1 << (self.bits - 1))))
        reads, target = np.nonzero(self.alive.cpu().numpy())
        return TableLayer(
            reads[:, None].astype(np.int64), target.astype(np.int64), entries[reads, :, target],
            bias, self.codes, 0, (self.low, self.high) if self.limited else None,
        )  # fmt: skip


class Kan(Trainable):
    """Layers of edges behind an encoder."""

    def __init__(
        self,
        codes: CodesOf,
        layers: list[KanLayer],
        edges: int | None,
        span: tuple[float, float],
        scale: float,
    ) -> None:
        super().__init__()
        self.codes, self.layers, self.edges, self.span = codes, nn.ModuleList(layers), edges, span
        self.all = sum(layer.alive.numel() for layer in layers)
        self.gain = nn.Parameter(torch.tensor(float(np.log(scale))))
        self.done = edges is None or edges >= self.all

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        value = self.codes(x)
        for number, layer in enumerate(self.layers):
            if number:
                value = value - self.layers[number - 1].low  # signed numbers to codes
            value = layer(value)
        return value * torch.exp(self.gain)

    def after_backward(self) -> None:
        """Learn what edges are worth."""
        for layer in self.layers:
            layer.weigh()

    @property
    def settled(self) -> bool:
        """Whether no edge is left to be cut."""
        return bool(self.done)

    def after_epoch(self, share: float) -> None:
        """Raise the threshold of what an edge must be worth, until so many are left.

        Their number falls as a cubic of time (arXiv:1710.01878); nodes without readers go too.
        """
        if self.edges is None or self.done:
            return
        start, end = self.span
        t = min(max((share - start) / (end - start), 0.0), 1.0)
        count = round(self.edges + (self.all - self.edges) * (1 - t) ** 3)
        worth = torch.cat([la.worth[la.alive > 0] for la in self.layers])
        if count < len(worth):
            limit = torch.sort(worth, descending=True).values[count - 1] if count else torch.inf
            for layer in self.layers:
                layer.cut((layer.worth >= limit).float())
            for before, layer in zip(self.layers[-2::-1], self.layers[:0:-1], strict=True):
                read = (layer.alive.sum(1) > 0).float()
                before.cut(read.expand_as(before.alive))
        self.done = t >= 1

    def tables(self, encoder: Encoder) -> Network:
        """Return the network as integer tables."""
        found = [layer.table_layer() for layer in self.layers]
        shifted = [
            TableLayer(la.reads, la.target, la.values, la.bias, la.codes,
                       0 if n == 0 else self.layers[n - 1].low, la.limits)
            for n, la in enumerate(found)
        ]  # fmt: skip
        scale = float(torch.exp(self.gain.detach()))
        return Network("kan", encoder, tuple(shifted), scale=scale).trimmed()
