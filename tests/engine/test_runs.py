"""Instances in loops, copies to outputs, and code that does not grow with either."""

from __future__ import annotations

import numpy as np
import pytest
from engine_circuits import random_inputs

from gatewright.base import UnsupportedError
from gatewright.engine import Engine, Target
from gatewright.engine.batch import accept
from gatewright.engine.program import Program
from gatewright.engine.schedule import Run
from gatewright.engine.tables import Tables
from gatewright.hw import Module, check, evaluate
from gatewright.num import Fixed, Intervals


def agree(module, batch=70, **options):
    check(module)
    inputs = random_inputs(module, batch)
    engine = Engine(module, cache=False, **options)
    found = engine.run(inputs)
    for name, values in evaluate(module, inputs).items():
        np.testing.assert_array_equal(found[name], values, err_msg=f"port {name}")
    return engine


def texts_of(module):
    texts = []
    program = Program.of(module, Target.host(), lambda text: bytes(texts.append(text) or 0))
    return program, texts


BYTE = Fixed(True, 8, 4)


def neuron(kind=BYTE, count=3, name="neuron"):
    m = Module(name)
    x = m.input("x", Intervals.format(kind, (count,)))
    total = x[0]
    for i, s in enumerate(x[1:]):
        total = m.add(m.shift(total, i % 2), s)
    positive = m.less(m.constant(0), total)
    m.output("y", [m.wrap(m.select(positive, total, m.constant(0)), Fixed(False, 8, 4)), positive])
    return m


def positions(count, padded=True):
    """Windows of three over a row: gathered, with constants beyond the ends."""
    m, unit = Module("row"), neuron()
    x = m.input("x", Intervals.format(Fixed(True, 8, 4), (count,)))
    zero = [m.constant(0)]
    row = [*zero, *x, *zero] if padded else x
    y = [m.instance(unit, {"x": row[i : i + 3]})["y"] for i in range(len(row) - 2)]
    m.output("y", [s for pair in y for s in pair])
    return m


@pytest.mark.parametrize("target", [Target.host(), Target.baseline()])
@pytest.mark.parametrize("padded", [False, True])
def test_windows(padded, target):
    module = positions(9, padded)
    runs = [part for part in texts_of(module)[0].top.parts if isinstance(part, Run)]
    assert len(runs) == 1
    agree(module, target=target)


def test_particles_read_their_inputs_in_place():
    m, unit = Module("set"), neuron()
    x = m.input("x", Intervals.format(Fixed(True, 8, 4), (12,)))
    y = [m.instance(unit, {"x": x[i : i + 3]})["y"][0] for i in range(0, 12, 3)]
    m.output("y", [m.add(m.add(y[0], y[1]), m.add(y[2], y[3]))])
    assert "@move" not in "".join(texts_of(m)[1])
    assert agree(m).cells == 4 * 5 + 3


def test_feeds_of_all_kinds_of_places():
    """Other lanes, other grids, single bits, constants, shifts, results of other instances."""
    m = Module("mixed")
    inner = neuron(Fixed(True, 14, 6), 6, "wide")
    x = m.input("x", Intervals.of([-8, 0, -3000], [7, 200, 3000], [2, 6, 5]))
    bit = m.less(x[0], x[1])
    total = m.add(x[0], x[1])
    first = m.instance(inner, {"x": [x[0], bit, total, m.constant(3, 1), m.shift(x[0], 3), x[1]]})
    second = m.instance(inner, {"x": [*first["y"], m.shift(x[1], -1 + 1), bit, x[2], total]})
    third = m.instance(inner, {"x": [second["y"][1], *[first["y"][0]] * 4, x[0]]})
    m.output("y", [*third["y"], first["y"][1], m.add(second["y"][0], third["y"][0]), bit])
    agree(m)
    agree(m, target=Target.baseline())


