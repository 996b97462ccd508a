"""What the host does around the firmware: checks, integers from real numbers, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base import DataError
from gatewright.flow.host import as_inputs, corner_codes, decode, encode, output_types
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Fixed, FixedArray, Intervals, Overflow, Rounding
from gatewright.ops import Affine, Quantize, Relu

KIND = Intervals.of([-8, 0, -3], [7, 15, 3], [1, 0, 2])


def graph(encode: tuple = (), second: bool = False) -> Graph:
    inputs = [Input("x", (3,), KIND, encode)]
    if second:
        inputs.append(Input("z", (2,), Intervals.format(Fixed.parse("fixed<4,2>"), (2,))))
    return Graph(
        "net", tuple(inputs), (Node("r", Relu(), ("x",)),), (Output("y", "r"),), "net.onnx"
    )


# ---- inputs


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "u8", "i8", "?", ">f4"])
def test_arrays_of_every_number_type(kind):
    found = as_inputs(graph(), np.ones((2, 3), kind))
    assert found["x"].dtype == np.float64
    assert found["x"].tolist() == [[1.0] * 3] * 2


def test_arrays_by_name_lists_and_no_samples():
    assert list(as_inputs(graph(second=True), {"z": np.ones((4, 2)), "x": np.ones((4, 3))})) == [
        "x",
        "z",
    ]
    assert as_inputs(graph(), [[1, 2, 3]])["x"].tolist() == [[1, 2, 3]]
    assert as_inputs(graph(), np.zeros((0, 3)))["x"].shape == (0, 3)


AT = "\n  at:        net.onnx, layer 'x'\n"
WRONG = {
    "several": (True, np.ones((2, 3)), "the model has several inputs\n  found:     one array\n"
                "  supported: arrays named ['x', 'z']"),
    "unknown": (False, {"x": np.ones((2, 3)), "w": np.ones(2)}, "the inputs given are not those of "
                "the model\n  found:     ['w', 'x']\n  supported: ['x']"),
    "missing": (True, {"x": np.ones((2, 3))}, "the inputs given are not those of the model\n"
                "  found:     ['x']\n  supported: ['x', 'z']"),
    "counts": (True, {"x": np.ones((2, 3)), "z": np.ones((5, 2))}, "the inputs differ in their "
               "number of samples\n  found:     {'x': 2, 'z': 5}"),
    "text": (False, np.asarray([["a"] * 3]), f"data are not numbers{AT}"
             "  found:     <U1\n  supported: floats or integers"),
    "objects": (False, np.asarray([[None] * 3]), "data are not numbers"),
    "complex": (False, np.ones((1, 3), complex), "data are not numbers"),
    "ragged": (False, [[1, 2, 3], [4]], f"data are not an array{AT}"
               "  found:     rows of different lengths"),
    "shape": (False, np.ones((2, 4)), f"data have the wrong shape{AT}"
              "  found:     (2, 4)\n  supported: ('samples', 3)"),
    "one sample": (False, np.ones(3), "data have the wrong shape"),
    "axes": (False, np.ones((2, 3, 1)), "data have the wrong shape"),
    "nan": (False, [[1, 2, 3], [4, np.nan, np.inf]], f"data hold numbers that are not finite{AT}"
            "  found:     2 of 6, the first at index (1, 1)\n"
            "  remedy:    remove or replace NaN and infinite values"),
    "infinite": (False, [[1, 2, -np.inf]], "data hold numbers that are not finite"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_inputs_wrong(name):
    second, data, text = WRONG[name]
    with pytest.raises(DataError) as error:
        as_inputs(graph(second=second), data)
    assert str(error.value).startswith(text)


# ---- real numbers to integers


def test_numbers_of_the_grid_pass():
    x = np.asarray([[-4.0, 15, -0.75], [3.5, 0, 0.5]])
    found = encode(graph(), {"x": x})["x"]
    assert found.q.tolist() == [[-8, 15, -3], [7, 0, 2]]
    np.testing.assert_array_equal(found.value, x)


@pytest.mark.parametrize(
    ("x", "what", "kind"),
    [
        ([0.25, 0, 0], "0.25 at index (1, 0)", "fixed<4,3> with values -4.0 to 3.5"),
        ([0, 16, 0], "16.0 at index (1, 1)", "ufixed<4,4> with values 0.0 to 15.0"),
        ([0, 0, 1.0], "1.0 at index (1, 2)", "fixed<3,1> with values -0.75 to 0.75"),
        ([0, -1e300, 0], "-1e+300 at index (1, 1)", "ufixed<4,4>"),
    ],
)
def test_numbers_off_the_grid_or_out_of_range_wrong(x, what, kind):
    with pytest.raises(DataError) as error:
        encode(graph(), {"x": np.asarray([[0.0] * 3, x])})
    text = str(error.value)
    assert text.startswith(f"an input value is not one of the firmware's input numbers{AT}")
    assert f"found:     {what}\n" in text
    assert f"supported: {kind}" in text


@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3))
def test_host_operations_bring_any_number_to_the_grid(x):
    fmt = Fixed.parse("fixed<3,1>")
    host = (
        Affine(np.asarray(0.5), np.asarray(0.125)),
        Quantize.to_format(fmt, Rounding.RND, Overflow.SAT),
    )
    kind = Intervals.format(fmt, (3,))
    g = Graph("net", (Input("x", (3,), kind, host),), (), (Output("y", "x"),))
    found = encode(g, {"x": np.asarray([x])})["x"].q[0].tolist()
    scaled = [np.floor((v * 0.5 + 0.125) * 4 + 0.5) for v in x]
    assert found == [int(min(max(v, -4), 3)) for v in scaled]


# ---- and back


def test_decode():
    value = FixedArray(np.asarray([[3, -2]]), np.asarray([1, -2]))
    assert decode(Output("y", "r"), value).tolist() == [[1.5, -8.0]]
    scaled = Output("y", "r", (Affine(np.asarray(0.1), np.asarray(1.0)),))
    np.testing.assert_allclose(decode(scaled, value), [[1.15, 0.2]])


def test_output_types():
    found = output_types(graph())["y"]
    assert (found.lo.tolist(), found.hi.tolist()) == ([0, 0, 0], [7, 15, 3])


# ---- corners


@given(st.integers(0, 2**31), st.sampled_from([(), (1,), (3,), (2, 3), (70,), (0,)]))
def test_corners_lie_within_and_reach_every_end(seed, shape):
    rng = np.random.default_rng(seed)
    lo = rng.integers(-40, 30, shape)
    kind = Intervals.of(lo, lo + rng.integers(0, 50, shape), 0)
    found = corner_codes(kind, np.random.default_rng(1), 7)
    assert kind.contains(found).all()
    assert found.shape == (5 + 2 * min(kind.size, 64) + 7, *shape)
    np.testing.assert_array_equal(found[0], kind.lo)
    np.testing.assert_array_equal(found[1], kind.hi)
    np.testing.assert_array_equal(found[2], np.clip(0, kind.lo, kind.hi))
    ends = ((found == kind.lo) | (found == kind.hi)).reshape(len(found), -1)
    assert ends[3].all()
    assert ends[4].all()
    assert found.dtype == np.int64
    again = corner_codes(kind, np.random.default_rng(1), 7)
    np.testing.assert_array_equal(found, again)


def test_each_element_alone_stands_at_either_end():
    kind = Intervals.of([-4, -4, 1], [3, 3, 5], 0)
    rows = corner_codes(kind, np.random.default_rng(0), 0)[5:].tolist()
    assert rows == [[-4, 0, 1], [3, 0, 1], [0, -4, 1], [0, 3, 1], [0, 0, 1], [0, 0, 5]]


def test_the_widest_range():
    kind = Intervals.of([-(2**61)], [2**61 - 1], 0)
    assert kind.contains(corner_codes(kind, np.random.default_rng(0), 50)).all()
