"""Reductions by segments: `segment_sum` and `segment_max`, whose rows are the batch."""

from __future__ import annotations

from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.handler import Handler, Site, Value

OPTIONS = Table(harmless=frozenset({"num_segments", "sorted"}))


def _refuse(site: Site) -> Value:
    """Refuse: Keras reduces along the first axis, across samples."""
    raise site.unsupported(
        "segments of Keras are made of samples, not of parts of one",
        "segment_ids",
        f"{site.layer.kind} along the batch",
        "reductions within one sample",
        "multiply by a one-hot matrix of the edges, or use a layer of your own with a handler "
        "that calls `recipes.graph.aggregate`",
    )


HANDLERS = (
    Handler("SegmentMax", "keras", OPTIONS, _refuse, frozenset({"data", "segment_ids"})),
    Handler("SegmentSum", "keras", OPTIONS, _refuse, frozenset({"data", "segment_ids"})),
)
