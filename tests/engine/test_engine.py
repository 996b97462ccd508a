"""The engine equals the interpreter on every cell, lane, input type and processor."""

from __future__ import annotations

import numpy as np
import pytest
from engine_circuits import random_inputs, random_module
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import DataError, FormatError, OptionError, UnsupportedError
from gatewright.engine import Engine, Target
from gatewright.engine import program as engine_program
from gatewright.engine.program import Program
from gatewright.hw import Kind, Module, Table, check, evaluate
from gatewright.num import Fixed, Intervals


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def planned(module, texts=None):
    """Plan a circuit without compiling it."""
    keep = [] if texts is None else texts
    return Program.of(module, Target.host(), lambda text: bytes(keep.append(text) or 0)).top


def agree(module, batch=70, **options):
    check(module)
    inputs = random_inputs(module, batch)
    expected = evaluate(module, inputs)
    engine = Engine(module, **options)
    actual = engine.run(inputs)
    assert list(actual) == list(expected)
    for name, values in expected.items():
        assert actual[name].dtype == np.int64
        np.testing.assert_array_equal(actual[name], values, err_msg=f"port {name}")
    raw = engine.run_raw(inputs)
    for name, values in expected.items():
        np.testing.assert_array_equal(raw[name].astype(np.int64), values)
    return engine


@pytest.mark.parametrize("seed", range(12))
def test_random_circuits(seed):
    agree(
        random_module(seed, cells=80, widest=[3, 6, 8, 12, 16, 20, 31, 62][seed % 8]), cache=False
    )


@settings(max_examples=12, deadline=None)
@given(st.integers(100, 1 << 30), st.integers(1, 61), st.integers(1, 40))
def test_random_circuits_of_any_width(seed, widest, cells):
    agree(random_module(seed, cells=cells, widest=widest), batch=33, cache=False)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_old_processor(seed):
    agree(random_module(seed, widest=[8, 14, 40][seed - 1]), target=Target.baseline(), cache=False)


@pytest.mark.parametrize("seed", range(5))
def test_instances_of_instances(seed):
    leaf = [random_module(1000 + 10 * seed + i, cells=20, widest=10) for i in range(2)]
    middle = random_module(2000 + seed, cells=40, widest=12, children=leaf)
    top = random_module(3000 + seed, cells=60, widest=12, children=[middle, leaf[0]])
    engine = agree(top, cache=False)
    assert engine.cells > 0


@pytest.mark.parametrize("seed", range(3))
def test_many_functions(seed):
    module = random_module(seed, cells=150, widest=9, children=[random_module(77, cells=10)])
    inputs = random_inputs(module, 40)
    texts = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_program, "CHUNK", 7)
        patch.setattr(engine_program, "PIECE", 20)
        assert len(planned(module, texts).parts) > 5
        assert len(texts) > 2
        engine = Engine(module, cache=False)
    for name, values in evaluate(module, inputs).items():
        np.testing.assert_array_equal(engine.run(inputs)[name], values)


def test_every_cell_was_tried():
    kinds = set()
    for seed in range(12):
        kinds |= set(
            random_module(seed, cells=80, widest=[3, 6, 8, 12, 16, 20, 31, 62][seed % 8]).kind
        )
    assert kinds == set(Kind) - {Kind.REG, Kind.INSTANCE, Kind.READ}


def dense(width=8):
    m = Module("dense", origin="net.keras: layer 'dense'")
    x = m.input("x", Intervals.format(Fixed(True, width, 4), (5,)))
    total = m.sub(m.add(x[0], m.shift(x[1], 2)), m.shift(x[2], -3))
    m.output("y", [total, m.mul(x[3], x[4])])
    return m


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", "?"])
def test_input_types(dtype):
    m = dense(6)
    q = np.random.default_rng(0).integers(0, 2 if dtype == "?" else 31, (100, 5))
    expected = evaluate(m, {"x": q})["y"]
    np.testing.assert_array_equal(Engine(m).run({"x": q.astype(dtype)})["y"], expected)


def test_input_rows_with_gaps():
    m = dense(6)
    q = np.random.default_rng(0).integers(-31, 31, (200, 10))
    for view in (q[:, ::2], q[::2, 5:], q[::-1, :5], np.asfortranarray(q[:, :5])):
        np.testing.assert_array_equal(
            Engine(m).run({"x": view})["y"], evaluate(m, {"x": view})["y"]
        )


@pytest.mark.parametrize("batch", [0, 1, 31, 32, 33, 64, 1000])
def test_batch_sizes(batch):
    m = dense()
    inputs = random_inputs(m, batch)
    result = Engine(m).run(inputs)["y"]
    np.testing.assert_array_equal(result, evaluate(m, inputs)["y"])
    assert result.shape == (batch, 2)


