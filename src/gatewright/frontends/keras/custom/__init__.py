"""Layers of published models that are no part of a library, by the interface for users' own.

They are here so that these models can be read as they were published. A user's own handler of the
same name goes first.
"""

from __future__ import annotations

from gatewright.frontends.custom import CustomHandler
from gatewright.frontends.keras.custom.l1_jet_id import node_edge_projection

PUBLISHED: dict[str, CustomHandler] = {
    "NodeEdgeProjection": node_edge_projection,
}
"""Handlers by class name."""
