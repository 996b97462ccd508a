"""A large set network: the size at which a compiler must use what repeats.

The form is that of JEDI-linear (Que et al., arXiv:2508.15468) on top of Deep Sets (Zaheer et al.,
arXiv:1703.06114): layers that are the same for each particle, an interaction of each particle with
the mean of all, a sum over the particles, dense layers. Weights are random, of the seed below, with
the bits and the sparsity of networks trained with quantization.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gatewright.ir import Graph, Input, Node, Op, Output
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Add, Dense, Quantize, Relu, Reshape, Transpose

SEED = 20261
PARTICLES, FEATURES = 64, 16
CODE = Fixed(signed=True, width=7, frac=3)
"""Format of each feature."""

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SetNetwork:
    """The network, and its weights for whoever wants to build it in another tool.

    Attributes:
        weights: matrix (n_in, n_out) and bias (n_out,) by layer.
        act: bits before and behind the binary point of the unsigned numbers behind each ReLU.
        particles: how many; the mean over them is exact, so they are a power of two.
    """

    graph: Graph
    weights: dict[str, tuple[Reals, Reals]]
    act: dict[str, tuple[int, int]]
    particles: int


@dataclass
class _Builder:
    """Nodes in order, and the weights they hold."""

    rng: np.random.Generator
    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, tuple[Reals, Reals]] = field(default_factory=dict)
    act: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, name: str, op: Op, *inputs: str, layer: str = "") -> str:
        self.nodes.append(Node(name, op, inputs, layer or name))
        return name

    def dense(self, name: str, value: str, n_in: int, n_out: int, density: float = 0.45) -> str:
        """Add a layer of 4-bit weights, `density` of them not zero, and 6-bit biases."""
        kept = self.rng.random((n_in, n_out)) < density
        weight = self.rng.integers(-7, 8, (n_in, n_out)) * kept / 8.0
        bias = self.rng.integers(-31, 32, n_out) / 16.0
        self.weights[name] = weight, bias
        return self.add(name, Dense.of(weight, bias), value)

    def relu(self, name: str, value: str, before: int, behind: int, layer: str) -> str:
        """Add a ReLU whose answers have so many bits before and behind the point."""
        self.act[name] = before, behind
        relu = self.add(name, Relu(), value, layer=layer)
        cut = Quantize.to(False, before + behind, behind, Rounding.RND, Overflow.WRAP)
        return self.add(f"{name}_cut", cut, relu, layer=layer)

    def pool(self, name: str, value: str, particles: int, channels: int, scale: float) -> str:
        """Add a sum over the particles, times a power of two."""
        turned = self.add(f"{name}_turned", Transpose((1, 0)), value, layer=name)
        ones = Dense.of(np.full((particles, 1), scale))
        total = self.add(f"{name}_sum", ones, turned, layer=name)
        return self.add(name, Reshape((channels,)), total)


@lru_cache(maxsize=4)
def set_network(
    particles: int = PARTICLES, features: int = FEATURES, width: int = 16
) -> SetNetwork:
    """Return the network: inputs (particles, features), five outputs."""
    b = _Builder(np.random.default_rng(SEED))
    value = b.dense("embed", "x", features, width)
    own = b.relu("embed_relu", value, 4, 2, "embed")
    mean = b.pool("mean", own, particles, width, 1.0 / particles)
    mean = b.add("mean_cut", Quantize.to(False, 8, 4, Rounding.RND, Overflow.WRAP), mean)
    of_all = b.dense("message", mean, width, width)
    of_one = b.dense("interact", own, width, width)
    joined = b.add("interact_add", Add(), of_one, of_all, layer="interact")
    value = b.relu("interact_relu", joined, 4, 2, "interact")
    value = b.relu("transform_relu", b.dense("transform", value, width, width), 5, 1, "transform")
    value = b.pool("pool", value, particles, width, 1.0)
    value = b.add("pool_cut", Quantize.to(False, 8, -3, Rounding.RND, Overflow.WRAP), value)
    value = b.relu("head_1_relu", b.dense("head_1", value, width, 2 * width), 10, -3, "head_1")
    value = b.relu("head_2_relu", b.dense("head_2", value, 2 * width, 2 * width), 10, -3, "head_2")
    value = b.dense("scores", value, 2 * width, 5)
    kind = Intervals.format(CODE, (particles, features))
    graph = Graph(
        "set_network", (Input("x", (particles, features), kind),), tuple(b.nodes),
        (Output("scores", value),), source="bench/set_network.py",
    )  # fmt: skip
    return SetNetwork(graph, b.weights, b.act, particles)


def chain(operations: int) -> Graph:
    """Return operations one behind the other, on one number: what recursion breaks on."""
    kind = Intervals.format(CODE, (1,))
    cut = Quantize.to_format(CODE, Rounding.RND, Overflow.SAT)
    turns = (Dense.of(np.asarray([[0.75]]), np.asarray([0.125])), cut, Add(), Relu(), cut)
    nodes, value = [], "x"
    for number in range(operations):
        op = turns[number % len(turns)]
        inputs = (value, "x") if isinstance(op, Add) else (value,)
        value = f"n{number}"
        nodes.append(Node(value, op, inputs, "chain"))
    return Graph("chain", (Input("x", (1,), kind),), tuple(nodes), (Output("y", value),))
