"""Sparse networks of neurons that become tables: few inputs of few bits each.

LogicNets (arXiv:2004.03021) has neurons that are linear, NeuraLUT (arXiv:2403.00849) small
networks, PolyLUT-Add (arXiv:2406.04910) sums of several; SparseLUT learns which inputs are read.
Here a neuron is a sum of small networks with a linear part, each enumerated at the end; what they
read is found by a network of linear neurons that is pruned to so many inputs while it trains.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from gatewright.train.modules import CodesOf, Trainable, to_integers
from gatewright.train.network import Encoder, Network, TableLayer
from gatewright.train.straight import rounded


class Limiter(nn.Module):  # type: ignore[misc]
    """Sums in units of the last place to codes, or to logits in the last layer."""

    def __init__(self, bits: int, last: bool) -> None:
        super().__init__()
        self.last, self.codes = last, 1 << bits
        self.center = 0 if last else self.codes // 2

    def forward(self, total: Tensor) -> Tensor:
        """Limit."""
        if self.last:
            return total
        return torch.clamp(total + self.center, 0, self.codes - 1)


class TableNeurons(nn.Module):  # type: ignore[misc]
    """A layer: each output the sum of `adds` small networks of `fan_in` inputs.

    Args:
        reads: (tables, fan_in) inputs; the tables of an output stand together.
        outputs: how many.
        codes: of each input.
        bits: of the answer.
        inner: hidden neurons of each small network; 0: linear.
        last: whether these are the sums by class.
        rng: for the first values.
    """

    def __init__(self, reads: np.ndarray, outputs: int, codes: int, bits: int, inner: int,
                 last: bool, rng: np.random.Generator) -> None:  # fmt: skip
        super().__init__()
        tables, k = reads.shape
        self.codes, self.outputs, self.adds = codes, outputs, tables // outputs
        self.limiter = Limiter(bits, last)
        self.limit = 1 << (bits - 1)
        self.register_buffer("reads", torch.tensor(reads))

        def normal(*shape: int, spread: float) -> nn.Parameter:
            return nn.Parameter(torch.tensor(rng.normal(0, spread, shape), dtype=torch.float32))

        self.linear = normal(tables, k, spread=1 / np.sqrt(k))
        self.first = normal(tables, k, inner, spread=np.sqrt(2 / k)) if inner else None
        self.shift = normal(tables, inner, spread=0.5) if inner else None
        self.second = normal(tables, inner, spread=0.5 / np.sqrt(inner)) if inner else None
        self.norm = nn.BatchNorm1d(tables)
        with torch.no_grad():
            self.norm.weight.fill_(self.limit / 2 / np.sqrt(self.adds))

    def each(self, x: Tensor) -> Tensor:
        """Return the tables' answers to codes (n, tables, fan_in): integers (n, tables)."""
        v = x * (2 / (self.codes - 1)) - 1
        y = torch.einsum("ntk,tk->nt", v, self.linear)
        if self.first is not None:
            inner = torch.relu(torch.einsum("ntk,tkh->nth", v, self.first) + self.shift)
            y = y + torch.einsum("nth,th->nt", inner, self.second)
        return torch.clamp(rounded(self.norm(y)), -self.limit, self.limit - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return codes, or sums of the last layer."""
        tables = self.each(x[:, self.reads])
        return self.limiter(tables.reshape(len(x), self.outputs, self.adds).sum(2))

    def table_layer(self) -> TableLayer:
        """Return every answer of each small network to all its codes."""
        tables, k = self.reads.shape
        grid = np.stack(np.meshgrid(*[np.arange(self.codes)] * k, indexing="ij"), -1).reshape(-1, k)
        x = torch.tensor(grid, dtype=torch.float32, device=self.reads.device)
        self.eval()
        with torch.no_grad():
            values = to_integers(self.each(x[:, None, :].expand(-1, tables, -1))).T
        limiter = self.limiter
        bias = np.full(self.outputs, limiter.center, np.int64)
        limits = None if limiter.last else (0, limiter.codes - 1)
        reads = self.reads.cpu().numpy().astype(np.int64)
        target = np.repeat(np.arange(self.outputs), self.adds)
        return TableLayer(reads, target, values.copy(), bias, self.codes, 0, limits)


class Search(nn.Module):  # type: ignore[misc]
    """A layer of linear neurons that read everything at first, and few inputs in the end."""

    def __init__(self, inputs: int, outputs: int, codes: int, bits: int, last: bool,
                 rng: np.random.Generator) -> None:  # fmt: skip
        super().__init__()
        self.codes, self.limiter, self.limit = codes, Limiter(bits, last), 1 << (bits - 1)
        first = rng.normal(0, 1 / np.sqrt(inputs), (outputs, inputs))
        self.weight = nn.Parameter(torch.tensor(first, dtype=torch.float32))
        self.register_buffer("alive", torch.ones(outputs, inputs))
        self.norm = nn.BatchNorm1d(outputs)
        with torch.no_grad():
            self.norm.weight.fill_(self.limit / 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return codes, or sums of the last layer."""
        v = x * (2 / (self.codes - 1)) - 1
        return self.limiter(rounded(self.norm(v @ (self.weight * self.alive).t())))

    def keep(self, count: int) -> None:
        """Keep the strongest inputs of each neuron."""
        with torch.no_grad():
            size = (self.weight * self.alive).abs()
            chosen = size.topk(min(count, size.shape[1]), 1).indices
            self.alive.zero_().scatter_(1, chosen, 1.0)


class TableNet(Trainable):
    """Layers behind an encoder: those of a search, or those that become tables."""

    def __init__(self, codes: CodesOf, layers: list[nn.Module], scale: float,
                 fan_in: list[int] | None = None) -> None:  # fmt: skip
        super().__init__()
        self.codes, self.layers, self.fan_in = codes, nn.ModuleList(layers), fan_in
        self.gain = nn.Parameter(torch.tensor(float(np.log(scale))))
        self.done = fan_in is None

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        value = self.codes(x)
        for layer in self.layers:
            value = layer(value)
        return value * torch.exp(self.gain)

    @property
    def settled(self) -> bool:
        """Whether the search has come to its number of inputs."""
        return self.done

    def after_epoch(self, share: float) -> None:
        """Let neurons of a search read less: their inputs fall as a cubic of time."""
        if self.fan_in is None or self.done:
            return
        t = min(share / 0.8, 1.0)
        for layer, count in zip(self.layers, self.fan_in, strict=True):
            inputs = layer.weight.shape[1]
            layer.keep(max(round(count + (inputs - count) * (1 - t) ** 3), count))
        self.done = t >= 1

    def tables(self, encoder: Encoder) -> Network:
        """Return the network as integer tables."""
        layers = tuple(layer.table_layer() for layer in self.layers)
        scale = float(torch.exp(self.gain.detach()))
        return Network("tables", encoder, layers, scale=scale).trimmed()


def read_by(search: Search, adds: int, fan_in: int, rng: np.random.Generator) -> np.ndarray:
    """Return what a search's neurons read, shared out among their tables: (tables, fan_in)."""
    weight = (search.weight * search.alive).detach().abs().cpu().numpy()
    rows = []
    for row in weight:
        chosen = np.argsort(-row, kind="stable")[: adds * fan_in]
        rows.append(rng.permutation(np.resize(chosen, adds * fan_in)).reshape(adds, fan_in))
    return np.concatenate(rows).astype(np.int64)
