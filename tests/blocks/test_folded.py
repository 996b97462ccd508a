"""Folded matrices: the fewest multipliers that the reuse factor allows, right in every cycle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import FormatError, OptionError
from gatewright.blocks.folded import Folding, folded_matmul
from gatewright.hw import VALID_IN, VALID_OUT, Bus, Kind, Module, Simulator, check, run_stream
from gatewright.num import Intervals

SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24))


@given(SIZES, st.floats(0, 1))
def test_choice_is_within_the_reuse_factor_and_near_the_least(size, part):
    n_in, n_out = size
    reuse = 1 + int(part * (n_in * n_out - 1))
    fold = Folding.choose(n_in, n_out, reuse)
    assert fold.steps <= reuse
    assert fold.steps == fold.turns * fold.groups
    assert fold.lanes * fold.turns >= n_in > fold.lanes * (fold.turns - 1)
    assert fold.group * fold.groups >= n_out > fold.group * (fold.groups - 1)
    assert fold.multipliers >= n_in * n_out / reuse
    least = min(
        lanes * group
        for lanes in range(1, n_in + 1)
        for group in range(1, n_out + 1)
        if -(-n_in // lanes) * -(-n_out // group) <= reuse
    )
    assert fold.multipliers == least


@given(SIZES)
def test_a_divisor_of_the_inputs_or_outputs_wastes_no_multiplier(size):
    n_in, n_out = size
    for reuse in (1, n_in, n_out, n_in * n_out):
        fold = Folding.choose(n_in, n_out, reuse)
        assert fold.multipliers * reuse == n_in * n_out
        assert fold.steps == reuse


@pytest.mark.parametrize("reuse", [0, -1, 13])
def test_reuse_wrong(reuse):
    with pytest.raises(OptionError) as error:
        Folding.choose(4, 3, reuse)
    assert str(error.value) == (
        "a reuse factor is out of range\n"
        f"  found:     {reuse}\n"
        "  supported: 1 to 12, the products of this layer\n"
        "  remedy:    choose a smaller reuse factor"
    )


def folded(kinds: Intervals, matrix, frac, bias, bias_frac, reuse) -> Module:
    m = Module("folded", origin="layer 'dense'")
    (valid,) = m.input(VALID_IN, Intervals.of([0], [1], 0))
    x = Bus(np.asarray(m.input("x", kinds)), valid)
    y = folded_matmul(m, x, matrix, frac, bias, bias_frac, reuse)
    m.output(VALID_OUT, [y.valid])
    m.output("y", y.flat)
    check(m)
    return m


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.floats(0, 1))
def test_stream(seed, part):
    """Every format an element of its own, zero weights, constant inputs, coarse grids, gaps."""
    rng = np.random.default_rng(seed)
    n_in, n_out = (int(v) for v in rng.integers(1, 6, 2))
    reuse = 1 + int(part * (n_in * n_out - 1))
    span = 2 ** rng.integers(0, 6, n_in) - 1
    lo = -rng.integers(0, span + 1)
    kinds = Intervals.of(lo, lo + span, rng.integers(-6, 4, n_in))
    matrix = rng.integers(-8, 9, (n_in, n_out)) * rng.integers(0, 2, (n_in, n_out))
    if rng.integers(2):
        matrix *= 4  # a constant weight is normalised: the accumulator's grid is coarser
    bias, frac, bias_frac = rng.integers(-9, 10, n_out), *(int(v) for v in rng.integers(0, 4, 2))
    m = folded(kinds, matrix, frac, bias, bias_frac, reuse)
    q = np.concatenate(
        [kinds.lo[None], kinds.hi[None], rng.integers(kinds.lo, kinds.hi + 1, (6, n_in))]
    )
    result = run_stream(m, {"x": q}, rng.integers(0, 3, len(q)))
    assert set((result.output_cycle - result.accept_cycle).tolist()) == {m.latency}
    assert m.interval <= reuse
    assert m.latency == m.interval + 1
    value = np.ldexp(q, -kinds.frac) @ np.ldexp(matrix, -frac) + np.ldexp(bias, -bias_frac)
    found = np.ldexp(result.outputs["y"], -m.intervals(m.outputs["y"]).frac)
    np.testing.assert_array_equal(found, value)


def test_multipliers_are_shared():
    kinds = Intervals.of(np.full(6, -8), np.full(6, 7), 0)
    matrix = np.arange(1, 25).reshape(6, 4)
    for reuse, wanted in [(2, 12), (4, 6), (6, 4), (24, 1)]:
        m = folded(kinds, matrix, 0, np.zeros(4, np.int64), 0, reuse)
        assert m.kind.count(Kind.MUL) == wanted


def test_outputs_stand_until_the_next_result():
    kinds = Intervals.of([0, 0], [7, 7], 0)
    m = folded(kinds, np.asarray([[1], [2]]), 0, np.zeros(1, np.int64), 0, 2)
    simulator = Simulator(m, check=False)
    simulator.reset()
    seen = []
    for cycle in range(12):
        valid = int(cycle in (0, 7))
        x = [[3, 2]] if cycle == 0 else [[1, 1]] if cycle == 7 else [[5, 6]]
        found = simulator.step({VALID_IN: np.asarray([[valid]]), "x": np.asarray(x)})
        seen.append((int(found[VALID_OUT][0, 0]), int(found["y"][0, 0])))
    assert [c for c, (mark, _) in enumerate(seen) if mark] == [3, 10]
    assert [y for _, y in seen[3:10]] == [7] * 7
    assert seen[10][1] == 3


def test_sums_past_62_bits_wrong():
    kinds = Intervals.of([0, 0], [2**40, 2**40], 0)
    weights = np.full((2, 1), 2**22)
    with pytest.raises(FormatError, match="would not fit"):
        folded(kinds, weights, 0, np.zeros(1, np.int64), 0, 2)
