"""Sums of enumerated tables: each reads a few bits, all that belong to an output are added up."""

from gatewright.blocks.tables.sums import table_sums
from gatewright.blocks.tables.word import MAX_INDEX_BITS, Summand

__all__ = ["MAX_INDEX_BITS", "Summand", "table_sums"]
