"""Read a Keras model file into a graph, without Keras."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gatewright.base import Diagnostics, GatewrightError, ModelError, Namer, Place, UnsupportedError
from gatewright.frontends.keras.file import open_model
from gatewright.frontends.keras.handler import Builder, Handler, Site, TiedSite, Value
from gatewright.frontends.keras.handlers import INPUT, LIBRARIES, find_handler, library
from gatewright.frontends.keras.model import MODELS, Call, ConfigReader, Layer, Model, Ref, Slot
from gatewright.frontends.keras.wrappers import WRAPPERS, inner_layers
from gatewright.ir import Graph, Input, Output

Names = tuple[str, ...]
Use = tuple[str, int]


def read_keras(path: Path) -> Graph:
    """Read a Keras 3 `.keras` file or a Keras 2 or 3 `.h5` file of a whole model.

    Plain Keras, QKeras and HGQ2 layers are read from configuration and weights, with zipfile, json
    and h5py alone; no code in the file is run. The graph's inputs are real numbers; a quantized
    model keeps its quantizers as operations.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is damaged, hostile or no model, or its weights are not finite.
        UnsupportedError: a layer or an attribute is not handled.
        ManyErrors: several of these, each naming a layer.
    """
    path = Path(path)
    with open_model(path) as file:
        major = file.version.split(".")[0]
        keras = int(major) if major.isdigit() else 0
        model = ConfigReader(str(path), keras).model(file.config)
        builder = Builder(str(path), keras, file.weights)
        reading = Reading(builder)
        diagnostics = Diagnostics()
        reading.check(model, diagnostics)
        inputs = reading.inputs(model, diagnostics)
        diagnostics.raise_if_any()
        results = reading.run(model, [inputs[ref.layer] for _, ref in model.inputs])
    namer = Namer(value.name for value in inputs.values())
    outputs = [
        Output(namer.name(name, "output"), value.name)
        for (name, _), value in zip(model.outputs, results, strict=True)
    ]
    facts = {
        "framework": "Keras",
        "framework version": file.version,
        "saved": file.saved,
        "quantization": " and ".join(sorted(reading.quantizers)),
    }
    return Graph(
        model.name,
        tuple(Input(value.name, value.shape) for value in inputs.values()),
        tuple(builder.nodes),
        tuple(outputs),
        source=str(path),
        facts={key: value for key, value in facts.items() if value},
        stateful=tuple(builder.stateful),
    )


class Reading:
    """Check every layer of a model first, so that a user sees all errors; then build."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.quantizers: set[str] = set()
        self._handlers = builder.handlers
        self._used: dict[Names, int] = {}
        self._nested: dict[Names, Model] = {}

    def place(self, layer: Layer, attribute: str = "") -> Place:
        """Return where a layer is."""
        return Place(self.builder.source, "/".join(layer.address.names), attribute)

    def check(self, model: Model, diagnostics: Diagnostics) -> None:
        """Find the handler of every layer and read its attributes."""
        for layer in model.layers:
            with diagnostics.gather():
                self._check(layer, diagnostics)

    def _check(self, layer: Layer, diagnostics: Diagnostics) -> None:
        if layer.kind in MODELS and library(layer) == "keras":
            entry = {"class_name": layer.kind, "config": layer.config}
            nested = ConfigReader(self.builder.source, self.builder.keras).model(
                entry, layer.address
            )
            self._nested[layer.address.names] = nested
            self._check_calls(layer, None)
            self.check(nested, diagnostics)
        elif layer.kind == "InputLayer":
            INPUT.read(layer.config, self.place(layer), layer.kind)
        else:
            self._check_calls(layer, self._find(layer))

    def _find(self, layer: Layer) -> Handler:
        """Find the handler of a layer, and of those it wraps, and read their attributes."""
        handler = find_handler(layer, self.place(layer))
        values = handler.table.read(layer.config, self.place(layer), layer.kind)
        self._handlers[layer.address.names] = handler, values
        if handler.family != "keras":
            self.quantizers.add(LIBRARIES[handler.family])
        for inner in inner_layers(layer, self.builder.source) if layer.kind in WRAPPERS else ():
            self._find(inner)
        return handler

    def _check_calls(self, layer: Layer, handler: Handler | None) -> None:
        """Refuse what the layer is called with and its handler does not read."""
        for call in layer.calls:
            constants = list(_constants(call.arguments))
            if constants and not (handler and handler.constants):
                raise UnsupportedError(
                    "a layer is called with something that is no tensor",
                    place=self.place(layer),
                    found=repr(constants[0])[:200],
                    supported="tensors computed from the model's inputs",
                    remedy="express constants by layers (Rescaling, Dense) or leave them out",
                )
            known = handler.options if handler else frozenset()
            for key in sorted(set(call.options) - known):
                raise UnsupportedError(
                    "a layer is called with an option that is not handled",
                    place=self.place(layer, key),
                    found=repr(call.options[key])[:200],
                    supported=", ".join(["training=False", *sorted(known)]),
                    remedy="call the layer without this option",
                )

    def inputs(self, model: Model, diagnostics: Diagnostics) -> dict[str, Value]:
        """Return the values of the model's input layers."""
        layers = {layer.name: layer for layer in model.layers}
        values: dict[str, Value] = {}
        for name, ref in model.inputs:
            with diagnostics.gather():
                layer = layers.get(ref.layer)
                if layer is None or layer.kind != "InputLayer" or ref.layer in values:
                    raise ModelError(
                        "an input of the model is no input layer, or is named twice",
                        place=Place(self.builder.source, name),
                        found=layer.kind if layer else "no layer of this name",
                    )
                shape = self._input_shape(layer)
                values[ref.layer] = Value(self.builder.namer.name(layer.name, "input"), shape)
        return values

    def _input_shape(self, layer: Layer) -> tuple[int, ...]:
        """Return the shape of one sample."""
        for key in ("batch_shape", "batch_input_shape"):
            shape = layer.config.get(key)
            if shape is not None:
                break
        if not isinstance(shape, list) or not _sound(shape):
            raise ModelError(
                "an input's shape is malformed",
                place=self.place(layer, "batch_shape"),
                found=repr(shape)[:200],
                supported="[null, n, ...]",
            )
        if None in shape[1:]:
            raise UnsupportedError(
                "an input has a dimension without a length",
                place=self.place(layer, "batch_shape"),
                found=shape,
                supported="fixed lengths but for the batch, which comes first",
                remedy="build the model with a fixed input shape and load the weights into it",
            )
        self.builder.check_shape(tuple(shape[1:]), self.place(layer))
        return tuple(shape[1:])

    def run(self, model: Model, given: list[Value]) -> list[Value]:
        """Build every call in order of computation and return the model's outputs."""
        done: dict[Use, list[Value]] = {
            (ref.layer, ref.call): [value]
            for (_, ref), value in zip(model.inputs, given, strict=True)
        }
        diagnostics = Diagnostics()
        uses = _uses(model)
        for layer, call, use in _in_order(self.builder.source, uses, set(done)):
            inputs = [done.get((ref.layer, ref.call)) for ref in call.inputs]
            if all(inputs):
                with diagnostics.gather():
                    values = [self._take(layer, done, ref) for ref in call.inputs]
                    done[use] = self._build(layer, call, values)
        diagnostics.raise_if_any()
        return [self._take(None, done, ref) for _, ref in model.outputs]

    def _take(self, layer: Layer | None, done: dict[Use, list[Value]], ref: Ref) -> Value:
        values = done.get((ref.layer, ref.call), [])
        if ref.tensor >= len(values):
            raise ModelError(
                "the model refers to a result that no layer gives",
                place=self.place(layer) if layer else Place(self.builder.source),
                found=f"result {ref.tensor} of call {ref.call} of layer {ref.layer!r}",
            )
        return values[ref.tensor]

    def _build(self, layer: Layer, call: Call, inputs: list[Value]) -> list[Value]:
        nested = self._nested.get(layer.address.names)
        if nested is not None:
            if len(nested.inputs) != len(inputs):
                raise ModelError(
                    "a nested model is called with the wrong number of tensors",
                    place=self.place(layer),
                    found=f"{len(inputs)} for {len(nested.inputs)} inputs",
                )
            return self.run(nested, inputs)
        handler, values = self._handlers[layer.address.names]
        arguments = tuple(_filled(value, inputs) for value in call.arguments)
        options = {key: _filled(value, inputs) for key, value in call.options.items()}
        site = Site(self.builder, layer, values, tuple(inputs), arguments, options)
        if len(layer.calls) > 1 or len(layer.address.names) > 1:
            use = self._used.get(layer.address.names, 0)
            self._used[layer.address.names] = use + 1
            use_name = f"call {use}" if use else ""
            site = TiedSite(
                self.builder, layer, values, tuple(inputs), arguments, options, use_name
            )
        try:
            found = handler.build(site)
        except GatewrightError as error:
            if error.place is None:  # of a recipe, which knows no layer
                error.place = site.place
                error.args = (error.text(),)
            raise
        return [found] if isinstance(found, Value) else list(found)


