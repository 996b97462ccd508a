"""Layers around another layer: both directions of a recurrent one, one layer for every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gatewright.base import ModelError, Place, UnsupportedError
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, TiedSite, Value
from gatewright.frontends.keras.model import MODELS, Call, Layer, family_of
from gatewright.frontends.keras.recurrent import TRAINING, split_inputs
from gatewright.frontends.recipes.recurrent import MERGES, merge, sequence
from gatewright.ops import Gather

BIDIRECTIONAL = ("Bidirectional", "QBidirectional")
WRAPPERS = (*BIDIRECTIONAL, "TimeDistributed")
"""Classes with another layer in their attribute `layer`."""

FREE = frozenset({"Activation", "Dense", "Dropout", "ELU", "QActivation", "QDense", "ReLU"})
"""Layers that treat all rows alike, so that the steps are further rows."""

ALONG_LAST = frozenset(
    {
        "BatchNormalization", "LayerNormalization", "QBatchNormalization", "RMSNormalization",
        "Softmax",
    }
)  # fmt: skip
"""The same, where they work along the last axis."""

RECURRENT = frozenset({"SimpleRNN", "LSTM", "GRU", "RNN", "QSimpleRNN", "QLSTM", "QGRU"})


def inner_layers(layer: Layer, source: str) -> tuple[Layer, ...]:
    """Return the layers that one wraps: a bidirectional one's forward and backward layer.

    Raises:
        ModelError: its configuration is malformed.
        UnsupportedError: it wraps a whole model, or something that cannot run in two directions.
    """
    if layer.kind == "TimeDistributed":
        return (_inner(layer, source, "layer", "layer"),)
    forward = _inner(layer, source, "layer", "forward_layer")
    if forward.family != "qkeras":  # whose own names go to the cells
        name = f"forward_{forward.name.removeprefix('forward_')}"
        address = layer.address.inside(name, "forward_layer")
        forward = replace(forward, name=name, address=address)
    if layer.config.get("backward_layer") is not None:
        backward = _inner(layer, source, "backward_layer", "backward_layer")
    else:
        name = f"backward_{forward.name.removeprefix('forward_')}"
        config = {**forward.config, "go_backwards": not forward.config.get("go_backwards", False)}
        address = layer.address.inside(name, "backward_layer")
        backward = replace(forward, name=name, config=config, address=address)
    for each in (forward, backward):
        if each.kind not in RECURRENT:
            raise UnsupportedError(
                "a bidirectional layer is around a layer that is not handled in two directions",
                place=Place(source, "/".join(layer.address.names), "layer"),
                found=each.kind,
                supported=", ".join(sorted(RECURRENT)),
                remedy="use one of these layers",
            )
    return forward, backward


def _inner(layer: Layer, source: str, attribute: str, part: str) -> Layer:
    """Return the layer that an attribute holds."""
    entry = layer.config.get(attribute)
    config = entry.get("config") if isinstance(entry, Mapping) else None
    kind = str(entry.get("class_name") if isinstance(entry, Mapping) else "").split(">")[-1]
    place = Place(source, "/".join(layer.address.names), attribute)
    if kind in MODELS:
        raise UnsupportedError(
            "a model within a TimeDistributed layer is not handled",
            place=place,
            found=kind,
            supported="a single layer",
            remedy="wrap each of its layers in a TimeDistributed of its own",
        )
    if not isinstance(entry, Mapping) or not isinstance(config, Mapping) or "name" not in config:
        raise ModelError(
            "a layer within a layer is malformed",
            place=place,
            found=repr(entry)[:100],
            supported="a class and its configuration",
        )
    name = str(config["name"])
    address = layer.address.inside(name, part)
    return Layer(name, kind, family_of(entry), config, address, (Call(()),))


def _bidirectional(site: Site) -> list[Value]:
    """Run both directions over the sequence; the backward one's results are turned round."""
    mode = site.attributes["merge_mode"]
    if mode is not None and mode not in MERGES:
        raise site.unsupported(
            "a bidirectional layer's merge mode is not known",
            "merge_mode", mode, f"{', '.join(MERGES)} or None", "use one of these",
        )  # fmt: skip
    x, states = split_inputs(site)
    half = len(states) // 2
    found: list[list[Value]] = []
    layers = inner_layers(site.layer, site.builder.source)
    for layer, own in zip(layers, (states[:half], states[half:]), strict=True):
        found.append(_run(site, layer, x, own))
    flags = [site.builder.handlers[layer.address.names][1] for layer in layers]
    forward, backward = found
    if any(flags[0][key] != flags[1][key] for key in ("return_sequences", "return_state")) or bool(
        flags[0]["go_backwards"]
    ) == bool(flags[1]["go_backwards"]):
        raise ModelError(
            "the two directions of a bidirectional layer do not fit together",
            place=site.place,
            supported="the same results, and opposite directions",
        )
    turned = backward[0]
    if flags[0]["return_sequences"]:
        turned = site.emit(
            Gather.of(np.arange(turned.shape[0])[::-1].copy(), 0), turned, suffix="turned"
        )
    final = [*forward[1:], *backward[1:]]
    if mode is None:
        return [forward[0], turned, *final]
    return [merge(site, mode, forward[0], turned), *final]


def _run(site: Site, layer: Layer, x: Value, states: Sequence[Value]) -> list[Value]:
    """Append one direction."""
    handler, values = site.builder.handlers[layer.address.names]
    options = {"initial_state": list(states)} if states else {}
    inner = Site(site.builder, layer, values, (x, *states), (x,), options)
    result = handler.build(inner)
    return [result] if isinstance(result, Value) else list(result)


def _time_distributed(site: Site) -> Value:
    """Apply a layer to every step: at once where it treats rows alike, else one after another."""
    (layer,) = inner_layers(site.layer, site.builder.source)
    handler, values = site.builder.handlers[layer.address.names]
    x = site.input
    if len(x.shape) < 2:
        raise ModelError(
            "a TimeDistributed layer's input has no axis of steps",
            place=site.place,
            found=f"shape {x.shape}",
            supported="(steps, ...)",
        )
    last = layer.config.get("axis", -1) in (-1, [-1])
    if layer.kind in FREE or (layer.kind in ALONG_LAST and last):
        return _only(site, handler.build(Site(site.builder, layer, values, (x,), (x,))))
    outputs = []
    for step in range(x.shape[0]):
        row = site.emit(Gather.of(step, 0), x, suffix="input", part=f"step {step}")
        inner = TiedSite(site.builder, layer, values, (row,), (row,), {}, f"step {step}")
        outputs.append(_only(site, handler.build(inner)))
    return sequence(site, outputs)


def _only(site: Site, result: Value | Sequence[Value]) -> Value:
    """Return a layer's only result."""
    found = [result] if isinstance(result, Value) else list(result)
    if len(found) != 1:
        raise UnsupportedError(
            "a layer with several results stands in a TimeDistributed layer",
            place=site.place,
            found=f"{len(found)} results",
            supported="one",
            remedy="set return_state=False",
        )
    return found[0]


BOTH: dict[str, Any] = {"layer": REQUIRED, "backward_layer": None, "merge_mode": "concat"}
INITIAL = frozenset({"initial_state"})

HANDLERS = (
    Handler("Bidirectional", "keras", Table(BOTH, TRAINING), _bidirectional, INITIAL),
    Handler("QBidirectional", "qkeras", Table(BOTH, TRAINING), _bidirectional, INITIAL),
    Handler("TimeDistributed", "keras", Table({"layer": REQUIRED}), _time_distributed),
)
