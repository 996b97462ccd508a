"""The solver alone: dense random 8-bit matrices of growing size."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from bench import adders
from bench.context import Bench
from bench.peers import PEERS, Peer
from bench.record import MissingError, Row, Target, ratio
from gatewright.blocks.cmvm import solve, solver
from gatewright.num import Intervals

SECONDS = {64: 1.0, 128: 10.0, 256: 100.0}
"""CPU seconds that a solution may take, by size."""

RECORDED = {128: 213_201}
"""da4ml 0.6's cost by its own metric where it takes too long to run again (375 CPU seconds)."""


@dataclass(frozen=True)
class Found:
    """One solution: CPU seconds, the two metrics of `adders`, adders."""

    seconds: float
    luts: int
    da4ml_cost: int
    count: int


def matrix_of(size: int) -> np.ndarray:
    """Return the matrix of a size: uniform in -128..127."""
    return np.random.default_rng(size).integers(-128, 128, (size, size))


def run(bench: Bench) -> list[Row]:
    """Solve each size; da4ml solves the smallest in the same run."""
    solve(matrix_of(4), *_ranges(4))  # the compiled code is loaded before anything is timed
    peers: list[Peer] = []
    for kind in PEERS:
        try:
            peers.append(kind.load())
        except MissingError:
            continue  # the section on whole networks says so
    return [row for size in SECONDS if size < 256 or not bench.quick
            for row in _size(bench, size, peers)]  # fmt: skip


def _ranges(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full(size, -128), np.full(size, 127), np.zeros(size, np.int64)


def _ours(size: int) -> Found:
    matrix, kind = matrix_of(size), Intervals.of(*_ranges(size))
    solver._memo.clear()
    start = time.process_time()
    graph = solve(matrix, *_ranges(size))
    seconds = time.process_time() - start
    found = adders.of_ours(kind, graph)
    if not adders.check(found, matrix):
        raise AssertionError(f"{size} x {size}: the adders compute another matrix")
    return Found(seconds, adders.luts(found), adders.da4ml_cost(found), graph.n_nodes)


def _theirs(peer: Peer, size: int) -> Found:
    matrix, kind = matrix_of(size), Intervals.of(*_ranges(size))
    start = time.process_time()
    _, nodes, outputs = peer.matrix_graph(matrix, kind)
    seconds = time.process_time() - start
    found = adders.of_peer(kind, nodes, outputs)
    if not adders.check(found, matrix):
        raise AssertionError(f"{size} x {size}: {peer.name}'s adders compute another matrix")
    return Found(seconds, adders.luts(found), adders.da4ml_cost(found), len(nodes))


def _size(bench: Bench, size: int, peers: list[Peer]) -> list[Row]:
    name = f"{size} x {size} dense 8-bit matrix"
    bench.tell(f"solve {size} x {size}")
    ours = _ours(size)
    others = {}
    if size == min(SECONDS):
        for peer in peers:
            bench.tell(f"{peer.name} solves {size} x {size}")
            others[peer.name] = _theirs(peer, size)
    text = f"{ours.seconds:.2f} CPU s, {ours.count:,} adders"
    note = "; ".join(
        f"{who}: {f.seconds:.1f} CPU s, {f.count:,} adders, {f.da4ml_cost:,} by da4ml's metric"
        for who, f in others.items()
    )
    limit = SECONDS[size]
    rows = [
        Row(f"{name}: time", text, Target(f"at most {limit:g} CPU s", most=limit), ours.seconds,
            "; ".join(ratio(ours.seconds, f.seconds, who) for who, f in others.items()), note,
            {"ours": vars(ours), **{who: vars(f) for who, f in others.items()}}),
    ]  # fmt: skip
    known = others["da4ml"].da4ml_cost if "da4ml" in others else RECORDED.get(size)
    cost = f"{ours.da4ml_cost:,} by da4ml's metric, {ours.luts:,} adder bits"
    if known is None:
        return [*rows, Row(f"{name}: cost", cost)]
    how = "measured now" if "da4ml" in others else "recorded, another matrix of the same kind"
    return [
        *rows,
        Row(
            f"{name}: cost", cost, Target("at most 0.95 x da4ml's, by its metric", most=0.95),
            ours.da4ml_cost / known, ratio(ours.da4ml_cost, known, "da4ml"),
            f"da4ml {known:,} ({how})",
        ),
    ]  # fmt: skip
