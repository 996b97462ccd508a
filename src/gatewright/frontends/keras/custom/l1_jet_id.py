"""The layer of the interaction networks of fastmachinelearning/l1-jet-id (arXiv:2402.01876)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.custom import CustomLayer
from gatewright.frontends.recipes.graph import complete_edges, gather_nodes, sum_edges


def node_edge_projection(layer: CustomLayer[Any]) -> Any:
    """Multiply by the 0/1 matrix between nodes and the edges of all ordered pairs of nodes.

    Edges stand in the order of `itertools.permutations(range(nodes), 2)`: receiver, then sender.
    Nodes to edges takes the receiver's (or sender's) features; edges to nodes adds up the edges of
    each receiver (or sender). The matrix, which files hold as a weight, must be this very one.

    Raises:
        ModelError: the number of edges is not that of a complete graph, or the matrix is another.
    """
    receiving, to_edges = layer.option("receiving"), layer.option("node_to_edge")
    (x,) = layer.inputs
    count = x.shape[0]
    nodes = count if to_edges else round((np.sqrt(4 * count + 1) + 1) / 2)
    if len(x.shape) != 2 or nodes < 2 or (not to_edges and nodes * (nodes - 1) != count):
        raise ModelError(
            "a projection between nodes and edges does not fit its input",
            place=layer.place,
            found=f"shape {x.shape}",
            supported="(nodes, features), or (nodes * (nodes - 1), features)",
        )
    edges = complete_edges(nodes)[0 if receiving else 1]
    matrix = (np.arange(nodes)[:, None] == edges).astype(np.float64)
    (own,) = layer.weights("adjacency_matrix")
    if not np.array_equal(own.reshape(own.shape[-2:]), matrix.T if to_edges else matrix):
        raise ModelError(
            "a projection between nodes and edges has another matrix than its options tell",
            place=layer.at("adjacency_matrix"),
            found=f"shape {own.shape}",
            supported="a 1 for each edge, in the order of permutations of two nodes",
        )
    return gather_nodes(layer, x, edges) if to_edges else sum_edges(layer, x, edges, nodes)
