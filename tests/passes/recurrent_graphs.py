"""Small recurrent layers as integer graphs, emitted by the frontends' own recipes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatewright.frontends.recipes.recurrent import (
    GruCell,
    LstmCell,
    Product,
    SimpleCell,
    recurrent,
    sequence,
)
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import Add, Concatenate, Constant, Function, Gather, Quantize

STEPS, FEATURES, UNITS = 3, 2, 3


def narrow(width, frac):
    return Quantize.to(True, width, frac, Rounding.RND, Overflow.SAT)


SIGMOID = (narrow(5, 2), Function("sigmoid", Quantize.to(False, 4, 4, Rounding.RND, Overflow.SAT)))
TANH = (narrow(5, 2), Function("tanh", narrow(5, 4)))
STATE = (narrow(5, 4),)


@dataclass(frozen=True)
class Value:
    """A value of the graph under construction."""

    name: str
    shape: tuple[int, ...]


@dataclass
class Nodes:
    """An emitter for one layer."""

    layer: str
    nodes: list[Node] = field(default_factory=list)

    def emit(self, op, *inputs, suffix="", part="", tie=""):
        name = "_".join(filter(None, (self.layer, suffix)))
        tie = f"{self.layer}/{tie}" if tie else ""
        names = tuple(value.name for value in inputs)
        self.nodes.append(Node(name, op, names, self.layer, part, tie))
        zeros = [np.zeros((1, *value.shape)) for value in inputs]
        return Value(name, op.real(*zeros).shape[1:])


def product(rng, n_in, n_out, bias=True):
    weight = rng.integers(-6, 7, (n_in, n_out)) / 4
    return Product(weight, rng.integers(-6, 7, n_out) / 8 if bias else None)


def cell_of(kind, features=FEATURES, units=UNITS, seed=0):
    rng = np.random.default_rng(seed)
    if kind == "simple":
        kernel, back = product(rng, features, units), product(rng, units, units, False)
        return SimpleCell(kernel, back, TANH, state=STATE)
    if kind == "lstm":
        kernel, back = product(rng, features, 4 * units), product(rng, units, 4 * units, False)
        return LstmCell(kernel, back, SIGMOID, TANH, TANH, state=STATE)
    kernel, back = product(rng, features, 3 * units), product(rng, units, 3 * units)
    return GruCell(kernel, back, SIGMOID, TANH, inner=(narrow(6, 3),), state=STATE)


def sequence_input(steps=STEPS, features=FEATURES):
    shape = (steps, features)
    kind = Intervals.of(np.full(shape, -8), np.full(shape, 7), 2)
    return Input("x", shape, kind), Value("x", shape)


def graph_of(emitter, inputs, *outputs):
    ports = tuple(Output(f"y{i}", value.name) for i, value in enumerate(outputs))
    return Graph(emitter.layer, tuple(inputs), tuple(emitter.nodes), ports)


def layer(kind, each=False, steps=STEPS, backwards=False, states=False, **options):
    """A layer that gives the last output, those of all steps (`each`), or last states, too."""
    (port, x), to = sequence_input(steps, options.get("features", FEATURES)), Nodes(kind)
    run = recurrent(to, cell_of(kind, **options), x, backwards=backwards)
    value = sequence(to, run.outputs[::-1] if backwards else run.outputs) if each else (
        run.outputs[-1]
    )  # fmt: skip
    return graph_of(to, [port], value, *(run.states[-1:] if states else ()))


def both_ways(kind):
    """Forward and backward, their outputs of all steps side by side."""
    (port, x), to = sequence_input(), Nodes(kind)
    forth = recurrent(to, cell_of(kind), x, label="forward_")
    back = recurrent(to, cell_of(kind, seed=1), x, label="backward_", backwards=True)
    values = sequence(to, forth.outputs, "forward_"), sequence(to, back.outputs[::-1], "backward_")
    return graph_of(to, [port], to.emit(Concatenate(1), *values, suffix="both"))


def from_a_given_state(kind):
    """The states before the first step are inputs of the model."""
    (port, x), to = sequence_input(), Nodes(kind)
    cell = cell_of(kind)
    given = [Value(f"s{k}", (width,)) for k, width in enumerate(cell.widths)]
    ports = [
        Input(v.name, v.shape, Intervals.of(np.full(v.shape, -9), np.full(v.shape, 9), 3))
        for v in given
    ]
    run = recurrent(to, cell, x, given)
    return graph_of(to, [port, *ports], run.outputs[-1])


def one_layer_for_each_step():
    """A layer that does the same to each row, a row after the other, as TimeDistributed has it."""
    (port, x), to = sequence_input(), Nodes("same")
    dense = product(np.random.default_rng(4), FEATURES, UNITS).ops[0]
    shift = to.emit(Constant(np.asarray([0.5, -0.25, 0.0])), x, suffix="shift")
    outputs = []
    for k in range(STEPS):
        names = {"part": f"step {k}"}
        value = to.emit(Gather.of(k, 0), x, suffix=f"{k}_row", tie="row", **names)
        value = to.emit(dense, value, suffix=f"{k}_dense", tie="dense", **names)
        value = to.emit(Add(), value, shift, suffix=f"{k}_sum", tie="sum", **names)
        outputs.append(to.emit(narrow(5, 2), value, suffix=f"{k}_q", tie="q", **names))
    return graph_of(to, [port], sequence(to, outputs))
