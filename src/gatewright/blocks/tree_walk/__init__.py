"""Forests walked level by level on streams: nodes in memories, a few trees at once."""

from gatewright.blocks.tree_walk.engine import forest_walk
from gatewright.blocks.tree_walk.plain import PlainTree, plain_tree
from gatewright.blocks.tree_walk.shape import Ensemble, WalkShape
from gatewright.blocks.tree_walk.store import Asked, TableStore

__all__ = [
    "Asked",
    "Ensemble",
    "PlainTree",
    "TableStore",
    "WalkShape",
    "forest_walk",
    "plain_tree",
]
