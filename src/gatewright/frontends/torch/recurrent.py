"""`nn.RNN`, `nn.LSTM` and `nn.GRU`: several layers, both directions, projections, given states.

Source: the formulas and the order of weights in the documentation of `torch.nn` (2.13). The gates
of an LSTM stand in the order input, forget, candidate, output; those of a GRU reset, update,
candidate, with the reset gate behind the recurrent product and its bias.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gatewright.frontends.recipes.recurrent import (
    Cell,
    GruCell,
    LstmCell,
    Ops,
    Product,
    SimpleCell,
    recurrent,
    sequence,
)
from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Const, Operand, Value
from gatewright.ir import Op, Reals
from gatewright.ops import Concatenate, Function, Gather, Relu, Reshape

SIGMOID: Ops = (Function("sigmoid"),)
TANH: Ops = (Function("tanh"),)


def rnn(activation: Op) -> Callable[[Call], Operand]:
    """Return a handler of a plain recurrent layer."""

    def cell(weights: list[Reals]) -> Cell:
        kernel, back, first, second, _ = _parts(weights)
        return SimpleCell(Product(kernel, first + second), Product(back), (activation,))

    return lambda call: _run(call, cell, 1)


def _lstm_cell(weights: list[Reals]) -> Cell:
    kernel, back, first, second, projection = _parts(weights)
    order = np.arange(kernel.shape[1]).reshape(4, -1)[[0, 1, 3, 2]].ravel()
    return LstmCell(
        Product(kernel, first + second).columns(order), Product(back).columns(order), SIGMOID,
        TANH, TANH, projection=None if projection is None else Product(projection),
    )  # fmt: skip


def _gru_cell(weights: list[Reals]) -> Cell:
    kernel, back, first, second, _ = _parts(weights)
    order = np.arange(kernel.shape[1]).reshape(3, -1)[[1, 0, 2]].ravel()
    return GruCell(
        Product(kernel, first).columns(order), Product(back, second).columns(order), SIGMOID, TANH
    )


def _parts(weights: list[Reals]) -> tuple[Reals, Reals, Reals, Reals, Reals | None]:
    """Return kernel, recurrent kernel, both biases and the projection."""
    kernel, back, *rest = weights
    projection = rest.pop() if len(rest) % 2 else None
    first, second = rest or [np.zeros(len(kernel)), np.zeros(len(kernel))]
    return kernel.T, back.T, first, second, None if projection is None else projection.T


def lstm(call: Call) -> Operand:
    """Return outputs, last hidden and last cell states."""
    return _run(call, _lstm_cell, 2)


def gru(call: Call) -> Operand:
    """Return outputs and last states."""
    return _run(call, _gru_cell, 1)


def _run(call: Call, make: Callable[[list[Reals]], Cell], states: int) -> Operand:
    """Append all layers and directions."""
    x, weights = _input(call), _weights(call)
    layers, both = call.integer("num_layers"), call.flag("bidirectional")
    call.ignore("has_biases", "batch_first")
    if call.flag("train") and call.number("dropout"):
        raise call.unsupported("a recurrent layer drops out values", remedy="export module.eval()")
    call.ignore("dropout", "train")
    initial = _initial(call, states)
    directions = 2 if both else 1
    each = len(weights) // (layers * directions)
    last: list[list[Value]] = [[] for _ in range(states)]
    value = replace(x, batch=0)
    for layer in range(layers):
        results = []
        for d in range(directions):
            number = layer * directions + d
            cell = make(weights[number * each : (number + 1) * each])
            label = _label(layer, d, layers, directions)
            given = [_state(call, s, number, label, value) for s in initial]
            run = recurrent(call, cell, value, given, backwards=d == 1, label=label)
            outputs = run.outputs[::-1] if d else run.outputs
            results.append(sequence(call, outputs, label))
            for k in range(states):
                last[k].append(run.states[k])
        value = results[0]
        if directions == 2:
            value = call.emit(Concatenate(1), *results, suffix=f"both{layer}" if layer else "both")
    return (replace(value, batch=x.batch), *(_stacked(call, s, k) for k, s in enumerate(last)))


def _label(layer: int, direction: int, layers: int, directions: int) -> str:
    first = f"layer{layer}_" if layers > 1 else ""
    return first + (("forward_", "backward_")[direction] if directions == 2 else "")


def _input(call: Call) -> Value:
    """Return the sequence (steps, features), wherever its batch is."""
    x = call.value("input")
    axis = 0 if call.flag("batch_first") else 1
    if x.joined or x.rank != 3 or x.batch not in (axis, None):
        raise call.unsupported(
            "a recurrent layer finds no batch where it has one",
            found=str(x),
            supported="(batch, steps, features) with batch_first, else (steps, batch, features)",
        )
    return x


def _weights(call: Call) -> list[Reals]:
    found = []
    for part in call.operand("params"):
        if not isinstance(part, Const):
            raise call.unsupported("a recurrent layer has computed weights")
        found.append(call.finite(part.reals(), "the weights"))
    return found


def _initial(call: Call, states: int) -> list[Operand]:
    """Return the states before the first step, of all layers and directions."""
    given = call.operand("hx")
    return list(given) if isinstance(given, list | tuple) else [given] * states


def _state(call: Call, state: Operand, number: int, label: str, like: Value) -> Value | None:
    """Return a state of one layer and direction; None for zeros."""
    suffix = f"{label}given"
    if isinstance(state, Const):
        numbers = call.sample(state.reals(), Value("", state.shape[:1] + state.shape[2:], 1))
        row = numbers[number]
        return call.constant(row, like, suffix) if row.any() else None
    if not isinstance(state, Value) or state.batch not in (1, None) or state.joined:
        raise call.unsupported("an initial state is not (layers, batch, units)", found=str(state))
    return call.emit(Gather.of(number, 0), replace(state, batch=0), suffix=suffix)


def _stacked(call: Call, states: list[Value], number: int) -> Value:
    """Return last states of all layers and directions as (layers, batch, units)."""
    parts = [
        call.emit(Reshape((1, *s.shape)), s, suffix=f"last{number}_{k}")
        for k, s in enumerate(states)
    ]
    joined = parts[0]
    if len(parts) > 1:
        joined = call.emit(Concatenate(0), *parts, suffix=f"last{number}")
    return replace(joined, batch=1)


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "gru.input": gru,
    "lstm.input": lstm,
    "rnn_relu.input": rnn(Relu()),
    "rnn_tanh.input": rnn(Function("tanh")),
}
