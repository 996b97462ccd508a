"""Every class of layers that is handled, as one visible list."""

from __future__ import annotations

from gatewright.base import Place, UnsupportedError
from gatewright.frontends.custom import refuse_known
from gatewright.frontends.keras import (
    attention,
    convolution,
    dense,
    hgq_attention,
    hgq_layers,
    hgq_recurrent,
    hgq_tables,
    hgq_windows,
    lookup,
    merging,
    normalization,
    pooling,
    products,
    qkeras_folded,
    qkeras_layers,
    qkeras_recurrent,
    qkeras_windows,
    rectifiers,
    recurrent,
    recurrent_refused,
    resizing,
    shapes,
    sparse_pixels,
    statistics,
    wrappers,
)
from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.handler import Handler
from gatewright.frontends.keras.model import Layer
from gatewright.frontends.keras.operations import OPERATIONS
from gatewright.frontends.keras.own import own_handler

HANDLERS: tuple[Handler, ...] = (
    *attention.HANDLERS,
    *convolution.HANDLERS,
    *dense.HANDLERS,
    *lookup.HANDLERS,
    *merging.HANDLERS,
    *normalization.HANDLERS,
    *pooling.HANDLERS,
    *products.HANDLERS,
    *rectifiers.HANDLERS,
    *resizing.HANDLERS,
    *recurrent.HANDLERS,
    *recurrent_refused.HANDLERS,
    *shapes.HANDLERS,
    *sparse_pixels.HANDLERS,
    *statistics.HANDLERS,
    *wrappers.HANDLERS,
    *hgq_attention.HANDLERS,
    *hgq_layers.HANDLERS,
    *hgq_recurrent.HANDLERS,
    *hgq_windows.HANDLERS,
    *qkeras_folded.HANDLERS,
    *hgq_tables.HANDLERS,
    *qkeras_layers.HANDLERS,
    *qkeras_windows.HANDLERS,
    *qkeras_recurrent.HANDLERS,
)

BY_CLASS = {(handler.family, handler.kind): handler for handler in HANDLERS}
LIBRARIES = {"keras": "Keras", "tf_keras": "Keras", "qkeras": "QKeras", "hgq": "HGQ2",
             "sparsepixels": "SparsePixels"}  # fmt: skip
PYTHON = ("Lambda", "TFOpLambda", "SlicingOpLambda", "OpLambda", "FunctionalOpLambda")
"""Layers that hold Python code, or calls of TensorFlow functions."""

INPUT = Table(
    harmless=frozenset({"shape", "input_shape"}),
    integers=True,
    only={"sparse": (False, None), "ragged": (False, None), "optional": (False, None)},
)
"""Attributes of an input layer; its shape is read elsewhere."""


def library(layer: Layer) -> str:
    """Return the library of a layer's class: keras, qkeras, hgq or what the file says.

    Files of Keras 2 name classes without library; QKeras's classes are then known by name.
    """
    if layer.family in ("", "keras", "tf_keras"):
        is_qkeras = (
            not layer.family and ("keras", layer.kind) not in BY_CLASS and layer.kind[:1] == "Q"
        )
        return "qkeras" if is_qkeras else "keras"
    return layer.family


def _owner(layer: Layer, family: str) -> str:
    """Say which library a class is of, as far as that is known."""
    if family == "keras" and not layer.family:
        return ", of a library that the file does not name"
    return f" of {LIBRARIES.get(family, family)}"


def find_handler(layer: Layer, place: Place) -> Handler:
    """Return the handler of a layer's class.

    Raises:
        UnsupportedError: there is none.
    """
    if layer.kind in PYTHON:
        raise UnsupportedError(
            "a layer holds Python code, which is never run from a file",
            place=place,
            found=layer.kind,
            supported="layers with a configuration",
            remedy="express the function by layers, or apply it to the data before the model",
        )
    family = library(layer)
    handler = BY_CLASS.get((family, layer.kind))
    if layer.operation:
        handler = OPERATIONS.get(layer.kind) or handler
    if handler is not None:
        refuse_known(layer.kind, place)
    else:
        handler = own_handler(layer)
    if handler is None:
        own = sorted(kind for owner, kind in BY_CLASS if owner == family)
        every = sorted({kind for _, kind in BY_CLASS})
        raise UnsupportedError(
            "a layer of this class is not handled",
            place=place,
            found=f"{layer.kind}{_owner(layer, family)}",
            supported=", ".join(own or every),
            remedy="build the model from supported layers, cut it where the supported part ends, "
            "or give a handler for a layer of your own (guide: your own layers)",
        )
    return handler
