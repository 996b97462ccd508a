"""RNN, LSTM and GRU of ONNX, opsets 7 to 25.

Source: the operator specifications of ONNX 1.22. With `layout` 0 the axes of X are (steps, batch,
features) and those of Y (steps, directions, batch, units). A reverse direction reads from the last
step to the first, and its Y stands in the order of the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Const, Operand, Value
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
from gatewright.ir import Reals
from gatewright.ops import (
    Affine,
    Clip,
    Concatenate,
    Constant,
    Function,
    Gather,
    LeakyRelu,
    Relu,
    Reshape,
)

DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
DEFAULTS = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
LSTM_ORDER = (0, 2, 1, 3)
"""Where the recipe's columns (input, forget, output, candidate) stand among ONNX's."""


def _affine(scale: float, offset: float) -> Affine:
    return Affine(np.asarray(scale), np.asarray(offset))


@dataclass(frozen=True)
class Kind:
    """An activation: its parameters' defaults (None: it has none), and its operations."""

    alpha: float | None
    beta: float | None
    ops: Callable[[Any, Any], Ops]


ACTIVATIONS: dict[str, Kind] = {
    "affine": Kind(1.0, 0.0, lambda a, b: (_affine(a, b),)),
    "hardsigmoid": Kind(0.2, 0.5, lambda a, b: (_affine(a, b), Clip(0.0, 1.0))),
    "leakyrelu": Kind(0.01, None, lambda a, b: (LeakyRelu(np.asarray(a)),)),
    "relu": Kind(None, None, lambda a, b: (Relu(),)),
    "scaledtanh": Kind(1.0, 1.0, lambda a, b: (_affine(b, 0.0), Function("tanh"), _affine(a, 0.0))),
    "sigmoid": Kind(None, None, lambda a, b: (Function("sigmoid"),)),
    "softplus": Kind(None, None, lambda a, b: (Function("softplus"),)),
    "softsign": Kind(None, None, lambda a, b: (Function("softsign"),)),
    "tanh": Kind(None, None, lambda a, b: (Function("tanh"),)),
}
"""Activations by name in lower case; they are written in any case."""


@dataclass(frozen=True, eq=False)
class Form:
    """A node's attributes.

    Attributes:
        backwards: of each direction, whether it runs from the last step to the first.
        batch: axis of X that is the batch.
    """

    units: int
    backwards: tuple[bool, ...]
    batch: int
    activations: tuple[tuple[Ops, ...], ...]
    clip: float | None


def rnn(call: Call) -> Sequence[Operand]:
    """Return `Y` and `Y_h` of a plain recurrent layer."""
    form = _form(call)

    def cell(d: int) -> Cell:
        kernel, back = _products(call, form, d, joint=True)
        first: Ops = () if form.clip is None else (Clip(-form.clip, form.clip),)
        return SimpleCell(kernel, back, first + form.activations[d][0])

    return _run(call, form, [cell(d) for d in range(len(form.backwards))])


def gru(call: Call) -> Sequence[Operand]:
    """Return `Y` and `Y_h` of a gated recurrent unit."""
    after = call.attributes.flag("linear_before_reset", False)
    form = _form(call)

    def cell(d: int) -> Cell:
        kernel, back = _products(call, form, d, joint=not after)
        gate, candidate = form.activations[d]
        return GruCell(kernel, back, gate, candidate, after, clip=form.clip)

    return _run(call, form, [cell(d) for d in range(len(form.backwards))])


def lstm(call: Call) -> Sequence[Operand]:
    """Return `Y`, `Y_h` and `Y_c` of a long short-term memory."""
    coupled = call.attributes.flag("input_forget", False)
    form = _form(call)
    peepholes = _parameters(call, form, 7, "P", (3 * form.units,))

    def cell(d: int) -> Cell:
        kernel, back = _products(call, form, d, joint=True)
        order = np.arange(4 * form.units).reshape(4, -1)[list(LSTM_ORDER)].ravel()
        gate, candidate, output = form.activations[d]
        seen = None
        if peepholes is not None and peepholes[d].any():
            seen = peepholes[d].reshape(3, form.units)[[0, 2, 1]]
        return LstmCell(
            kernel.columns(order), back.columns(order), gate, candidate, output, seen, coupled,
            clip=form.clip,
        )  # fmt: skip

    return _run(call, form, [cell(d) for d in range(len(form.backwards))])


