"""Circuits of decision trees."""

from gatewright.blocks.forest.ask import comparator_luts
from gatewright.blocks.forest.build import forest
from gatewright.blocks.forest.names import Names
from gatewright.blocks.forest.prune import Tree, leaves_of, prune
from gatewright.blocks.forest.split import Split

__all__ = ["Names", "Split", "Tree", "comparator_luts", "forest", "leaves_of", "prune"]