def test_threads_share_a_batch():
    m = dense()
    inputs = random_inputs(m, 50_001)
    expected = evaluate(m, inputs)["y"]
    for threads in (1, 2, 5):
        np.testing.assert_array_equal(Engine(m, threads=threads).run(inputs)["y"], expected)


def test_elements_past_whole_tiles():
    for count in (1, 2, 3, 4, 7, 9, 17):
        m = Module("pass")
        x = m.input("x", Intervals.format(Fixed(True, 9, 0), (count,)))
        m.output("y", [m.neg(s) for s in x])
        inputs = random_inputs(m, 65)
        np.testing.assert_array_equal(Engine(m).run(inputs)["y"], -inputs["x"])


def test_ports_without_elements_and_circuits_without_inputs():
    m = Module("constant")
    m.output("y", [m.constant(5), m.constant(-3, 2)])
    m.output("none", [])
    result = Engine(m, cache=False).run({})
    np.testing.assert_array_equal(result["y"], [[5, -3]])
    assert result["none"].shape == (1, 0)


def test_outputs_come_in_the_narrowest_type():
    m = dense()
    raw = Engine(m).run_raw(random_inputs(m, 10))["y"]
    assert raw.dtype == np.int16


@pytest.mark.parametrize("signed", [False, True])
def test_comparison_of_the_widest_numbers_on_one_grid(signed):
    m = Module("far")
    most = (1 << 11) - 1
    a = m.input("a", Intervals.of([-most * signed], [most], [-40]))[0]
    b = m.input("b", Intervals.of([-(1 << 61) * signed], [(1 << 61) - 1], [10]))[0]
    m.output("y", [m.less(a, b), m.less(b, a), m.equal(a, b)])
    pairs = [(0, 0), (0, 1), (1, 1 << 50), (1, (1 << 50) - 1), (1, (1 << 50) + 1)]
    pairs += [(2047, (1 << 61) - 1), (1, 5)] + [(-p, -r) for p, r in pairs if signed]
    q = np.array(pairs, np.int64)
    y = Engine(m, cache=False).run({"a": q[:, :1], "b": q[:, 1:]})["y"]
    numbers = [(p << 50, r) for p, r in pairs]
    assert y.tolist() == [[p < r, r < p, p == r] for p, r in numbers]


def test_comparison_of_numbers_that_share_no_grid_wrong():
    m = Module("far")
    a = m.input("a", Intervals.of([0], [1 << 50], [-40]))[0]
    b = m.input("b", Intervals.of([0], [1 << 50], [10]))[0]
    for compare in (m.less, m.equal):
        with pytest.raises(FormatError, match="wider than we compute with"):
            compare(a, b)


@pytest.mark.parametrize("bits", [1, 4, 5, 6, 7, 8, 9])
def test_tables_of_all_sizes(bits):
    rng = np.random.default_rng(bits)
    m = Module("tables")
    x = m.input(
        "x", Intervals.of([0, -(1 << bits >> 1)], [(1 << bits) - 1, (1 << bits >> 1) - 1], 0)
    )
    tables = [
        Table.of("t", rng.integers(-(1 << word), 1 << word, max(depth, 1)))
        for word in (1, 7, 12, 20)
        for depth in (1 << bits, (1 << bits) - 1, 1 << bits >> 1, 2 << bits)
    ]
    m.output("y", [m.table(s, table) for s in x for table in tables])
    agree(m, cache=False)
    narrow = Module("narrow")
    s = narrow.input("x", Intervals.format(Fixed(True, bits, 0), (1,)))[0]
    narrow.output("y", [narrow.table(s, Table.of("t", rng.integers(-100, 100, 1 << bits)))])
    assert agree(narrow, batch=600, cache=False).lane_bits == 8


@pytest.mark.parametrize("limit", [0, 5, -700, 32766, 32767, 32768, -32767, -32768, -32769, 40000])
def test_sums_past_a_lane_against_a_limit(limit):
    """What a saturating sum decides, next to the limit and at the ends of the ranges."""
    m = Module("sums")
    x = m.input(
        "x", Intervals.of([-(1 << 15)] * 2 + [-300], [(1 << 15) - 1] * 2 + [300], [0, 0, 1])
    )
    outputs = []
    for s in (
        m.add(x[0], x[1]),
        m.sub(x[0], x[1]),
        m.add(m.sub(x[1], x[0]), m.constant(9, 1)),
        m.sub(m.constant(-77), m.add(x[0], x[1])),
        m.add(m.shift(x[2], 6), m.sub(m.shift(x[2], -2), x[2])),
        m.sub(x[2], m.sub(m.shift(x[0], -1), m.shift(x[1], -1))),
        m.add(x[2], m.add(m.shift(x[0], -2), m.shift(x[1], -2))),
    ):
        c = m.constant(limit)
        below, above = m.less(s, c), m.less(c, s)
        outputs += [below, above, m.wrap(m.select(above, s, c), Fixed(False, 8, m.frac[s] - 3))]
    m.output("y", outputs)
    ends = [-(1 << 15), -(1 << 14), -300, -1, 0, 1, 300, 1 << 14, (1 << 15) - 1]
    near = [min(max(limit - e + d, -(1 << 15)), (1 << 15) - 1) for e in ends for d in (-1, 0, 1)]
    q = np.array([(a, b, c) for a in ends for b in {*ends, *near} for c in (-300, 0, 1, 300)])
    engine = Engine(m, cache=False)
    assert planned(m).lanes.fused or abs(limit) > 32767
    np.testing.assert_array_equal(engine.run({"x": q})["y"], evaluate(m, {"x": q})["y"])


