import numpy as np
import pytest
from quantize_models import classifier, samples

from gatewright.base import DataError, ManyErrors
from gatewright.ir import Graph, Input, Node, Output
from gatewright.ops import Add
from gatewright.quantize.data import constant_elements, prepare

MODEL = classifier()


def with_nan(x):
    x[7, 2] = np.nan
    x[9, 0] = np.inf
    return x


BAD = {
    "two features too few": (
        samples(n=4),
        None,
        "wrong shape",
        "found:     (1200, 4)",
        "(samples, 6)",
    ),
    "a single sample": (samples()[0], None, "wrong shape", "found:     (6,)", "(samples, 6)"),
    "nan": (
        with_nan(samples()),
        None,
        "NaN or infinite",
        "2 of 7200 values, the first in sample 7",
        "",
    ),
    "text": (np.full((200, 6), "a"), None, "no real numbers", "dtype <U1", ""),
    "ragged": ([[1.0], [1.0, 2.0]], None, "no regular array", "attribute 'calibration'", ""),
    "few": (samples(99), None, "too few calibration samples", "found:     99", "at least 100"),
    "constant": (np.ones((200, 6)), None, "the same in every sample", "200 equal samples", ""),
    "label count": (
        samples(200),
        np.zeros(199, int),
        "labels do not match",
        "shape (199,)",
        "(200,)",
    ),
    "one-hot": (
        samples(200),
        np.eye(3)[np.zeros(200, int)],
        "labels do not match",
        "(200, 3)",
        "argmax(1)",
    ),
    "real labels": (samples(200), np.full(200, 0.5), "no class numbers", "dtype float64", "from 0"),
    "negative": (samples(200), np.full(200, -1), "a label is negative", "found:     -1", "from 0"),
    "name": (
        {"z": samples()},
        None,
        "do not name the model's inputs",
        "found:     z",
        "supported: x",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data(case):
    x, labels, *parts = BAD[case]
    with pytest.raises(DataError) as error:
        prepare(MODEL, x, labels, 0)
    for part in parts:
        assert part in str(error.value)


def two_inputs():
    return Graph(
        "g",
        (Input("a", (2,)), Input("b", (2,))),
        (Node("s", Add(), ("a", "b")),),
        (Output("y", "s"),),
    )


def test_several_inputs():
    x = samples(200, 2)
    assert prepare(two_inputs(), {"a": x, "b": x}, None, 0).fit.size == 80
    with pytest.raises(DataError, match="several inputs"):
        prepare(two_inputs(), x, None, 0)
    with pytest.raises(DataError, match="differ in length\n  found:     a: 200, b: 150"):
        prepare(two_inputs(), {"a": x, "b": x[:150]}, None, 0)
    with pytest.raises(ManyErrors, match="wrong shape"):
        prepare(two_inputs(), {"a": x[:, :1], "b": x[:, :1]}, None, 0)


def test_parts_are_apart_and_depend_on_the_seed_only():
    x = samples(1000)
    labels = np.arange(1000) % 3
    first, again, other = (prepare(MODEL, x, labels, seed) for seed in (0, 0, 1))
    parts = [p.inputs["x"] for p in (first.fit, first.choice, first.report)]
    assert [len(p) for p in parts] == [400, 350, 250]
    assert len(np.unique(np.concatenate(parts), axis=0)) == 1000
    assert np.array_equal(first.fit.inputs["x"], again.fit.inputs["x"])
    assert not np.array_equal(first.fit.inputs["x"], other.fit.inputs["x"])
    row = np.flatnonzero((x == parts[0][0]).all(1))[0]
    assert first.fit.labels[0] == labels[row]


def test_features_that_never_change_are_named():
    x = samples(300)
    x[:, 4] = 2.5
    assert constant_elements(prepare(MODEL, x, None, 0).fit) == ["x[4]"]
