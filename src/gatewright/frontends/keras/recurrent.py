"""Recurrent layers of Keras 2 and 3: SimpleRNN, LSTM, GRU, and RNN around their cells.

Facts from Keras 3.15 and tf_keras 2.21 (layers/rnn/*.py). Columns of the weights: LSTM input,
forget, candidate, output; GRU update, reset, candidate. With `reset_after` a GRU's bias is
(2, 3 * units), the second row that of the recurrent product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends.keras.activations import (
    DIRECT,
    function_name,
    hard_sigmoid_ops,
    single,
)
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.weights import NamedWeights, group_name
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
from gatewright.ops import LeakyRelu

TRAINING = frozenset(
    [
        "dropout",
        "recurrent_dropout",
        "seed",
        "implementation",
        "unit_forget_bias",
        "recurrent_initializer",
        "recurrent_regularizer",
        "recurrent_constraint",
        "unroll",
        "zero_output_for_mask",
        "use_cudnn",
        "enable_caching_device",
        "input_length",
        "input_dim",
    ]
)
"""Attributes without effect at inference, or (`zero_output_for_mask`) without a mask."""

FLOWS: dict[str, Any] = {
    "return_sequences": False, "return_state": False, "go_backwards": False, "stateful": False,
    "time_major": False,
}  # fmt: skip
"""Attributes of every recurrent layer."""

SIMPLE: dict[str, Any] = {"units": REQUIRED, "activation": "tanh", "use_bias": True}
LSTM: dict[str, Any] = {**SIMPLE, "recurrent_activation": "sigmoid"}
GRU: dict[str, Any] = {**LSTM, "reset_after": None}

LSTM_ORDER = (0, 1, 3, 2)
"""Where the recipe's columns (input, forget, output, candidate) stand in Keras's."""


def activation_ops(site: Site, function: Any, attribute: str) -> Ops:
    """Return a gate's activation as operations on one value.

    Raises:
        UnsupportedError: it is none of those handled in gates.
    """
    name = function_name(function)
    if name in DIRECT:
        return DIRECT[name]
    if name == "leaky_relu":
        return (LeakyRelu(np.asarray(single(0.2))),)
    if name == "hard_sigmoid":
        return hard_sigmoid_ops(site, attribute)
    raise site.unsupported(
        "an activation function of a recurrent layer is not handled",
        attribute,
        name or repr(function)[:100],
        f"{', '.join(sorted((*DIRECT, 'hard_sigmoid', 'leaky_relu')))}",
        "train with a supported activation",
    )


@dataclass(frozen=True, eq=False)
class CellSite:
    """A cell of a recurrent layer: its attributes, and where its weights are.

    Attributes:
        site: the recurrent layer, with the cell's attributes in place of its own.
        kind: class of the cell, without `Cell`: SimpleRNN, LSTM, GRU.
        part: group of the cell's weights within the layer's.
        features: of an input.
    """

    site: Site
    kind: str
    part: str
    features: int

    def units(self) -> int:
        """Return the number of units, checked."""
        units = self.site.attributes["units"]
        if not isinstance(units, int) or isinstance(units, bool) or units < 1:
            raise ModelError(
                "a recurrent layer's number of units is malformed",
                place=self.site.at("units"),
                found=repr(units)[:100],
                supported="1 and up",
            )
        return units

    def weights(self, gates: int, bias_shape: tuple[int, ...]) -> dict[str, Array]:
        """Return kernel, recurrent_kernel and, where there is one, bias, as float32."""
        names = ["kernel", "recurrent_kernel"]
        names += ["bias"] if self.site.attributes["use_bias"] else []
        arrays = dict(zip(names, self.site.floats(*names, part=self.part), strict=True))
        columns = gates * self.units()
        self.site.expect("kernel", arrays["kernel"], (self.features, columns))
        self.site.expect("recurrent_kernel", arrays["recurrent_kernel"], (self.units(), columns))
        if "bias" in arrays:
            self.site.expect("bias", arrays["bias"], bias_shape)
        return arrays

    def reset_after(self) -> bool:
        """Return a GRU's convention; the default is not the same in all versions."""
        found = self.site.attributes["reset_after"]
        if found is None:
            raise ModelError(
                "a GRU layer does not say where its reset gate acts",
                place=self.site.at("reset_after"),
                found="no attribute reset_after",
                supported="true or false",
                remedy="save the model again with a recent Keras",
            )
        return bool(found)


