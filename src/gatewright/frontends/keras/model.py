"""Read a model's configuration into layers and calls, without meaning yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gatewright.base import ModelError, Place, UnsupportedError
from gatewright.frontends.keras.weights import Address, group_name

MODELS = ("Functional", "Model", "Sequential")
MOST_DEPTH = 16


@dataclass(frozen=True)
class Ref:
    """A tensor: the result `tensor` of a layer's call number `call`."""

    layer: str
    call: int
    tensor: int


@dataclass(frozen=True)
class Slot:
    """Stands in a call's arguments for the tensor `inputs[index]`."""

    index: int


@dataclass(frozen=True, eq=False)
class Call:
    """One use of a layer.

    Attributes:
        inputs: every tensor, in order; positional ones before those given by keyword.
        arguments: what the layer was called with, `Slot`s in place of tensors; lists stay lists.
        options: the same of keyword arguments, without those that are None.
    """

    inputs: tuple[Ref, ...]
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Layer:
    """An entry of a model's list of layers.

    Attributes:
        kind: the class, without package.
        family: the package it comes from, "" where the file does not say (Keras 2).
        config: its attributes, as the file has them.
        calls: its uses; a sequential model's layer has one.
        first_call: number that the file gives the first of `calls`.
        operation: it is no layer, but a function of `keras.ops`.
    """

    name: str
    kind: str
    family: str
    config: Mapping[str, Any]
    address: Address
    calls: tuple[Call, ...]
    first_call: int = 0
    input_shape: tuple[int | None, ...] | None = None
    operation: bool = False


@dataclass(frozen=True, eq=False)
class Model:
    """A model, or one nested in another."""

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[tuple[str, Ref], ...]
    outputs: tuple[tuple[str, Ref], ...]


