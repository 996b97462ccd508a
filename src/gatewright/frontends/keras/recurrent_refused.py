"""Layers about sequences that are refused, with the reason and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewright.base import UnsupportedError
from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.handler import Handler, Site, Value


def _refuse_masking(site: Site) -> Value:
    raise UnsupportedError(
        "a mask leaves out steps of a sequence, which is not handled",
        place=site.place,
        found=f"Masking(mask_value={site.attributes['mask_value']})",
        supported="sequences of a fixed length",
        remedy="train without the Masking layer, on sequences padded in front (a recurrent layer "
        "learns to pass over padding), or cut to one length",
    )


def _refuse_convolutional(site: Site) -> Value:
    raise UnsupportedError(
        "a convolutional recurrent layer is not handled",
        place=site.place,
        found=site.layer.kind,
        supported="SimpleRNN, LSTM, GRU, RNN, and convolutions (also within TimeDistributed)",
        remedy="apply convolutions to each step by TimeDistributed, then an LSTM to their features",
    )


def _anything(kind: str) -> Handler:
    """Return a handler that refuses a class whatever its attributes are."""
    return Handler(kind, "keras", AnyTable(), _refuse_convolutional)


class AnyTable(Table):
    """Accepts every attribute, for a class that is refused anyway."""

    def read(self, config: Mapping[str, Any], place: Any, kind: str) -> dict[str, Any]:
        """Return nothing."""
        return {}


HANDLERS = (
    Handler("Masking", "keras", Table({"mask_value": 0.0}), _refuse_masking),
    *map(_anything, ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")),
)