def cell_of(at: CellSite) -> Cell:
    """Return the cell of a Keras layer."""
    site, units = at.site, at.units()
    activation = activation_ops(site, site.attributes["activation"], "activation")
    if at.kind == "SimpleRNN":
        own = at.weights(1, (units,))
        kernel = Product(own["kernel"], own.get("bias"))
        return SimpleCell(kernel, Product(own["recurrent_kernel"]), activation)
    gate = activation_ops(site, site.attributes["recurrent_activation"], "recurrent_activation")
    if at.kind == "LSTM":
        own = at.weights(4, (4 * units,))
        order = gate_columns(LSTM_ORDER, units)
        kernel = Product(own["kernel"], own.get("bias")).columns(order)
        back = Product(own["recurrent_kernel"]).columns(order)
        return LstmCell(kernel, back, gate, activation, activation)
    after = at.reset_after()
    own = at.weights(3, (2, 3 * units) if after else (3 * units,))
    inner, outer = gru_biases(own.get("bias"), after)
    return GruCell(
        Product(own["kernel"], inner), Product(own["recurrent_kernel"], outer),
        gate, activation, after,
    )  # fmt: skip


def gate_columns(order: Sequence[int], units: int) -> np.ndarray:
    """Return where columns of gates stand: those of gate `order[0]` first."""
    return np.concatenate([np.arange(k * units, (k + 1) * units) for k in order])


def gru_biases(bias: Array | None, reset_after: bool) -> tuple[Array | None, Array | None]:
    """Return the biases of the input's and of the state's product."""
    if bias is None or not reset_after:
        return bias, None
    return bias[0], bias[1]


def check_flow(site: Site) -> None:
    """Note a state that is kept from sample to sample; refuse another order of axes."""
    if site.attributes["stateful"]:
        if site.title in site.builder.stateful:
            raise site.unsupported(
                "a recurrent layer that keeps its state is used several times",
                "stateful",
                "stateful=True, a second call",
                "one call: several would go on from each other's state",
                "give each use a layer of its own",
            )
        site.builder.stateful.append(site.title)
    if site.attributes["time_major"]:
        raise site.unsupported(
            "a recurrent layer takes the time axis in front of the batch",
            "time_major",
            "time_major=True",
            "time_major=False",
            "build the layer with time_major=False",
        )


def split_inputs(site: Site) -> tuple[Value, list[Value]]:
    """Return the sequence and the initial states of a call.

    Keras 3 gives these by the keyword `initial_state`, Keras 2 as further inputs.
    """
    given = site.options.get("initial_state")
    states = [given] if isinstance(given, Value) else list(given or ())
    positional = list(_flat(site.arguments)) or list(site.inputs[: len(site.inputs) - len(states)])
    if not positional or not all(isinstance(v, Value) for v in (*positional, *states)):
        raise ModelError(
            "a recurrent layer's call is malformed",
            place=site.place,
            found=f"{len(positional)} inputs and {len(states)} states",
            supported="a sequence, and initial states",
        )
    if len(positional[0].shape) != 2:
        raise UnsupportedError(
            "a recurrent layer's input is no sequence of vectors",
            place=site.place,
            found=f"shape {positional[0].shape}",
            supported="(steps, features)",
            remedy="reshape the input to (steps, features)",
        )
    return positional[0], [*positional[1:], *states]