def _form(call: Call) -> Form:
    """Read the attributes that all three operators have."""
    attributes = call.attributes
    direction = attributes.text("direction", "forward").lower()
    if direction not in DIRECTIONS:
        raise call.unsupported(
            "a recurrent node's direction is not known",
            found=direction,
            supported=", ".join(DIRECTIONS),
        )
    backwards = DIRECTIONS[direction]
    units = attributes.integer("hidden_size", 0)
    recurrence = call.const(2, "R")
    if len(recurrence.shape) != 3 or units not in (0, recurrence.shape[2]):
        raise call.unsupported(
            "a recurrent node's hidden_size does not fit its weights",
            found=f"{units}, R of shape {recurrence.shape}",
        )
    clip = attributes.number("clip", 0.0) if attributes.has("clip") else None
    if clip is not None and clip <= 0:
        raise call.unsupported("a recurrent node's clip is not positive", found=clip)
    attributes.ignore("output_sequence")  # until opset 7: whether Y is given
    layout = attributes.flag("layout", False)
    names = [*attributes.texts("activations")] or list(DEFAULTS[call.node.op_type] * len(backwards))
    return Form(
        recurrence.shape[2], backwards, 0 if layout else 1,
        _activations(call, names, len(backwards)), clip,
    )  # fmt: skip


def _activations(call: Call, names: list[str], directions: int) -> tuple[tuple[Ops, ...], ...]:
    """Return the activations of each direction; parameters are taken in their order."""
    each = len(DEFAULTS[call.node.op_type])
    if len(names) != each * directions:
        raise call.unsupported(
            "a recurrent node has another number of activations",
            found=", ".join(names),
            supported=f"{each} for each direction",
        )
    alphas = iter(call.attributes.numbers("activation_alpha") or ())
    betas = iter(call.attributes.numbers("activation_beta") or ())
    found = [_activation(call, name, alphas, betas) for name in names]
    if [*alphas, *betas]:
        raise call.unsupported(
            "a recurrent node has more activation parameters than its activations take",
            found=", ".join(names),
        )
    return tuple(tuple(found[k : k + each]) for k in range(0, len(found), each))


def _activation(call: Call, name: str, alphas: Iterator[float], betas: Iterator[float]) -> Ops:
    kind = ACTIVATIONS.get(name.lower())
    if kind is None:
        raise call.unsupported(
            "an activation of a recurrent node is not handled",
            found=name,
            supported=", ".join(sorted(ACTIVATIONS)),
            remedy="train with a supported activation",
        )
    alpha = None if kind.alpha is None else next(alphas, kind.alpha)
    beta = None if kind.beta is None else next(betas, kind.beta)
    return kind.ops(alpha, beta)


def _parameters(
    call: Call, form: Form, index: int, what: str, shape: tuple[int, ...]
) -> Reals | None:
    """Return an optional constant with an axis of directions in front, checked."""
    const = call.optional_const(index, what)
    if const is None:
        return None
    wanted = (len(form.backwards), *shape)
    if const.shape != wanted:
        raise call.unsupported(
            f"the weights {what} of a recurrent node have the wrong shape",
            found=const.shape,
            supported=wanted,
        )
    return const.reals()


def _products(call: Call, form: Form, d: int, joint: bool) -> tuple[Product, Product]:
    """Return the products of inputs and of the state; `joint` puts both biases into one."""
    columns = GATES[call.node.op_type] * form.units
    features = _sequence(call, form).shape[1]
    weight = _parameters(call, form, 1, "W", (columns, features))
    back = _parameters(call, form, 2, "R", (columns, form.units))
    bias = _parameters(call, form, 3, "B", (2 * columns,))
    assert weight is not None
    assert back is not None
    if bias is None:
        return Product(weight[d].T), Product(back[d].T)
    first, second = bias[d][:columns], bias[d][columns:]
    if not joint:
        return Product(weight[d].T, first), Product(back[d].T, second)
    return Product(weight[d].T, first + second), Product(back[d].T)