def _constants(arguments: Iterable[Any]) -> Iterator[Any]:
    """Give what of a call's arguments is no tensor."""
    for value in arguments:
        if isinstance(value, list):
            yield from _constants(value)
        elif value is not None and not isinstance(value, Slot):
            yield value


def _filled(value: Any, inputs: list[Value]) -> Any:
    """Put values in the place of `Slot`s."""
    if isinstance(value, Slot):
        return inputs[value.index]
    return [_filled(item, inputs) for item in value] if isinstance(value, list) else value


def _sound(shape: list[Any]) -> bool:
    """Say whether a shape has a batch and lengths above 0 or open."""
    return bool(shape) and all(n is None or (isinstance(n, int) and n > 0) for n in shape)


def _uses(model: Model) -> dict[Use, tuple[Layer, Call]]:
    """Return every call of every layer by its number in the file."""
    return {
        (layer.name, layer.first_call + n): (layer, call)
        for layer in model.layers
        for n, call in enumerate(layer.calls)
        if layer.kind != "InputLayer"
    }


def _in_order(
    source: str, uses: dict[Use, tuple[Layer, Call]], given: set[Use]
) -> list[tuple[Layer, Call, Use]]:
    """Sort calls so that each comes after those it reads.

    Raises:
        ModelError: a call reads what is not there, or itself by way of others.
    """
    readers: dict[Use, list[Use]] = {}
    waiting: dict[Use, int] = {}
    for use, (layer, call) in uses.items():
        before = {(ref.layer, ref.call) for ref in call.inputs} - given
        for needed in before:
            if needed not in uses:
                raise ModelError(
                    "a layer reads a result that no layer gives",
                    place=Place(source, "/".join(layer.address.names)),
                    found=f"call {needed[1]} of layer {needed[0]!r}",
                )
            readers.setdefault(needed, []).append(use)
        waiting[use] = len(before)
    ready = deque(use for use, count in waiting.items() if count == 0)
    order = []
    while ready:
        use = ready.popleft()
        order.append((*uses[use], use))
        for reader in readers.get(use, ()):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                ready.append(reader)
    if len(order) != len(uses):
        stuck = next(use for use, count in waiting.items() if count > 0)
        raise ModelError(
            "the model's layers form a loop",
            place=Place(source, stuck[0]),
            found=f"{len(uses) - len(order)} calls that wait for each other",
        )
    return order
