"""Rewrite circuits into smaller ones that compute the same."""

from gatewright.passes.netlist.optimise.driver import PASSES, optimise

__all__ = ["PASSES", "optimise"]
