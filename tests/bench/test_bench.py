"""The benchmark's own parts: verdicts, timing, cost functions, translations; no peer is needed."""

from __future__ import annotations

import importlib.util
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from bench.context import Bench
from bench.page import environment, page
from bench.peers import PEERS, cascade
from bench.record import MissingError, Row, Target, is_bad, ratio
from bench.results import Kept, read, updated, write
from bench.sections import SECTIONS, synthesis
from bench.sections.keywords import later_of_equals
from bench.sections.quantization import on_grid, point, uniform
from bench.timing import Times, alternate, one_core

from bench import adders, material, run
from gatewright.base import OptionError
from gatewright.blocks.cmvm import solve
from gatewright.blocks.cmvm.layout import COST_UNIT, HALF
from gatewright.ir import Graph, Input, Node, Output, evaluate, infer, run_real
from gatewright.num import FixedArray, Intervals, Overflow, Rounding
from gatewright.ops import Dense, Quantize, Relu, Softmax

# ---- verdicts


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("x", target=Target("at least 20", least=20), value=20.0), "met"),
        (Row("x", target=Target("at least 20", least=20), value=19.99), "MISSED"),
        (Row("x", target=Target("at most 1", most=1), value=1.01), "MISSED"),
        (Row("x", target=Target("at most 1", most=1)), "MISSED"),  # nothing was measured
        (Row("x", value=3.0), "for information"),
        (Row("x", target=Target("", most=1), value=0.0, trouble="no peer"), "not run"),
        (Row("x", trouble="ValueError", broken=True), "FAILED"),
    ],
)
def test_a_verdict_follows_from_the_number(row, verdict):
    assert row.verdict == verdict
    assert row.cells()[-1] == verdict
    assert is_bad([row]) == (verdict in ("MISSED", "FAILED"))


def test_rows_are_plain_data():
    row = Row("x", "1 s", Target("under 2 s", most=2), 1.0, facts={"seconds": 1.0})
    assert json.loads(json.dumps(row.plain()))["verdict"] == "met"
    assert Row("x").plain()["value"] is None
    assert ratio(1.0, 4.0, "peer") == "0.25 x peer"


# ---- timing


def test_ways_alternate_and_start_with_each_in_turn():
    calls = []
    times = alternate({name: lambda name=name: calls.append(name) for name in "abc"}, 3)
    assert "".join(calls) == "abcbcacab"
    assert all(len(times[name].wall) == len(times[name].cpu) == 3 for name in "abc")


def test_medians_and_spreads():
    times = Times((3.0, 1.0, 2.0), (0.3, 0.1, 0.2))
    assert (times.median, times.cpu_median) == (2.0, 0.2)
    assert times.spread() == "2 s (1 to 3)"
    assert times.rate(6_000_000) == "3 M/s (2 to 6)"


def test_one_core_gives_the_processors_back():
    import os

    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    with one_core() as held:
        if held:
            assert len(os.sched_getaffinity(0)) == 1
    assert before is None or os.sched_getaffinity(0) == before


# ---- cost functions


def kind(n, low=-128, high=127, frac=0):
    return Intervals.of(np.full(n, low), np.full(n, high), np.full(n, frac))


def test_adder_side_by_side_is_wiring_and_a_chain_counts_its_overlap():
    unsigned = kind(2, 0, 255)
    apart = adders.of_peer(unsigned, [((0, 0, False), (1, 8, False))], [(2, 0, False)])
    assert adders.luts(apart) == 0
    near = adders.of_peer(unsigned, [((0, 0, False), (1, 3, False))], [(2, 0, False)])
    assert adders.luts(near) == 12 - 3  # 255 * 9 has 12 bits, the three lowest pass
    minus = adders.of_peer(unsigned, [((0, 0, True), (1, 3, False))], [(2, 0, False)])
    assert adders.luts(minus) == 12  # a sign, and the negated low bits are in the chain
    negated = adders.of_peer(unsigned, [((0, 0, False), (1, 3, False))], [(2, 0, True)])
    assert adders.luts(negated) == 9 + 12
    assert adders.da4ml_cost(near) == 11 - 3