def _sequence(call: Call, form: Form) -> Value:
    """Return X, of a sample's shape (steps, features)."""
    x = call.value(0, "X")
    if x.rank != 3 or x.batch != form.batch:
        raise call.unsupported(
            "the batch is not where a recurrent node has it",
            found=f"axis {x.batch} of {x.rank}",
            supported=f"axis {form.batch} of 3: (steps, batch, features) with layout 0, "
            "(batch, steps, features) with layout 1",
            remedy="transpose the input (batch, steps, features) in front of the node",
        )
    return x


def _run(call: Call, form: Form, cells: Sequence[Cell]) -> Sequence[Operand]:
    """Append all directions; return Y and the last states."""
    x = _sequence(call, form)
    _check_lengths(call, x.shape[0])
    flat = Value(x.name, x.shape)
    directions: list[Value] = []
    states: list[list[Value]] = []
    for d, (cell, backwards) in enumerate(zip(cells, form.backwards, strict=True)):
        label = f"{'backward' if backwards else 'forward'}_" if len(cells) > 1 else ""
        initial = [
            _initial(call, form, 5 + k, d, flat, width) for k, width in enumerate(cell.widths)
        ]
        run = recurrent(call, cell, flat, initial, backwards=backwards, label=label)
        outputs = run.outputs[::-1] if backwards else run.outputs
        directions.append(sequence(call, outputs, label))
        states.append(list(run.states))
    steps, units = directions[0].shape
    count = len(cells)
    joined = directions[0]
    if count > 1:
        joined = call.emit(Concatenate(1), *directions, suffix="directions")
    y = call.emit(Reshape((steps, count, units)), joined)
    results = [Value(y.name, y.shape, batch=0 if form.batch == 0 else 2)]
    for k in range(len(states[0])):
        own = [state[k] for state in states]
        last = own[0] if count == 1 else call.emit(Concatenate(0), *own, suffix=f"states{k}")
        last = call.emit(Reshape((count, units)), last, suffix=f"state{k}")
        results.append(Value(last.name, last.shape, batch=form.batch))
    return results


def _check_lengths(call: Call, steps: int) -> None:
    """Accept lengths of sequences that are all steps."""
    if call.optional(4) is None:
        return
    lengths = call.const(4, "sequence_lens").array
    if (lengths != steps).any():
        raise call.unsupported(
            "a recurrent node takes only part of its steps",
            found=f"sequence_lens {np.unique(lengths)[:4].tolist()} of {steps} steps",
            supported="sequences of full length",
            remedy="cut the input to the length that is used",
        )


def _initial(call: Call, form: Form, index: int, d: int, x: Value, width: int) -> Value | None:
    """Return an initial state of one direction; None for zeros."""
    state = call.optional(index)
    if state is None:
        return None
    wanted = (len(form.backwards), width)
    if isinstance(state, Const):
        array = state.reals()
        batch = form.batch
        if (
            array.ndim != 3
            or array.shape[batch] != 1
            or np.delete(array.shape, batch).tolist() != [*wanted]
        ):
            raise call.unsupported(
                "a recurrent node's initial state has the wrong shape",
                found=array.shape,
                supported=f"{wanted} besides a batch of 1",
            )
        row = np.take(array, 0, batch)[d]
        return call.emit(Constant(row), x, suffix=f"given{index}_{d}") if row.any() else None
    value = call.value(index, "initial state")
    if value.shape != wanted or value.batch != form.batch:
        raise call.unsupported(
            "a recurrent node's initial state has the wrong shape",
            found=f"{value.shape} with the batch at axis {value.batch}",
            supported=f"{wanted} with the batch at axis {form.batch}",
        )
    flat = Value(value.name, value.shape)
    return call.emit(Gather.of(d, 0), flat, suffix=f"given{index}_{d}")
