"""Circuits of decision trees."""

from gatewright.blocks.forest.build import forest
from gatewright.blocks.forest.prune import Tree, leaves_of, prune
from gatewright.blocks.forest.split import Split

__all__ = ["Split", "Tree", "forest", "leaves_of", "prune"]
