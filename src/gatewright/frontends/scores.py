"""Anomaly scores: a graph whose only output is a score made of what the model computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import Namer, OptionError
from gatewright.frontends.recipes.scores import (
    divergence,
    mean_square,
    squared_error,
    sum_square,
)
from gatewright.ir import Graph, Node, Op, Output, shapes


@dataclass(frozen=True)
class Tensor:
    """A value of the graph."""

    name: str
    shape: tuple[int, ...]


class Extension:
    """Appends operations to a finished graph: an emitter for recipes."""

    def __init__(self, graph: Graph, layer: str) -> None:
        self.nodes: list[Node] = list(graph.nodes)
        self.layer = layer
        self._names = Namer([*(i.name for i in graph.inputs), *(n.name for n in graph.nodes)])

    def emit(
        self, op: Op, *inputs: Tensor, suffix: str = "", part: str = "", tie: str = ""
    ) -> Tensor:
        """Append an operation; see `recipes.emitter.Emitter`."""
        name = self._names.name(f"{self.layer}_{suffix}" if suffix else self.layer, "score")
        result = op.real(*(np.zeros((1, *t.shape)) for t in inputs))
        names = tuple(t.name for t in inputs)
        self.nodes.append(Node(name, op, names, self.layer, part, tie))
        return Tensor(name, result.shape[1:])


KINDS: dict[str, tuple[int, Callable[..., Tensor], str]] = {
    "kl": (
        2,
        divergence,
        "Kullback-Leibler divergence of a latent normal from the unit one, "
        "-0.5 * sum(1 + logvar - mu**2 - exp(logvar)), of the outputs mu and logvar",
    ),
    "mean-square": (1, mean_square, "mean of the squares of an output, such as latent means"),
    "mse": (1, squared_error, "mean squared error of an output against the model's input"),
    "sum-square": (1, sum_square, "sum of the squares of an output, such as latent means"),
}
"""Scores by name: outputs that they read, what builds them, what they are."""

HELP = "; ".join(f"{kind}: {text}" for kind, (_, _, text) in KINDS.items())


def with_score(graph: Graph, score: str) -> Graph:
    """Return the graph with an anomaly score as its only output, named `score`.

    Args:
        graph: of real numbers, as imported.
        score: `KIND` for the model's own outputs, in order, or `KIND:NAME[,NAME]` for outputs or
            layers by name; kinds are in `KINDS`.

    Raises:
        OptionError: no such kind, output or layer; or shapes do not fit.
    """
    kind, _, names = str(score).partition(":")
    if kind not in KINDS:
        raise OptionError("a score is not known", found=score, supported=HELP)
    count, build, _ = KINDS[kind]
    known = shapes(graph)
    wanted = [n.strip() for n in names.split(",")] if names else [o.name for o in graph.outputs]
    if len(wanted) != count:
        raise OptionError(
            f"the score {kind!r} reads {count} output{'s' * (count > 1)}",
            found=", ".join(wanted),
            supported=f"{kind}:{','.join(['NAME'] * count)}, of outputs or layers",
            remedy="name what it is to read",
        )
    values = [_value(graph, name) for name in wanted]
    parts = [Tensor(name, known[name]) for name in values]
    if kind == "mse":
        parts += [Tensor(i.name, i.shape) for i in graph.inputs]
    sizes = {int(np.prod(part.shape)) for part in parts}
    if len(sizes) != 1 or (kind == "mse" and len(parts) != 2):
        raise OptionError(
            "what a score compares does not have one shape",
            found=" and ".join(f"{p.name} {p.shape}" for p in parts),
            supported="one input, and an output of as many numbers" if kind == "mse" else "one",
        )
    to = Extension(graph, "score")
    found = build(to, *parts)
    return replace(
        graph,
        nodes=tuple(to.nodes),
        outputs=(Output("score", found.name),),
        facts={**graph.facts, "score": score},
    )


def _value(graph: Graph, name: str) -> str:
    """Return the value of an output, or of a layer's last operation, by name."""
    for output in graph.outputs:
        if output.name == name:
            return output.value
    for node in reversed(graph.nodes):
        if name in (node.layer, node.name):
            return node.name
    layers = dict.fromkeys(node.layer or node.name for node in graph.nodes)
    raise OptionError(
        "a score reads an output that is not there",
        found=name,
        supported=", ".join(dict.fromkeys([*(o.name for o in graph.outputs), *layers])),
    )
