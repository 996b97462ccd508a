"""The Verilog of a forest: golden text, names, lint, and its answers in simulation."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_circuits import interpreted_parts, random_inputs, simulated, streaming, wrapper
from tests.ops.cases.forest import grown

from gatewright.blocks.forest import Names, describe, forest
from gatewright.emit import emit_verilog
from gatewright.emit.decisions import Decision, decision_text, decisions, leaf_count
from gatewright.emit.header import generator
from gatewright.hw import Module, evaluate
from gatewright.num import FixedArray, Intervals
from gatewright.ops import Forest
from gatewright.tools.verilator import lint

GOLDEN = Path(__file__).parent / "golden"
FEATURES, CLASSES = ("pt", "eta jet", "region"), ("class q", "class g")


def small() -> Forest:
    """Return three trees for two classes: numbers, missing ones, a set of categories."""
    arrays = {
        "features": [0, 1, 1, 0, 1, 2],
        "thresholds": [4.625, -0.75, 1.5, 9.0, -0.25, 0.0],
        "members": [-1, -1, -1, -1, -1, 0],
        "left": [1, -1, -3, 4, -5, -7],
        "right": [2, -2, -4, -9, -6, -8],
        "roots": [0, 3, 5],
    }
    numbers = {
        k: np.asarray(v, np.float64 if k == "thresholds" else int) for k, v in arrays.items()
    }
    leaves = np.zeros((9, 2))
    leaves[:4, 0] = [0.25, 0.5, 1.0, -0.25]
    leaves[[4, 5, 8], 1] = [0.5, -0.5, 0.0]
    leaves[[6, 7], 0] = [0.75, 0.0]
    return Forest(
        **numbers,
        inclusive=np.zeros(6, np.bool_),
        missing_left=np.asarray([0, 1, 0, 0, 1, 0], np.bool_),
        leaves=leaves,
        base=np.asarray([0.125, 0.0]),
        missing=np.asarray([0.0, -4.0, 0.0]),
        has_missing=np.asarray([0, 1, 0], np.bool_),
        sets=np.asarray([[0, 1, 0, 1]], np.bool_),
        feature_names=FEATURES,
        output_names=CLASSES,
    )


KIND = Intervals.of([0, -32, 0], [255, 31, 3], [3, 3, 0])


def circuit(op: Forest, kind: Intervals, name: str = "jets") -> Module:
    """Return the forest as a module, without registers."""
    m = Module(name, "model.json, layer 'forest'", "forest, parallel")
    x, words = m.input("x", kind), op.words()
    names = Names(op.feature_names, op.output_names)
    m.output("y", forest(m, x, op.splits(kind), op.live(kind), *words, op.grid(), names))
    return m


def test_golden_text(refresh_golden):
    for file, text in emit_verilog(circuit(small(), KIND)).items():
        text = text.replace(generator(), "Gatewright")
        if refresh_golden:
            (GOLDEN / file).write_text(text)
        assert text == (GOLDEN / file).read_text(), f"{file} changed; --refresh-golden accepts it"


def agree(op: Forest, kind: Intervals, run: bool = False) -> dict[str, str]:
    """Compare the circuit with the reference, and the text with the circuit; return the text.

    Without `run` the text is only read by Verilator.
    """
    rng = np.random.default_rng(1)
    x = rng.integers(kind.lo, kind.hi + 1, (200, kind.size))
    m = circuit(op, kind)
    found, want = evaluate(m, {"x": x})["y"], op.evaluate(FixedArray(x, kind.frac))
    frac = np.asarray([m.frac[s] for s in m.outputs["y"]])
    np.testing.assert_array_equal(np.ldexp(found, -frac), np.ldexp(want.q, -want.frac))
    top = wrapper([m])
    sources = emit_verilog(top)
    design = streaming(top, sources)
    lint(design)
    if not run:
        return sources
    inputs = random_inputs(top, 100, seed=1)
    for port, answer in simulated(top, design, inputs).items():
        np.testing.assert_array_equal(answer, interpreted_parts([m], inputs)[port])
    return sources


def test_the_text_computes_the_forest():
    agree(small(), KIND, run=True)


def test_names_of_the_model_cannot_leave_a_comment_or_a_name():
    hostile = ("verilator lint_off", 'x */ endmodule `include "a"\n', "assign")
    sources = agree(replace(small(), feature_names=hostile), KIND)
    text = sources["jets_comparators.v"]
    assert "verilator_lint_off_lt_37" in text
    assert "// verilator" not in text
    assert "*/" not in text
    assert "`include" not in text


def test_equal_trees_are_one_module():
    op = grown(3, 1, 2, 3, 1)
    twice = replace(
        op,
        features=np.concatenate([op.features, (op.features + 1) % 3]),
        thresholds=np.tile(op.thresholds, 2),
        inclusive=np.tile(op.inclusive, 2),
        missing_left=np.tile(op.missing_left, 2),
        members=np.tile(op.members, 2),
        left=np.concatenate([op.left, np.where(op.left < 0, op.left, op.left + 3)]),
        right=np.concatenate([op.right, np.where(op.right < 0, op.right, op.right + 3)]),
        roots=np.asarray([0, 3]),
    )
    kind = Intervals.of([-64] * 3, [127] * 3, 4)
    sources = emit_verilog(circuit(twice, kind))
    trees = [name for name in sources if "_tree_" in name]
    assert trees == ["jets_tree_0.v"]
    assert "trees 0, 1 of the model" in sources["jets_tree_0.v"]
    assert sources["jets.v"].count("jets_tree_0 u_tree_") == 2


def test_deep_trees_compute_the_same(monkeypatch):
    monkeypatch.setattr(describe, "MOST_LINES", 12)
    kind = Intervals.of([-64, 0, 0] * 4, [63, 500, 255] * 4, [4, 5, 4] * 4)
    sources = agree(grown(5, 2, 8, 12, 2), kind)
    text = sources["jets_trees.v"]
    assert re.search(r"\.\.\. \(\d+ splits\)", text)


@pytest.mark.parametrize("seed", range(6))
def test_decisions_are_the_table(seed):
    rng = np.random.default_rng(seed)
    bits = int(rng.integers(1, 6))
    codes = np.arange(1 << bits)
    chosen = rng.permutation(bits)
    words = np.zeros(1 << bits, np.int64)
    for k, bit in enumerate(chosen):  # a chain of questions
        words[(words == 0) & ((codes >> bit & 1) == 1)] = k + 1
    found = decisions(words)
    assert isinstance(found, Decision)
    assert leaf_count(found) <= 2 * bits
    names = [f"b{i}" for i in range(bits)]
    text = decision_text(found, names, str, "")
    for code in codes.tolist():
        tree = found
        while isinstance(tree, Decision):
            tree = tree.one if code >> (bits - 1 - tree.bit) & 1 else tree.zero
        assert tree == words[code]
    assert text.count("?") == leaf_count(found) - 1


def test_a_table_of_many_words_is_no_decision():
    assert decisions(np.arange(16)) is None
    assert decisions(np.arange(3)) is None