def test_outputs_that_no_cell_computes():
    m, unit = Module("through"), neuron()
    x = m.input("x", Intervals.format(Fixed(True, 8, 4), (3,)))
    y = m.instance(unit, {"x": x})["y"]
    far = m.constant(1 << 40)
    m.output("y", [x[1], m.constant(-3, 2), y[0], y[0], m.shift(x[0], 5), far, y[1]])
    m.output("z", [y[1], m.constant(0), x[2]])
    agree(m)


def test_instances_that_no_output_needs_are_left_out():
    m, unit = Module("unused"), neuron()
    x = m.input("x", Intervals.format(Fixed(True, 8, 4), (3,)))
    m.instance(unit, {"x": x})
    m.output("y", [m.instance(unit, {"x": x[::-1]})["y"][0]])
    assert agree(m).cells == 5


def test_instances_one_after_the_other():
    m, unit = Module("deep"), neuron()
    x = m.input("x", Intervals.format(Fixed(True, 8, 4), (3,)))
    half = lambda s: m.wrap(s, Fixed(True, 8, 4))  # noqa: E731
    for _ in range(6):
        x = [half(m.instance(unit, {"x": each})["y"][0]) for each in (x, x[::-1], x[1:] + x[:1])]
    m.output("y", x)
    program, _ = texts_of(m)
    assert sum(isinstance(part, Run) for part in program.top.parts) == 6
    agree(m)


def layer(count):
    m = Module("layer")
    x = m.input("x", Intervals.format(Fixed(True, 8, 4), (count,)))
    sums = [m.add(x[i], m.shift(x[i * 31 % count], 2)) for i in range(count)]
    m.output("y", [m.wrap(s, Fixed(False, 8, 4)) for s in sums])
    return m


def wrapped(count):
    m, unit = Module("wrapped"), layer(count)
    x = m.input("x", Intervals.format(Fixed(True, 8, 4), (count,)))
    y = m.instance(unit, {"x": x})["y"]
    y = m.instance(unit, {"x": [m.wrap(s, Fixed(True, 8, 4)) for s in y]})["y"]
    m.output("y", y)
    return m


def longest(texts):
    functions = [f for text in texts for f in text.split("define ")[1:]]
    return max(function.count("\n") for function in functions)


def test_functions_stay_short_and_text_linear():
    sizes = {}
    for count in (500, 2000):
        _, texts = texts_of(wrapped(count))
        assert longest(texts) < 3000
        sizes[count] = sum(map(len, texts))
    assert 3.8 < sizes[2000] / sizes[500] < 4.2
    assert len(texts_of(layer(4000))[1]) > 1


def test_code_does_not_grow_with_instances():
    few, many = (sum(map(len, texts_of(positions(n))[1])) for n in (20, 600))
    assert many - few < 100  # digits of counts and of addresses


def test_large_layers_and_long_chains_are_right():
    agree(wrapped(600), batch=40)
    m = Module("chain")
    x = m.input("x", Intervals.format(Fixed(True, 8, 0), (5,)))
    total = x[0]
    for i in range(6000):
        total = m.wrap(m.sub(x[i % 5], m.shift(total, 1)), Fixed(True, 11, 0))
    m.output("y", [total])
    agree(m, batch=33)


def test_inputs_are_read_where_they_lie():
    m = layer(8)
    for dtype in (np.int8, np.int16, np.int32, np.int64):
        rows = np.zeros((100, 8), dtype)
        assert np.shares_memory(accept(m, {"x": rows})["x"], rows)
        part = np.zeros((100, 20), dtype)[::2, 4:12]
        assert np.shares_memory(accept(m, {"x": part})["x"], part)


def test_addresses_beyond_two_gigabytes_wrong():
    with pytest.raises(UnsupportedError, match="too large for the emulator") as error:
        Tables().integers([1, 1 << 31], 32)
    assert "2147483648 bytes" in str(error.value)
    assert "2 GiB" in str(error.value)
