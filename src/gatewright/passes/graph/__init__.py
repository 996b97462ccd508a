"""Passes over graphs, a file each."""

from gatewright.passes.graph.gather_dense import gather_dense
from gatewright.passes.graph.host_input import host_input
from gatewright.passes.graph.layout import settle_layout
from gatewright.passes.graph.prune import prune
from gatewright.passes.graph.streamline import streamline

__all__ = ["gather_dense", "host_input", "prune", "settle_layout", "streamline"]
