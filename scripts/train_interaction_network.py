"""Train the interaction network of the tests on TrackML hit graphs; a minute on one core.

    python scripts/train_interaction_network.py ../shared/data/trackml_hitgraphs_2GeV_60.npz

Writes tests/data/models/interaction_network.npz: the weights, one graph of 28 hits and 37 segments
and samples of its features. Data: TrackML (CC BY 4.0), as hit graphs of the authors of
arXiv:2103.16701; seed 0, the last ten events are the test.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from interaction_network import InteractionNetwork

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "tests/data/models/interaction_network.npz"
NODES, EDGES, EPOCHS, SAMPLES = 28, 37, 10, 200

Graph = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Hits (n, 3), segments (m, 4), edges (2, m) as receiver and sender, labels (m,)."""


def read(path: Path) -> list[Graph]:
    """Return all events."""
    data = np.load(path)
    graphs = []
    for name in sorted({key.partition("/")[0] for key in data.files}):
        edges = np.zeros((2, len(data[f"{name}/y"])), np.int64)
        edges[0, data[f"{name}/Ri_cols"]] = data[f"{name}/Ri_rows"]
        edges[1, data[f"{name}/Ro_cols"]] = data[f"{name}/Ro_rows"]
        graphs.append((data[f"{name}/X"], data[f"{name}/Ra"].T, edges, data[f"{name}/y"]))
    return graphs


def train(graphs: list[Graph]) -> InteractionNetwork:
    """Return a network trained on whole events."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = InteractionNetwork(graphs[0][2])
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(EPOCHS):
        for hits, segments, edges, truth in graphs:
            model.edges = torch.as_tensor(edges)
            score = model(torch.as_tensor(hits)[None], torch.as_tensor(segments)[None])
            loss = torch.nn.functional.binary_cross_entropy(score[0], torch.as_tensor(truth))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model


def accuracy(model: InteractionNetwork, graphs: list[Graph]) -> float:
    """Return the share of segments on the right side of one half."""
    right = []
    for hits, segments, edges, truth in graphs:
        model.edges = torch.as_tensor(edges)
        score = model(torch.as_tensor(hits)[None], torch.as_tensor(segments)[None])[0]
        right.append((score.detach().numpy() > 0.5) == (truth > 0.5))
    return float(np.concatenate(right).mean())


def part(graph: Graph, seed: int) -> Graph:
    """Return `EDGES` connected segments (or as many as there are) between `NODES` hits at most."""
    hits, segments, edges, truth = graph
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    nodes: list[int] = []
    order = list(rng.permutation(edges.shape[1]))
    while order and len(chosen) < EDGES:
        known = [e for e in order if set(edges[:, e]) & set(nodes)] or order[:1]
        new = [e for e in known if len({*nodes, *edges[:, e]}) <= NODES]
        if not new:
            break
        edge = new[0]
        order.remove(edge)
        chosen.append(edge)
        nodes += [n for n in edges[:, edge] if n not in nodes]
    place = {n: i for i, n in enumerate(nodes)}
    own = np.asarray([[place[n] for n in row] for row in edges[:, chosen]])
    return hits[nodes], segments[chosen], own, truth[chosen]


def main() -> None:
    """Train, measure and write."""
    graphs = read(Path(sys.argv[1]))
    model = train(graphs[:-10])
    score = accuracy(model, graphs[-10:])
    print(f"accuracy on ten events that were not trained on: {score:.4f}")
    whole = (p for seed, g in enumerate(graphs[-10:] * 5) for p in [part(g, seed)])
    first = next(p for p in whole if p[0].shape[0] == NODES and p[1].shape[0] == EDGES)
    rng = np.random.default_rng(0)
    hits = np.concatenate([g[0] for g in graphs[-10:]])
    segments = np.concatenate([g[1] for g in graphs[-10:]])
    more_hits = hits[rng.integers(0, len(hits), (SAMPLES - 1, NODES))]
    more_segments = segments[rng.integers(0, len(segments), (SAMPLES - 1, EDGES))]
    weights = {k: v.numpy() for k, v in model.state_dict().items() if k != "edges"}
    np.savez_compressed(
        TARGET, edges=first[2], truth=first[3], accuracy=score,
        hits=np.concatenate([first[0][None], more_hits]),
        segments=np.concatenate([first[1][None], more_segments]), **weights,
    )  # fmt: skip


if __name__ == "__main__":
    main()