def test_ranges_are_those_of_linear_forms():
    # (a + b) - b is a: intervals of intervals would say more.
    nodes = [((0, 0, False), (1, 0, False)), ((2, 0, False), (1, 0, True))]
    graph = adders.of_peer(kind(2, frac=2), nodes, [(3, 0, False)])
    assert adders.exact_ranges(graph)[3] == (-128, 127, -2)
    assert adders.check(graph, np.array([[1], [0]]))


@pytest.mark.parametrize("seed", range(6))
def test_our_solver_and_the_common_metric_count_alike(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-32, 32, (7, 5)) * (rng.random((7, 5)) < 0.7)
    x = Intervals.of(rng.integers(-128, 1, 7), rng.integers(1, 128, 7), rng.integers(0, 4, 7))
    graph = solve(matrix, x.lo, x.hi, x.frac)
    ours = adders.of_ours(x, graph)
    assert adders.check(ours, matrix)
    luts, chain = adders.code_luts(ours)
    assert graph.cost == luts + (chain - luts) * HALF / COST_UNIT
    wrong = matrix.copy()
    wrong[3, 2] += 1
    assert not adders.check(ours, wrong)


def test_biases_belong_to_what_is_checked():
    matrix, bias = np.array([[3], [5]]), np.array([7])
    x = kind(2)
    ours = adders.of_ours(x, solve(matrix, x.lo, x.hi, x.frac, bias=bias))
    assert adders.check(ours, matrix, bias)
    assert not adders.check(ours, matrix)


def test_a_peers_stages_become_one_graph():
    def op(code, first, second=0, shift=0):
        return SimpleNamespace(opcode=code, id0=first, id1=second, data=shift)

    one = SimpleNamespace(
        ops=[op(-1, 0), op(-1, 1), op(1, 0, 1, 2)], inp_shifts=[0, 1],
        out_idxs=[2, 0], out_shifts=[1, 0], out_negs=[True, False],
    )  # fmt: skip
    two = SimpleNamespace(
        ops=[op(-1, 0), op(-1, 1), op(0, 0, 1, 0)], inp_shifts=[0, 0],
        out_idxs=[2, -1], out_shifts=[0, 0], out_negs=[False, False],
    )  # fmt: skip
    nodes, outputs = cascade([one, two], 2, lambda o: (o.id0, o.id1, o.data))
    graph = adders.of_peer(kind(2), nodes, outputs)
    # -2 * (x0 - 4 * (2 * x1)) + x0, and the constant zero.
    assert adders.check(graph, np.array([[-1, 0], [16, 0]]))
    one.ops[2].opcode = 7
    with pytest.raises(MissingError, match="operation 7"):
        cascade([one, two], 2, lambda o: (o.id0, o.id1, o.data))


# ---- the peers themselves


def small_network():
    rng = np.random.default_rng(2)
    nodes = [
        Node("d0", Dense.of(rng.integers(-8, 8, (4, 6)) / 8, rng.integers(-8, 8, 6) / 8), ("x",)),
        Node("r0", Relu(), ("d0",)),
        Node("q0", Quantize.to(False, 6, 3, Rounding.RND, Overflow.WRAP), ("r0",)),
        Node("d1", Dense.of(rng.integers(-8, 8, (6, 3)) / 4), ("q0",)),
    ]
    return Graph("small", (Input("x", (4,), kind(4, frac=4)),), tuple(nodes), (Output("y", "d1"),))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_computes_the_same_network_and_matrices(peer):
    if importlib.util.find_spec(peer.name) is None:
        with pytest.raises(MissingError, match=r"gatewright\[bench\]"):
            peer.load()
        pytest.skip(f"needs {peer.name}: pip install 'gatewright[bench]'")
    loaded, graph = peer.load(), small_network()
    logic = loaded.trace(graph)
    synthesis.check_equal(loaded, logic, graph)
    rtl = loaded.write(logic, 3, cutoff=2.0)
    assert rtl.top + ".v" in rtl.sources
    assert rtl.stages >= 1
    other = graph.with_nodes([*graph.nodes[:-1], Node("d1", Dense.of(np.ones((6, 3))), ("q0",))])
    with pytest.raises(MissingError, match="does not compute the same"):
        synthesis.check_equal(loaded, logic, other)
    matrix, x = np.random.default_rng(3).integers(-16, 16, (5, 4)), kind(5)
    _, nodes, outputs = loaded.matrix_graph(matrix, x)
    assert adders.check(adders.of_peer(x, nodes, outputs), matrix)


