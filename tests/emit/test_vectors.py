"""Golden vectors survive the way to text and back, and wrong ones are refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from circuits import pipelined
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import DataError
from gatewright.emit import read_hex, write_hex, write_npz
from gatewright.num import Fixed, Intervals

FORMATS = st.builds(Fixed, st.booleans(), st.integers(0, 61), st.integers(-4, 8))


@st.composite
def ports_and_values(draw):
    ports, values = {}, {}
    samples = draw(st.integers(0, 4))
    for name in draw(st.lists(st.sampled_from("abc"), unique=True, max_size=3)):
        formats = draw(st.lists(FORMATS, min_size=0, max_size=5))
        ports[name] = Intervals.of(
            np.array([f.low for f in formats], np.int64),
            np.array([f.high for f in formats], np.int64),
            np.array([f.frac for f in formats], np.int64),
        )
        rows = [[draw(st.integers(f.low, f.high)) for f in formats] for _ in range(samples)]
        values[name] = np.array(rows, np.int64).reshape(samples, len(formats))
    return ports, values


@settings(max_examples=60)
@given(ports_and_values())
def test_text_and_back(case):
    ports, values = case
    back = read_hex(write_hex(ports, values), ports)
    assert list(back) == list(ports)
    for name, q in values.items():
        np.testing.assert_array_equal(back[name], q)


def test_a_line_is_the_packed_sample():
    ports = {"a": Intervals.of([-8, 0], [7, 3], [0, 0]), "b": Intervals.of([0], [31], [0])}
    text = write_hex(ports, {"a": np.array([[-1, 2], [3, 0]]), "b": np.array([[17], [0]])})
    assert text == "46f\n003\n"  # 11 bits: b = 10001, a_1 = 10, a_0 = 1111


@pytest.mark.parametrize("line", ["46g", "46", "fff", "4 6"])
def test_a_line_that_cannot_be(line):
    ports = {"a": Intervals.of([0], [2**11 - 1], [0])}
    with pytest.raises(DataError) as caught:
        read_hex(f"003\n{line}\n", ports)
    assert "line 2" in str(caught.value)
    assert "3 hexadecimal digits, 11 bits" in str(caught.value)


def test_npz_holds_integers_and_formats():
    x, y = np.array([[1, -2, 3, -128]]), np.array([[5, 6]])
    data = write_npz(pipelined(), {"x": x}, {"y": y})
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["inputs.x.q"], x)
        np.testing.assert_array_equal(archive["inputs.x.frac"], [4] * 4)
        np.testing.assert_array_equal(archive["outputs.y.hi"], [63, 63])
    assert data == write_npz(pipelined(), {"x": x}, {"y": y})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "do not name the design's ports"),
        ({"a": np.zeros((1, 2)), "b": np.zeros((1, 1), np.int64)}, "wrong shape or type"),
        ({"a": np.zeros((1, 3), np.int64), "b": np.zeros((1, 1), np.int64)}, "wrong shape or type"),
        ({"a": np.zeros((2, 2), np.int64), "b": np.zeros((1, 1), np.int64)}, "differ in length"),
        ({"a": np.array([[0, 4]]), "b": np.array([[0]])}, "port a, sample 0, element 1"),
    ],
)
def test_values_that_do_not_fit(values, message):
    ports = {"a": Intervals.of([-8, 0], [7, 3], [0, 0]), "b": Intervals.of([0], [31], [0])}
    with pytest.raises(DataError, match=message):
        write_hex(ports, values)
