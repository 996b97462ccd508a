"""Files of tables: told apart by their keys, read, listed, run."""

from __future__ import annotations

from pathlib import Path

from gatewright.frontends.listed import Listed
from gatewright.frontends.recognise import Head
from gatewright.frontends.tables.kanele import read_kanele, run_kanele
from gatewright.frontends.tables.plain import read_plain, run_plain
from gatewright.frontends.tables.recognised import PLAIN
from gatewright.ir import Graph, Reals


def read_tables(path: Path) -> Graph:
    """Return the graph of a file of tables.

    Raises:
        FileError: it, or the configuration that belongs to it, cannot be read.
        ModelError: it is damaged, or its tables do not fit.
    """
    return read_plain(path) if PLAIN.matches(Head.of(path)) else read_kanele(path)


def list_tables(path: Path) -> list[Listed]:
    """Return each layer by name."""
    graph = read_tables(path)
    return [Listed(layer, "tables") for layer in dict.fromkeys(n.layer for n in graph.nodes)]


def run_tables(path: Path, x: Reals) -> Reals:
    """Compute a file's network on its inputs' numbers, from the file and not from the graph."""
    return run_plain(path, x) if PLAIN.matches(Head.of(path)) else run_kanele(path, x)
