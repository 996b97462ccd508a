"""The cost of constant matrix-vector products (CMVM): the same matrices, three solvers."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from bench import adders
from bench.context import NETWORKS, Bench
from bench.peers import PEERS, Peer
from bench.record import MissingError, Row, Target, ratio
from gatewright.blocks.cmvm import solve, solver
from gatewright.ir import infer
from gatewright.num import FixedArray, Intervals
from gatewright.ops import Dense


@dataclass
class Total:
    """Sums over a network's layers.

    Attributes:
        own: what the solver itself says.
        luts, da4ml_cost, codes: the common metrics of `adders`; codes: what Yosys counts where the
            adders compute on unsigned codes.
    """

    own: float = 0.0
    luts: int = 0
    da4ml_cost: int = 0
    codes: int = 0
    count: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def add(self, own: float, graph: adders.Adders, matrix: np.ndarray, layer: str) -> None:
        """Count a layer, and check that the adders compute its matrix."""
        self.own += own
        self.luts += adders.luts(graph)
        self.da4ml_cost += adders.da4ml_cost(graph)
        self.codes += adders.code_luts(graph)[0]
        self.count += len(graph.nodes)
        if not adders.check(graph, matrix):
            self.wrong.append(layer)


def run(bench: Bench) -> list[Row]:
    """Measure the three networks."""
    peers, rows = [], []
    for kind in PEERS:
        try:
            peers.append(kind.load())
        except MissingError as error:
            rows.append(Row(f"adders: {kind.name}", trouble=str(error)))
    return [*(_network(bench, name, peers) for name in NETWORKS), *rows]


def layers(bench: Bench, name: str) -> dict[str, tuple[np.ndarray, Intervals]]:
    """Return each dense layer's integer matrix and the exact types of what it reads."""
    graph = bench.design(name).graph
    types = infer(graph)
    return {
        node.name: (FixedArray.exact(node.op.weight).q, types[node.inputs[0]])
        for node in graph.nodes
        if isinstance(node.op, Dense)
    }


def _network(bench: Bench, name: str, peers: list[Peer]) -> Row:
    what = f"{NETWORKS[name]}: cost of its matrices as shared adders"
    bench.tell(f"solve the matrices of {NETWORKS[name]}")
    totals = {"ours": Total(), **{peer.name: Total() for peer in peers}}
    for layer, (matrix, kind) in layers(bench, name).items():
        solver._memo.clear()
        start = time.process_time()
        graph = solve(matrix, kind.lo, kind.hi, kind.frac)
        totals["ours"].seconds += time.process_time() - start
        totals["ours"].add(graph.cost, adders.of_ours(kind, graph), matrix, layer)
        for peer in peers:
            start = time.process_time()
            own, nodes, outputs = peer.matrix_graph(matrix, kind)
            totals[peer.name].seconds += time.process_time() - start
            totals[peer.name].add(own, adders.of_peer(kind, nodes, outputs), matrix, layer)
    wrong = [f"{who} {layer}" for who, total in totals.items() for layer in total.wrong]
    if wrong:
        return Row(what, trouble=f"adders that compute another matrix: {wrong}", broken=True)
    ours = totals["ours"]
    text = ", ".join(f"{who} {total.luts:,}" for who, total in totals.items())
    note = "; ".join(
        f"{who}: {t.count:,} adders, {t.codes:,} LUTs on unsigned codes, "
        f"da4ml's metric {t.da4ml_cost:,}, own figure {t.own:,.0f}, "
        f"{t.seconds:.2f} CPU s"
        for who, t in totals.items()
    )
    facts = {who: vars(total) for who, total in totals.items()}
    if "da4ml" not in totals:
        return Row(what, text, note=note, facts=facts)
    theirs = totals["da4ml"]
    worst = max(
        ours.luts / theirs.luts,
        ours.da4ml_cost / theirs.da4ml_cost,
        ours.da4ml_cost / theirs.own,  # its own figure leaves negated outputs out
    )
    return Row(
        what, text, Target("at most 1.1 x da4ml's, by every metric", most=1.1), worst,
        ratio="; ".join(
            f"{ratio(ours.luts, totals[p.name].luts, p.name)} "
            f"({ours.da4ml_cost / totals[p.name].da4ml_cost:.3g} by da4ml's metric)"
            for p in peers
        ),
        note=f"LUTs, a result bit each that needs one, biases left out; each solver's adders "
        f"checked to compute the matrix; {note}",
        facts=facts,
    )  # fmt: skip
