"""Missing values: a code word in the firmware's input stands for NaN."""

import numpy as np
import pytest

import gatewright as gw
from gatewright.base import DataError, OptionError
from gatewright.frontends.trees.heads import NAN_KNOWN, NAN_REFUSED
from gatewright.ir import Graph, Input, Node, Output
from gatewright.ops import Forest


def stump(known=NAN_KNOWN, own=None):
    """Return a graph: below 1 (or missing) gives 2, else 4; and a second feature, missing right."""
    forest = Forest(
        features=np.array([0, 1]),
        thresholds=np.array([1.0, 0.5]),
        inclusive=np.array([False, False]),
        missing_left=np.array([True, False]),
        members=np.array([-1, -1]),
        left=np.array([-1, -3]),
        right=np.array([-2, -4]),
        roots=np.array([0, 1]),
        leaves=np.array([[2.0], [4.0], [8.0], [16.0]]),
        base=np.zeros(1),
        missing=np.array([0.0, 0.0]) if own is None else np.array(own),
        has_missing=np.array([own is not None] * 2),
        sets=np.zeros((0, 0), np.bool_),
    )
    node = Node("forest", forest, ("x",), "forest")
    return Graph(
        "stump", (Input("x", (2,)),), (node,), (Output("y", "forest"),), "stump",
        {"missing values": known},
    )  # fmt: skip


X = np.array([[np.nan, 0.0], [3.0, 0.0], [0.0, np.nan], [3.0, np.nan]])
WANTED = [10.0, 12.0, 18.0, 20.0]


def test_nan_goes_where_the_code_word_does():
    design = gw.compile(stump(), missing=-8, input_format="fixed<5,4>")
    np.testing.assert_array_equal(design.predict(X)[:, 0], WANTED)
    filled = np.nan_to_num(X, nan=-8.0)
    np.testing.assert_array_equal(design.predict(filled)[:, 0], WANTED)
    np.testing.assert_array_equal(design.predict(filled.astype(np.float32))[:, 0], WANTED)
    assert design.verify().verified


def test_code_words_of_the_model():
    design = gw.compile(stump(own=[-4.0, -8.0]), input_format="fixed<5,4>")
    np.testing.assert_array_equal(design.predict(X)[:, 0], WANTED)


def test_nan_without_a_code_word():
    design = gw.compile(stump(), input_format="fixed<5,4>")
    with pytest.raises(DataError, match="give them a code word"):
        design.predict(X)


@pytest.mark.parametrize(
    ("graph", "code", "text"),
    [
        (stump(), -999.0, "not one of the firmware's input numbers"),
        (stump(), 0.3, "not one of the firmware's input numbers"),
        (stump(), float("nan"), "not a finite number"),
        (stump(NAN_REFUSED), -8.0, "of which the model knows nothing"),
    ],
)
def test_refused(graph, code, text):
    with pytest.raises(OptionError, match=text):
        gw.compile(graph, missing=code, input_format="fixed<5,4>")


@pytest.mark.parametrize("code", [-4.0, -2.0, 3.96875])
def test_other_numbers_keep_off_the_code(code):
    design = gw.compile(stump(), input_format="fixed<8,3>", missing=code)
    beside = code + np.array([-0.01, -0.005, 0.005, 0.01])
    x = np.array([*beside, -5.0, -20.0, 20.0, np.nan])[:, None].repeat(2, axis=1)
    assert (design.predict(x[:-1]) == design.predict(np.clip(x[:-1], -3.5, 3.5))).all()
    assert design.predict(x[-1:]) == 2 + 16


@pytest.mark.parametrize("code", ["-16", True, float("nan"), 10**400, [1.0]])
def test_code_words_that_are_no_numbers(code):
    with pytest.raises(OptionError, match="is not a finite number"):
        gw.compile(stump(), input_format="fixed<5,4>", missing=code)


def test_a_code_word_of_too_many_bits():
    x = np.random.default_rng(0).normal(size=(200, 2)).round(3)
    with pytest.raises(OptionError, match=r"needs too many bits(.|\n)*0.1 of feature 0, 55 bits"):
        gw.compile(stump(), calibration=x, missing=0.1)
