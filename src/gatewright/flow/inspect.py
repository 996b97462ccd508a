"""Look at a model before it is compiled: every layer, what it becomes, or why it cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gatewright.base import GatewrightError, ManyErrors
from gatewright.frontends import CustomHandler, list_layers, read_model
from gatewright.ir import Graph, Node, Op, describe, infer, shapes
from gatewright.num import Intervals
from gatewright.ops import Forest
from gatewright.passes.graph import host_input, streamline
from gatewright.quantize.structure import refuse_unknown

REAL = "real, to be quantized"
"""Format of a value that calibration has to choose one for."""

FOLDED = "folded into its neighbours"
"""Format of a layer of which nothing is left once the model computes on integers."""


@dataclass(frozen=True)
class LayerView:
    """One layer of the user's model.

    Attributes:
        name: as errors and reports name it.
        kind: its class in the user's framework, or the operator.
        shape: of one sample of its result; None where it is not known.
        formats: of its result, in short; "" where not known.
        becomes: the operations that it is made of, in order, equal ones counted.
        problems: why it cannot be compiled, each with place, found, supported and remedy.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    formats: str
    becomes: tuple[str, ...]
    problems: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What a model is made of.

    Attributes:
        source: the model's file, or what it is called.
        framework: that it comes from, as far as it was read.
        inputs, outputs: name, shape and format of each.
        layers: in the model's order.
        problems: those that belong to no single layer.
        quantized: the model brings its own number formats; else calibration chooses them.
    """

    source: str
    framework: str
    inputs: tuple[LayerView, ...]
    layers: tuple[LayerView, ...]
    outputs: tuple[LayerView, ...]
    problems: tuple[Mapping[str, str], ...]
    quantized: bool

    @property
    def supported(self) -> bool:
        """Whether the model can be compiled, as far as can be told before it is."""
        return not self.problems and not any(layer.problems for layer in self.layers)

    def facts(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "supported": self.supported}


def inspect(
    model: Any, custom: Mapping[str, CustomHandler] | None = None, inputs: Any = None
) -> Inspection:
    """Return every layer of a model with its shape, formats and operations, or what is wrong.

    Nothing is compiled. Layers that are not handled are part of the answer; see
    `Inspection.supported`.

    Args:
        model: path of a model file, or a live object that a frontend takes.
        custom: handlers of your own layers, by class name.
        inputs: shape of one sample, or shapes by input name, for a live PyTorch module.

    Raises:
        GatewrightError: the model cannot be read at all: it is damaged, or no model.
    """
    listed = [(layer.name, layer.kind) for layer in list_layers(model, inputs, custom)]
    errors: list[GatewrightError] = []
    try:
        graph = read_model(model, custom, inputs)
    except GatewrightError as error:
        errors = list(error.errors) if isinstance(error, ManyErrors) else [error]
        names = {name for name, _ in listed}
        if not any(e.place is not None and _owner(e.place.layer, names) for e in errors):
            raise
        layers, rest = _with_problems(listed, {}, errors)
        source = str(model) if isinstance(model, str | Path) else type(model).__name__
        return Inspection(source, "", (), layers, (), rest, False)
    return _of_graph(graph, listed)


def _of_graph(graph: Graph, listed: Sequence[tuple[str, str]]) -> Inspection:
    """Describe a model whose layers are all handled."""
    errors: list[GatewrightError] = []
    final = streamline(graph)
    types: Mapping[str, Intervals] = {}
    try:
        final = host_input(final)
        if final.is_fixed and not _has_open_formats(final):
            types = infer(final)
        else:
            refuse_unknown(graph.nodes, graph)
    except GatewrightError as error:
        errors += error.errors if isinstance(error, ManyErrors) else [error]
    unknown = "" if errors else REAL
    views = _views(graph, final, types, unknown)
    layers, rest = _with_problems(listed, views, errors)
    typed = {i.name: describe(i.type) if i.type is not None else unknown for i in final.inputs}
    shape_of = shapes(graph)
    inputs = tuple(
        LayerView(i.name, "input", i.shape, typed.get(i.name, unknown), ()) for i in graph.inputs
    )
    outputs = tuple(
        LayerView(o.name, "output", shape_of[o.value], _format(final, types, o.name, unknown), ())
        for o in graph.outputs
    )
    facts = graph.facts
    framework = " ".join(facts[k] for k in ("framework", "framework version") if k in facts)
    return Inspection(graph.source, framework, inputs, layers, outputs, rest, bool(types))


def _has_open_formats(graph: Graph) -> bool:
    """Whether a table or softmax has no formats yet."""
    return any(
        getattr(node.op, "out", ...) is None or getattr(node.op, "formats", ...) is None
        for node in graph.nodes
    )


def _format(graph: Graph, types: Mapping[str, Intervals], output: str, unknown: str) -> str:
    value = next(o.value for o in graph.outputs if o.name == output)
    return describe(types[value]) if value in types else unknown


def _views(
    graph: Graph, final: Graph, types: Mapping[str, Intervals], unknown: str
) -> dict[str, tuple[tuple[int, ...], str, tuple[str, ...]]]:
    """Return shape, format and operations by layer, in the order in which layers end."""
    shape_of = shapes(graph)
    last = {node.layer or node.name: node.name for node in final.nodes}
    found = {}
    for layer, nodes in _by_layer(graph).items():
        value = last.get(layer)
        formats = unknown if not types else describe(types[value]) if value else FOLDED
        found[layer] = shape_of[nodes[-1].name], formats, _operations(nodes)
    places = {node.layer or node.name: number for number, node in enumerate(graph.nodes)}
    return {layer: found[layer] for layer in sorted(found, key=places.__getitem__)}


def _by_layer(graph: Graph) -> dict[str, list[Node]]:
    layers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        layers.setdefault(node.layer or node.name, []).append(node)
    return layers


def _operations(nodes: Sequence[Node]) -> tuple[str, ...]:
    """Name operations in the order in which each kind comes first, with a count."""
    counts = Counter(_word(node.op) for node in nodes)
    return tuple(kind if n == 1 else f"{n} {kind}" for kind, n in counts.items())


def _word(op: Op) -> str:
    """Return what an operation is called, with the size of a forest."""
    if isinstance(op, Forest):
        return f"forest of {op.trees:,} trees, {len(op.features):,} nodes"
    return op.kind.replace("_", " ")


def _with_problems(
    listed: Sequence[tuple[str, str]],
    views: Mapping[str, tuple[tuple[int, ...], str, tuple[str, ...]]],
    errors: Sequence[GatewrightError],
) -> tuple[tuple[LayerView, ...], tuple[Mapping[str, str], ...]]:
    """Put views and errors to the layers they are of; return also errors of no layer."""
    by_layer: dict[str, list[Mapping[str, str]]] = {}
    names, rest = {name for name, _ in listed}, []
    for error in errors:
        layer = _owner(error.place.layer if error.place is not None else "", names)
        if layer:
            by_layer.setdefault(layer, []).append(error.facts())
        else:
            rest.append(error.facts())
    parts: dict[str, list[str]] = {}
    for name in views:
        if name not in names:
            parts.setdefault(_owner(name, names), []).append(name)
    order = {name: number for number, name in enumerate(views)}
    layers = []
    for name, kind in listed:
        own = parts.get(name, [])
        shape, formats, becomes = views.get(name, (None, "", ()))
        if own and order[own[-1]] > order.get(name, -1):
            shape, formats, _ = views[own[-1]]  # as of a projection behind attention
        layers.append(LayerView(name, kind, shape, formats, becomes, tuple(by_layer.get(name, ()))))
        layers += [LayerView(part, f"part of {name}", *views[part]) for part in own]
    return tuple(layers), tuple(rest)


def _owner(layer: str, names: Set[str]) -> str:
    """Return the listed layer that a layer is or is a part of (`mha/query` of `mha`), or ""."""
    while layer and layer not in names:
        layer = layer.rpartition("/")[0]
    return layer
