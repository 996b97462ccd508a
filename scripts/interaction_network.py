"""An interaction network that classifies track segments, as in DeZoort et al. (arXiv:2103.16701).

The message of each segment (edge) is computed from both hits and the segment's geometry, messages
are summed at the hit that receives them, and after one update of the hits each segment is weighed.
Its edges are part of the module: one design serves graphs of one shape.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

HITS, SEGMENTS, MESSAGE = 3, 4, 4
"""Features of a hit and of a segment, length of a message."""


def network(n_in: int, n_out: int, hidden: int) -> nn.Sequential:
    """Return two hidden layers and an affine output."""
    return nn.Sequential(
        nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
        nn.Linear(hidden, n_out),
    )  # fmt: skip


class InteractionNetwork(nn.Module):
    """Weigh the segments of graphs with fixed edges."""

    def __init__(self, edges: np.ndarray, hidden: int = 8) -> None:
        super().__init__()
        self.register_buffer("edges", torch.as_tensor(np.asarray(edges, np.int64)))
        self.relation = network(2 * HITS + SEGMENTS, MESSAGE, hidden)
        self.update = network(HITS + MESSAGE, HITS, hidden)
        self.weigh = network(2 * HITS + MESSAGE, 1, hidden)

    def forward(self, hits: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        """Return a weight for each segment of (batch, hits, 3) and (batch, segments, 4)."""
        receiver, sender = self.edges[0], self.edges[1]
        ends = torch.cat([hits[:, receiver], hits[:, sender], segments], 2)
        messages = self.relation(ends)
        empty = torch.zeros(hits.shape[0], hits.shape[1], MESSAGE)
        received = empty.index_add(1, receiver, messages)
        hits = self.update(torch.cat([hits, received], 2))
        ends = torch.cat([hits[:, receiver], hits[:, sender], messages], 2)
        return torch.sigmoid(self.weigh(ends)).squeeze(2)

    def on(self, edges: np.ndarray) -> InteractionNetwork:
        """Return the same network for other edges."""
        other = InteractionNetwork(edges, self.relation[0].out_features)
        state = {k: v for k, v in self.state_dict().items() if k != "edges"}
        other.load_state_dict(state, strict=False)
        return other