def test_what_a_peer_cannot_be_told_is_said():
    graph = small_network()
    graph = graph.with_nodes([*graph.nodes[:-1], Node("d1", Softmax(), ("q0",))])
    from bench.peers import replay

    class Traced(np.ndarray):
        def relu(self, *_):
            return np.maximum(self, 0)

        def quantize(self, *_):
            return self

    with pytest.raises(MissingError, match="softmax"):
        replay(graph, np.zeros((1, 4)).view(Traced))


# ---- models


def test_bench_mlp_is_the_network_of_the_file(shared_data):
    mlp = material.bench_mlp()
    (start,) = mlp.graph.inputs
    codes = FixedArray(np.rint(mlp.x * 16).astype(np.int64), start.type.frac)
    values = evaluate(mlp.graph, {"x": codes})[mlp.graph.outputs[0].value]
    np.testing.assert_array_equal(values.value, mlp.answers)


def test_the_network_of_the_cold_start_is_the_same(shared_data):
    from bench import cold

    class Traced(np.ndarray):
        def quantize(self, *kif):
            assert kif == (1, 3, 4)
            return self

        def relu(self, i, f):
            return np.mod(np.floor(np.maximum(self, 0) * 2.0**f) / 2.0**f, 2.0**i)

    mlp = material.bench_mlp()
    np.testing.assert_array_equal(cold.network(mlp.x[:500].view(Traced)), mlp.answers[:500])


@pytest.mark.parametrize("letter", "ab")
def test_the_hgq_taggers_order_of_classes(letter, shared_data):
    from gatewright.frontends import read_model

    jets = material.openml_jets()
    graph = read_model(material.hgq_tagger(letter))
    answers = run_real(graph, {graph.inputs[0].name: jets.x})[graph.outputs[0].value]
    found = answers.argmax(1)
    assert found.max() < 5
    right = {p: (np.array(p)[found] == jets.y).mean() for p in itertools.permutations(range(5))}
    ours = tuple(material.OPENML_CLASSES.index(c) for c in material.HGQ_CLASSES)
    best, next_best = sorted(right.values())[:-3:-1]
    assert right[ours] == best > 0.75
    assert next_best < 0.6


def test_sixteen_bits_everywhere():
    rng = np.random.default_rng(4)
    nodes = (
        Node("d0", Dense.of(rng.normal(0, 1, (4, 6)), rng.normal(0, 1, 6)), ("x",)),
        Node("r0", Relu(), ("d0",)),
        Node("d1", Dense.of(rng.normal(0, 1, (6, 3)), rng.normal(0, 1, 3)), ("r0",)),
        Node("s", Softmax(), ("d1",)),
    )
    source = Graph("m", (Input("x", (4,)),), nodes, (Output("y", "s"),))
    x = rng.normal(0, [1e-3, 1.0, 30.0, 1e3], (500, 4))
    graph = uniform(source, x)
    types = infer(graph)
    assert types["x"].width.max() == 16
    assert types[graph.outputs[0].value].width.max() <= 16
    encoded = graph.inputs[0].encode[-1].real(x)
    values = run_real(graph, {graph.inputs[0].name: encoded})[graph.outputs[0].value]
    wanted = run_real(source, {"x": x})["d1"]
    assert np.abs(values - wanted).max() < 1e-3 * np.abs(wanted).max()