def test_only_low_bits_are_kept_where_no_more_are_asked_for():
    m = Module("low")
    x = m.input("x", Intervals.format(Fixed(True, 14, 4), (6,)))
    total = x[0]
    for s in x[1:]:
        total = m.add(m.shift(total, 1), s)
    m.output("y", [m.wrap(total, Fixed(True, 9, 1))])
    agree(m, batch=500, cache=False)
    assert m.width(total) > 16
    assert planned(m).lanes.lane[total] == 16


def test_equal_tables_lie_in_memory_once():
    m = Module("tables")
    x = m.input("x", Intervals.format(Fixed(False, 8, 0), (3,)))
    words = np.arange(256) * 7 % 256
    m.output("y", [m.table(s, Table.of("t", words)) for s in x])
    engine = agree(m, cache=False)
    assert len(engine._circuit.tables) <= 512


def test_code_comes_from_the_cache():
    m = dense(11)
    first, second = Engine(m), Engine(m)
    assert second.cached
    inputs = random_inputs(m, 100)
    np.testing.assert_array_equal(first.run(inputs)["y"], second.run(inputs)["y"])
    assert not Engine(m, cache=False).cached


def test_facts():
    engine = agree(dense())
    assert engine.lane_bits in (8, 16)
    assert engine.block >= 8
    assert engine.cells == 3
    assert engine.compile_seconds > 0
    assert engine.rate > 0


def test_registers_wrong():
    m = Module("held", origin="layer 'dense'")
    r = m.register((0, 7, 0), 0)
    m.connect(r, m.input("x", Intervals.of([0], [7], [0]))[0])
    m.output("y", [r])
    with pytest.raises(UnsupportedError, match="circuits without registers") as error:
        Engine(m)
    assert "layer 'dense'" in str(error.value)


def test_memories_wrong():
    m = Module("fifo", origin="layer 'conv'")
    (x,) = m.input("x", Intervals.of([0], [7], [0]))
    store = m.memory("words", 8, m.intervals([x]))
    m.write(store, x, [x], m.constant(1))
    m.output("y", [m.read(store, x)])
    with pytest.raises(UnsupportedError, match="without registers and memories") as error:
        Engine(m)
    assert "module fifo holds memories" in str(error.value)


def test_threads_wrong():
    with pytest.raises(OptionError, match="needs a thread"):
        Engine(dense(), threads=0)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i8", "u1", "u8"])
@pytest.mark.parametrize("sample", [0, 37, 4000, 4099])
def test_value_out_of_range_wrong(dtype, sample):
    q = np.zeros((4100, 5), dtype)
    q[sample, 3] = 33 if sample != 37 or dtype[0] == "u" else -33
    q[sample:, 4] = 32
    with pytest.raises(DataError, match="outside the range") as error:
        Engine(dense(6), threads=2).run({"x": q})
    text = str(error.value)
    assert f"port x, element 3, sample {sample}" in text
    assert "-32..31 (units of 2**-4)" in text
    assert f"{q[sample, 3]}\n" in text


def test_value_out_of_range_of_any_type_wrong():
    m = Module("high")
    m.output("y", m.input("x", Intervals.of([1000], [2000], [0])))
    for q in (np.zeros((3, 1), np.int8), np.full((3, 1), 2**64 - 1, np.uint64)):
        with pytest.raises(DataError, match="outside the range"):
            Engine(m).run({"x": q})


def test_arrays_wrong():
    engine = Engine(dense())
    good = np.zeros((4, 5), np.int64)
    cases = [
        ({}, "do not match"),
        ({"x": good, "z": good}, "do not match"),
        ({"x": good.astype(float)}, "wrong shape or type"),
        ({"x": good[0]}, "wrong shape or type"),
        ({"x": good[:, :4]}, "wrong shape or type"),
    ]
    for inputs, text in cases:
        with pytest.raises(DataError, match=text):
            engine.run(inputs)


def test_batches_differ_wrong():
    m = random_module(5)
    inputs = random_inputs(m, 10)
    inputs["y"] = inputs["y"][:9]
    with pytest.raises(DataError, match="different numbers of samples"):
        Engine(m, cache=False).run(inputs)
