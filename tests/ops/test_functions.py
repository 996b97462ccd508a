"""What operations by table, quotients and normalisations refuse; their limits and bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import GatewrightError, ModelError, UnsupportedError
from gatewright.hw import Module, evaluate
from gatewright.num import FixedArray, Intervals, Overflow, Rounding
from gatewright.ops import (
    FUNCTIONS,
    Divide,
    Function,
    Lookup,
    Normalize,
    Piecewise,
    Quantize,
)
from gatewright.ops.functions import apply_function
from gatewright.passes.lower import lower
from tests.ops.cases.common import Case, uniform

OUT = Quantize.to(True, 10, 7, Rounding.RND, Overflow.SAT)


def refused(op, *kinds, text, error=GatewrightError):
    with pytest.raises(error) as caught:
        op.infer(*kinds)
    assert text in str(caught.value), str(caught.value)
    assert "supported" in str(caught.value)


def test_a_function_is_refused_where_it_is_not_defined():
    refused(Function("log", OUT), uniform("ufixed<4,2>", 2), text="found:     x = 0.0")
    refused(Function("sqrt", OUT), uniform("fixed<4,2>", 2), text="not negative")
    refused(Function("reciprocal", OUT), uniform("fixed<4,2>", 1), text="all numbers but 0")


def test_a_function_that_turns_needs_a_narrow_input():
    refused(Function("gelu", OUT), uniform("fixed<20,5>", 1), text="up to 2**16")


def test_names_and_parameters_of_functions():
    with pytest.raises(UnsupportedError, match="no function of this name"):
        apply_function("gleu", np.zeros(1))
    with pytest.raises(UnsupportedError, match="cannot have these parameters"):
        apply_function("celu", np.zeros(1), (-1.0,))
    with pytest.raises(UnsupportedError, match="no parameters"):
        apply_function("tanh", np.zeros(1), (1.0,))


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.steepest or f.rises])
def test_what_is_said_of_slopes_holds(name):
    parameters = {"selu_alpha": (1.7, 1.1)}.get(name, (1.5,) * len(FUNCTIONS[name].parameters))
    x = np.linspace(-20, 20, 400_001)
    y = apply_function(name, x, parameters)
    slopes = np.diff(y[np.isfinite(y)]) / 1e-4
    if FUNCTIONS[name].rises:
        assert slopes.min() >= -1e-9
    else:
        assert np.abs(slopes).max() <= FUNCTIONS[name].steepest


def test_saturated_inputs_do_not_widen_the_table():
    def addresses(fmt):
        graph = Case("limits", Function("tanh", OUT), (uniform(fmt, 1),)).graph()
        netlist = lower(graph, {})
        return max(t.depth for i in (netlist, *(k.module for k in netlist.instances))
                   for t in i.tables)  # fmt: skip

    assert addresses("fixed<16,8>") == addresses("fixed<13,5>") <= 2**12


def test_users_functions():
    half = Lookup.of_function(lambda x: x / 2)
    kind = uniform("fixed<4,2>", 2)
    refused(half, kind, text="has no table yet")
    done = half.with_format(OUT, kind)
    assert isinstance(done, Lookup)
    assert done.is_formatted
    x = FixedArray(np.arange(-8, 8).reshape(-1, 1), np.asarray([2]))
    np.testing.assert_array_equal(done.evaluate(x).value, x.value / 2)
    refused(done, uniform("fixed<5,3>", 1), text="x = -4.0", error=ModelError)
    holes = Lookup.of(lambda x: 1 / x, -4, 3, 0, OUT)
    refused(holes, uniform("fixed<3,3>", 1), text="x = 0.0", error=ModelError)
    with pytest.raises(ModelError, match="ZeroDivisionError"):
        Lookup.of(lambda x: 1 // 0, 0, 3, 0, OUT)
    with pytest.raises(ModelError, match="does not give one number for each"):
        Lookup.of(lambda x: x[:1], 0, 3, 0, OUT)


def test_division_by_what_may_be_zero():
    refused(Divide(OUT), *[uniform("fixed<4,2>", 2)] * 2, text="a number that may be zero")
    refused(Divide(), *[uniform("fixed<4,2>", 2)] * 2, text="a quotient has no number format")


def test_malformed_pieces_and_normalisations():
    with pytest.raises(ModelError, match="a piecewise linear function is malformed"):
        Piecewise((1.0, 0.0), (0.0,) * 3, (0.0,) * 3, (True, True))
    with pytest.raises(ModelError, match="a normalisation is malformed"):
        Normalize(True, "square sum")
    refused(Normalize(), uniform("fixed<4,2>", 2), text="no number formats")
    scaled = Normalize(False, "variance").with_bits(5, uniform("fixed<4,2>", 3))
    refused(scaled, uniform("fixed<4,2>", 3), text="a spread that may be zero")


@settings(max_examples=40)
@given(
    st.integers(2, 7), st.integers(2, 9), st.integers(-2, 6), st.integers(2, 9),
    st.sampled_from(["layer", "rms", "length"]), st.sampled_from([0.0, 1e-7, 1e-3, 0.5]),
    st.integers(0, 2**31),
)  # fmt: skip
def test_normalisations_at_random(n, width, frac, bits, how, epsilon, seed):
    """The circuit is the reference's, and both within the bound of the real meaning."""
    op = {
        "layer": Normalize(True, "variance", epsilon),
        "rms": Normalize(False, "mean square", epsilon),
        "length": Normalize(False, "square sum", epsilon, "limit"),
    }[how]
    half = 1 << (width - 1)
    kind = Intervals.of(np.full(n, -half), np.full(n, half - 1), frac)
    op = op.with_bits(bits, kind)
    x = np.random.default_rng(seed).integers(-half, half, (64, n))
    x[:8] = x[:8, :1]  # rows without spread
    x[8:16] = x[8:16] >> (width - 2)
    inputs = FixedArray(x, kind.frac)
    found = op.evaluate(inputs)
    assert op.infer(kind).contains(found.q).all()
    assert np.abs(found.value - op.real(inputs.value)).max() <= op.error_bound(kind)
    module = Module("normalize")
    signals = op._lower_row(module, module.input("x", kind))
    module.output("y", signals)
    q = evaluate(module, {"x": x})["y"]
    fracs = np.asarray([module.frac[s] for s in signals])
    np.testing.assert_array_equal(q * 2.0**-fracs, found.value)