def _flat(arguments: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in arguments:
        found += _flat(value) if isinstance(value, list) else [] if value is None else [value]
    return found


def check_states(site: Site, cells: Sequence[Cell], states: Sequence[Value]) -> None:
    """Check number and shapes of the initial states, where any are given."""
    expected = [(width,) for cell in cells for width in cell.widths]
    if states and [state.shape for state in states] != expected:
        raise ModelError(
            "the initial states do not fit a recurrent layer",
            place=site.at("initial_state"),
            found=", ".join(str(state.shape) for state in states),
            supported=", ".join(map(str, expected)),
        )


def run_cells(
    site: Site, cells: Sequence[Cell], x: Value, states: Sequence[Value]
) -> tuple[list[Value], list[Value]]:
    """Append a stack of cells; return the outputs of all steps and the last states.

    A stack runs cell after cell over the whole sequence, which is the same as step after step.
    """
    check_states(site, cells, states)
    final: list[Value] = []
    outputs: list[Value] = []
    left = list(states)
    for number, cell in enumerate(cells):
        label = f"cell{number}_" if len(cells) > 1 else ""
        if number:
            x = sequence(site, outputs, label)
        own, left = left[: len(cell.widths)], left[len(cell.widths) :]
        backwards = bool(site.attributes["go_backwards"]) and number == 0
        run = recurrent(site, cell, x, own, backwards=backwards, label=label)
        outputs = list(run.outputs)
        final += run.states
    return outputs, final


def results(site: Site, outputs: list[Value], states: list[Value]) -> list[Value]:
    """Return what the layer gives: last output or all, and states where asked for."""
    value = sequence(site, outputs) if site.attributes["return_sequences"] else outputs[-1]
    return [value, *states] if site.attributes["return_state"] else [value]


def build_layer(site: Site) -> list[Value]:
    """Append a SimpleRNN, LSTM or GRU layer."""
    check_flow(site)
    x, states = split_inputs(site)
    cell = cell_of(CellSite(site, site.layer.kind, "cell", x.shape[-1]))
    return results(site, *run_cells(site, [cell], x, states))


CELLS = {
    "SimpleRNNCell": Table(SIMPLE, TRAINING),
    "LSTMCell": Table(LSTM, TRAINING),
    "GRUCell": Table(GRU, TRAINING),
}
STACK = Table({"cells": REQUIRED}, only={"reverse_state_order": (False,)})


def _rnn(site: Site) -> list[Value]:
    """Append an RNN layer around a cell, or a stack of cells."""
    check_flow(site)
    x, states = split_inputs(site)
    entry = site.attributes["cell"]
    if _class(site, entry, "cell") == "StackedRNNCells":
        settings = STACK.read(entry["config"], site.at("cell"), "StackedRNNCells")
        entries = settings["cells"] if isinstance(settings["cells"], list) else []
        parts = [f"cell/cells/{name}" for name in _groups(site, entries)]
    else:
        entries, parts = [entry], ["cell"]
    cells: list[Cell] = []
    features = x.shape[-1]
    for inner, part in zip(entries, parts, strict=True):
        kind = _class(site, inner, "cell")
        if kind not in CELLS:
            raise site.unsupported(
                "a cell of a recurrent layer is not handled",
                "cell",
                kind,
                ", ".join((*CELLS, "StackedRNNCells")),
                "use one of these cells",
            )
        values = CELLS[kind].read(inner["config"], site.at("cell"), kind)
        own = replace(site, attributes={**site.attributes, **values})
        cells.append(cell_of(CellSite(own, kind.removesuffix("Cell"), part, features)))
        features = cells[-1].widths[0]
    if not cells:
        raise ModelError("a stack of cells is empty", place=site.at("cell"))
    return results(site, *run_cells(site, cells, x, states))


def _class(site: Site, entry: Any, attribute: str) -> str:
    """Return the class of a serialized layer."""
    kind = entry.get("class_name") if isinstance(entry, Mapping) else None
    if not isinstance(kind, str) or not isinstance(entry.get("config"), Mapping):
        raise ModelError(
            "a layer within a layer is malformed",
            place=site.at(attribute),
            found=repr(entry)[:100],
            supported="a class and its configuration",
        )
    return kind.split(">")[-1]


def _groups(site: Site, entries: Sequence[Any]) -> list[str]:
    """Return the names of stacked cells' weights: classes in `.keras` files, cells in `.h5`."""
    kinds = [_class(site, entry, "cell") for entry in entries]
    if isinstance(site.builder.weights, NamedWeights):
        return [str(entry["config"].get("name", "")) for entry in entries]
    groups, counts = [], dict.fromkeys(kinds, 0)
    for kind in kinds:
        number = counts[kind]
        counts[kind] += 1
        groups.append(group_name(kind) + (f"_{number}" if number else ""))
    return groups


INITIAL = frozenset({"initial_state"})

HANDLERS = (
    *(
        Handler(kind, "keras", Table({**own, **FLOWS}, TRAINING), build_layer, INITIAL)
        for kind, own in (("SimpleRNN", SIMPLE), ("LSTM", LSTM), ("GRU", GRU))
    ),
    Handler("RNN", "keras", Table({"cell": REQUIRED, **FLOWS}, TRAINING), _rnn, INITIAL),
)
