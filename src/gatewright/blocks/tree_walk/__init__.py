"""Forests walked level by level on streams: nodes in memories, a few trees at once."""

from gatewright.blocks.tree_walk.engine import forest_walk
from gatewright.blocks.tree_walk.plain import PlainTree, plain_tree
from gatewright.blocks.tree_walk.shape import Ensemble, WalkShape
from gatewright.blocks.tree_walk.store import Asked, Store, TableStore
from gatewright.blocks.tree_walk.written import (
    BASE_BITS,
    ForestFormats,
    ForestRegisters,
    MemoryStore,
)

__all__ = [
    "BASE_BITS",
    "Asked",
    "Ensemble",
    "ForestFormats",
    "ForestRegisters",
    "MemoryStore",
    "PlainTree",
    "Store",
    "TableStore",
    "WalkShape",
    "forest_walk",
    "plain_tree",
]