class ConfigReader:
    """Turn configurations into models; every message names the file."""

    def __init__(self, source: str, keras: int) -> None:
        self.source = source
        self.keras = keras

    def model(self, entry: Mapping[str, Any], outer: Address | None = None) -> Model:
        """Read a model's entry (`class_name` and `config`).

        Raises:
            GatewrightError: it is no sequential or functional model, or malformed.
        """
        outer = outer or Address((), "")
        if len(outer.names) > MOST_DEPTH:
            raise self._malformed("models nested too deep", f"{len(outer.names)} levels")
        kind, config = entry.get("class_name"), entry.get("config")
        if kind not in MODELS:
            raise UnsupportedError(
                "the model is of a class of its own",
                place=self.source,
                found=str(kind),
                supported="Sequential and Functional models",
                remedy="build the model with `keras.Sequential` or `keras.Model(inputs, outputs)`",
            )
        if kind == "Sequential":
            listing = config.get("layers") if isinstance(config, Mapping) else config
            name = str(config.get("name", "model")) if isinstance(config, Mapping) else "model"
            return self._sequential(name, listing, config, outer)
        if not isinstance(config, Mapping):
            raise self._malformed("a model's configuration", type(config).__name__)
        return self._functional(config, outer)

    def _functional(self, config: Mapping[str, Any], outer: Address) -> Model:
        layers = []
        for entry, layer in self._layers(config.get("layers"), outer):
            calls = tuple(
                self._call(node, layer.name) for node in _list(entry.get("inbound_nodes"))
            )
            layers.append(_with_calls(layer, calls, 0))
        inputs = self._ends(config.get("input_layers"))
        outputs = self._ends(config.get("output_layers"))
        layers = self._numbered(layers, outputs)
        if not inputs or not outputs or not layers:
            raise self._malformed("a model without layers, inputs or outputs", "an empty list")
        return Model(str(config.get("name", "model")), tuple(layers), inputs, outputs)

    def _sequential(self, name: str, listing: Any, config: Any, outer: Address) -> Model:
        layers: list[Layer] = []
        for _, layer in self._layers(listing, outer):
            before = (Ref(layers[-1].name, 0, 0),) if layers else ()
            if not layers and layer.kind != "InputLayer":
                shape = self._first_shape(layer, config)
                taken = {"batch_shape": list(shape)}
                start = Layer(
                    f"{name}_input", "InputLayer", "keras", taken, layer.address, (Call(()),)
                )
                layers.append(start)
                before = (Ref(start.name, 0, 0),)
            layers.append(_with_calls(layer, (Call(before),), 0))
        if not layers:
            raise self._malformed("a model without layers", "an empty list")
        first, last = layers[0].name, layers[-1].name
        return Model(name, tuple(layers), ((first, Ref(first, 0, 0)),), ((last, Ref(last, 0, 0)),))

    def _first_shape(self, layer: Layer, config: Any) -> Sequence[Any]:
        """Return the input's shape, with the batch, of a sequential model without input layer."""
        for holder, key in (
            (layer.config, "batch_input_shape"),
            (layer.config, "batch_shape"),
            (config, "build_input_shape"),
        ):
            shape = holder.get(key) if isinstance(holder, Mapping) else None
            if isinstance(shape, list):
                return shape
        if layer.input_shape is not None:
            return layer.input_shape
        raise ModelError(
            "the model does not say what shape its input has",
            place=Place(self.source, layer.name),
            remedy="begin the model with `keras.Input(shape=...)` and save it again",
        )

    def _layers(self, listing: Any, outer: Address) -> Iterator[tuple[Mapping[str, Any], Layer]]:
        counts: dict[str, int] = {}
        seen: set[str] = set()
        for entry in _list(listing):
            if not isinstance(entry, Mapping) or not isinstance(
                entry.get("config"), Mapping | list
            ):
                raise self._malformed("an entry of the list of layers", type(entry).__name__)
            config = entry["config"] if isinstance(entry["config"], Mapping) else {}
            name = str(entry.get("name") or config.get("name") or "")
            module, kind = str(entry.get("module") or ""), str(entry.get("class_name") or "")
            if not name or not kind or name in seen or not _is_text(name + kind):
                raise self._malformed(
                    "a layer without name or class, or a second of its name", name
                )
            seen.add(name)
            kind = kind.split(">")[-1]
            group = group_name(kind)
            if ".ops." not in module or module.startswith("hgq."):
                # Operations of Keras are no layers and take no number.
                counts[group] = counts.get(group, -1) + 1
            number = counts.get(group, 0)
            path = f"{outer.path}/layers/{group}" if outer.path else f"layers/{group}"
            address = Address((*outer.names, name), path + (f"_{number}" if number else ""))
            built = entry.get("build_config")
            shape = built.get("input_shape") if isinstance(built, Mapping) else None
            built_for = tuple(shape) if isinstance(shape, list) else None
            own = entry["config"] if kind in MODELS else config
            is_call = ".ops." in module
            yield (
                entry,
                Layer(name, kind, family_of(entry), own, address, (), 0, built_for, is_call),
            )

    def _numbered(self, layers: list[Layer], outputs: tuple[tuple[str, Ref], ...]) -> list[Layer]:
        """Find the number of the first call of each nested model, by which ones are read.

        Most versions of Keras count the call that built a nested model as its call 0, which nobody
        reads; others (3.15 for functional models) begin with the first use. A file holds only
        calls that are read, so their numbers tell.
        """
        refs = [ref for _, ref in outputs]
        refs += [ref for layer in layers for call in layer.calls for ref in call.inputs]
        result = []
        for layer in layers:
            if layer.kind in MODELS:
                read = {ref.call for ref in refs if ref.layer == layer.name}
                layer = replace(layer, first_call=int(min(read, default=0) > 0))
                if len(layer.calls) != len(read):
                    found = f"{len(layer.calls)} of {layer.name!r}, and {len(read)} are read"
                    raise self._malformed("calls of a nested model", found)
            result.append(layer)
        return result

    def _call(self, node: Any, layer: str) -> Call:
        """Read one use of a layer, in the form of Keras 3 (a mapping) or Keras 2 (a list)."""
        refs: list[Ref] = []
        arguments: list[Any] = []
        options: dict[str, Any] = {}
        if isinstance(node, Mapping):
            given = node.get("args")
            arguments += [self._argument(v, layer, refs) for v in _list(given)]
            rows = [node.get("kwargs")]
        else:
            nested = isinstance(node, list) and node and isinstance(node[0], list)
            entries = node if nested else [node]
            for entry in entries:
                refs.append(self._ref(entry, layer))
                arguments.append(Slot(len(refs) - 1))
            rows = [entry[3] if len(entry) > 3 else None for entry in entries]
        for row in rows:
            for key, value in row.items() if isinstance(row, Mapping) else ():
                # A call of a model of several inputs holds a mask for each: no mask at all.
                blank = isinstance(value, list) and value and not any(v is not None for v in value)
                if value is not None and not blank and not (key == "training" and value is False):
                    options[str(key)] = self._argument(value, layer, refs)
        return Call(tuple(refs), tuple(arguments), options)

    def _argument(self, value: Any, layer: str, refs: list[Ref]) -> Any:
        """Return an argument with `Slot`s for its tensors, which are appended to `refs`."""
        if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
            settings = value.get("config")
            history = settings.get("keras_history") if isinstance(settings, Mapping) else None
            refs.append(self._ref(history, layer))
            return Slot(len(refs) - 1)
        if isinstance(value, list):
            if self.keras == 2 and _is_ref(value):  # a tensor given by keyword
                refs.append(self._ref(value, layer))
                return Slot(len(refs) - 1)
            return [self._argument(item, layer, refs) for item in value]
        return value

    def _ref(self, row: Any, layer: str = "") -> Ref:
        if _is_ref(row):
            return Ref(row[0], row[1], row[2])
        raise self._malformed(
            f"a reference to a tensor{f' in {layer!r}' if layer else ''}", repr(row)[:100]
        )

    def _ends(self, value: Any) -> tuple[tuple[str, Ref], ...]:
        """Read the model's inputs or outputs: one, a list, or a mapping by name."""
        if isinstance(value, Mapping):
            return tuple((str(key), self._ref(row)) for key, row in value.items())
        rows = _list(value)
        if rows and isinstance(rows[0], str):
            rows = [rows]
        refs = [self._ref(row) for row in _flattened(rows)]
        return tuple((ref.layer, ref) for ref in refs)

    def _malformed(self, what: str, found: str) -> ModelError:
        return ModelError(
            "the model's configuration is malformed",
            place=self.source,
            found=f"{what}: {found}",
            supported="what `model.save` writes",
            remedy="save the model again",
        )


def _is_ref(row: Any) -> bool:
    """Say whether a list names a tensor: layer, call, result."""
    return (
        isinstance(row, list)
        and len(row) >= 3
        and isinstance(row[0], str)
        and all(isinstance(v, int) and v >= 0 for v in row[1:3])
    )


def _flattened(rows: list[Any], depth: int = 0) -> Iterator[Any]:
    """Give rows that may lie in lists of lists (the states of stacked recurrent cells)."""
    for row in rows:
        inner = not _is_ref(row) and isinstance(row, list) and row and isinstance(row[0], list)
        if inner and depth < MOST_DEPTH:
            yield from _flattened(row, depth + 1)
        else:
            yield row


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_text(name: str) -> bool:
    """Say whether a name can be written: JSON may hold halves of characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _with_calls(layer: Layer, calls: tuple[Call, ...], first: int) -> Layer:
    return replace(layer, calls=calls, first_call=first)


def family_of(entry: Mapping[str, Any]) -> str:
    """Return which library a class comes from, by its module and registered name."""
    module = str(entry.get("module") or "").split(".")[0]
    package = str(entry.get("registered_name") or entry.get("class_name") or "")
    package = package.split(">")[0] if ">" in package else ""
    return package or module
