"""Small models and data that several tests of the quantizer use."""

from __future__ import annotations

import numpy as np

from gatewright.ir import Graph, Input, Node, Output, evaluate, run_real
from gatewright.num import FixedArray
from gatewright.ops import Dense, Relu, Softmax
from gatewright.quantize.forward import decode, encode


def chain(*ops, shape=(6,), name="model"):
    """Build a graph of operations one after the other, a layer each."""
    nodes, last = [], "x"
    for k, op in enumerate(ops):
        nodes.append(Node(f"n{k}", op, (last,), f"layer_{k}"))
        last = f"n{k}"
    return Graph(name, (Input("x", shape),), tuple(nodes), (Output("y", last),), "model.onnx")


def dense(rng, n_in, n_out):
    """Return a dense layer whose outputs have about the spread of its inputs."""
    return Dense.of(
        rng.normal(size=(n_in, n_out)) * 1.4 / np.sqrt(n_in), rng.normal(size=n_out) * 0.3
    )


def classifier(seed=0, hidden=12):
    """Return an MLP that ends with a softmax."""
    rng = np.random.default_rng(seed)
    ops = (dense(rng, 6, hidden), Relu(), dense(rng, hidden, hidden), Relu(), dense(rng, hidden, 3))
    return chain(*ops, Softmax())


def samples(count=1200, n=6, seed=1):
    """Return inputs of different scales."""
    return np.random.default_rng(seed).normal(size=(count, n)) * np.linspace(0.3, 2, n)


def drawn_labels(graph, x, seed=2):
    """Draw labels from a classifier's own probabilities."""
    p = run_real(graph, {"x": x})[graph.outputs[0].value]
    u = np.random.default_rng(seed).random((len(p), 1))
    return (p.cumsum(1) < u).sum(1).clip(0, p.shape[1] - 1)


def integers(graph, inputs):
    """Run a quantized graph on integers and decode."""
    encoded = {
        i.name: FixedArray(
            np.rint(np.ldexp(encode(graph, inputs)[i.name], i.type.frac)).astype(np.int64),
            i.type.frac,
        )
        for i in graph.inputs
    }
    return decode(graph, {name: v.value for name, v in evaluate(graph, encoded).items()})