@pytest.mark.parametrize("largest", [0.99, 1.0, 1.5, 127.999, 128.0, 1e-6])
def test_binary_points_hold_the_largest_number(largest):
    frac = point(np.array(largest), 8)
    found = on_grid(np.array(largest), frac, 8)
    assert abs(found - largest) <= 2.0 ** -(frac + 1)
    assert largest * 2.0 ** (frac + 1) > 126  # one bit finer would not do


def test_equal_scores_go_to_the_later_class():
    assert later_of_equals(np.array([[1, 3, 3], [5, 1, 1], [2, 2, 2]])).tolist() == [2, 0, 2]


# ---- the command


def test_the_command_prints_and_writes_what_was_measured(monkeypatch, tmp_path, capsys):
    def good(bench):
        assert isinstance(bench, Bench)
        bench.tell("measuring")
        return [Row("a | b", "3", Target("at most 4", most=4), 3.0, note="how it was done")]

    def absent(bench):
        raise MissingError("needs a peer")

    for name in SECTIONS:
        monkeypatch.setitem(SECTIONS, name, absent)
    monkeypatch.setitem(SECTIONS, "sharing", good)
    arguments = ["--quick", "--json", str(tmp_path / "o.json"), "--page", str(tmp_path / "o.md")]
    assert run.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "1 met" in printed
    assert "not run" in printed
    facts = json.loads((tmp_path / "o.json").read_text())
    assert [r["verdict"] for r in facts["rows"] if r["section"] == "sharing"] == ["met"]
    assert facts["about"]["command"] == "python bench/run.py --quick"
    text = (tmp_path / "o.md").read_text()
    assert "| a \\| b | at most 4 | 3 |  | met |" in text
    assert "How it was done." in text


def test_a_section_that_fails_is_told_and_does_not_stop_the_others(monkeypatch, capsys):
    def broken(bench):
        raise ZeroDivisionError("by nothing")

    def refused(bench):
        raise OptionError("impossible")

    monkeypatch.setitem(SECTIONS, "sharing", broken)
    monkeypatch.setitem(SECTIONS, "latency", refused)
    assert run.main(["--only", "sharing", "--only", "latency"]) == 1
    printed = capsys.readouterr().out
    assert "ZeroDivisionError" in printed
    assert "impossible" in printed
    assert "2 failed" in printed


def test_missing_data_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(material, "SHARED", tmp_path)
    with pytest.raises(MissingError, match="lhc_jets_hlf_512"):
        material.openml_jets()


def test_the_page_names_machine_versions_and_command():
    about = environment("python bench/run.py", 61.0)
    text = page({"latency": Kept(about, (Row("x", "1"),))})
    assert about["processor"] in text
    assert "numpy " in text
    assert "1 minutes of `python bench/run.py`" in text


def test_a_section_measured_again_takes_its_old_rows_place(tmp_path):
    path = tmp_path / "kept.json"
    assert read(path) == {}
    target = Target("at most 4", most=4)
    old = [Row("x", "1", section="sharing"), Row("y", "3", target, 3.0, section="latency")]
    write(path, updated({}, old, {"date": "then"}, ["sharing", "latency"]))
    kept = read(path)
    assert [row.verdict for row in kept["latency"].rows] == ["met"]
    assert kept["latency"].rows[0].target == target
    new = updated(kept, [Row("z", section="sharing")], {"date": "now"}, ["sharing", "latency"])
    assert list(new) == ["sharing", "latency"]
    assert [row.what for row in new["sharing"].rows] == ["z"]
    assert (new["sharing"].about["date"], new["latency"].about["date"]) == ("now", "then")
