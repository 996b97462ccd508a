"""Sums of products over named axes, compared with NumPy's einsum."""

from __future__ import annotations

import numpy as np
import pytest
from eager_emitter import Eager, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import ModelError
from gatewright.frontends.recipes.einsum import (
    Equation,
    contract,
    einsum,
    matmul,
    new_axes,
    parse_equation,
    without_batch,
)
from gatewright.ops import Dense, GroupedDense, Matmul


@st.composite
def equations(draw, constants=False):
    """Draw an equation without the batch, and shapes; some axes broadcast, some repeat."""
    letters = "abcdef"
    sides = [draw(st.text(letters, max_size=4)) for _ in range(2)]
    every = sorted(set("".join(sides)))
    result = "".join(draw(st.permutations(every))[: draw(st.integers(0, len(every)))])
    lengths = {c: draw(st.integers(1, 3)) for c in every}
    shapes = [
        tuple(
            1 if side.count(c) == 1 and draw(st.integers(0, 5)) == 0 else lengths[c] for c in side
        )
        for side in sides
    ]
    return Equation(tuple(sides), result), shapes


def numpy_einsum(equation, arrays, batched):
    left = ",".join("z" * b + side for b, side in zip(batched, equation.operands, strict=True))
    return np.einsum(f"{left}->z{equation.result}", *arrays)


@settings(max_examples=80, deadline=None)
@given(equations(), st.integers(0, 99))
def test_two_activations(case, seed):
    equation, shapes = case
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(-3, 4, (2, *shape)).astype(float) for shape in shapes]
    found = einsum(Eager(), equation, *map(Value, arrays)).array
    np.testing.assert_array_equal(found, numpy_einsum(equation, arrays, (True, True)))


@settings(max_examples=80, deadline=None)
@given(equations(), st.integers(0, 99))
def test_a_constant_kernel(case, seed):
    equation, shapes = case
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, (2, *shapes[0])).astype(float)
    kernel = rng.integers(-3, 4, shapes[1]).astype(float)
    found = contract(Eager(), equation, Value(x), kernel).array
    np.testing.assert_array_equal(found, numpy_einsum(equation, (x, kernel), (True, False)))


def test_three_activations_and_one():
    rng = np.random.default_rng(1)
    x, y, z = (rng.integers(-3, 4, (2, 3, 3)).astype(float) for _ in range(3))
    form = Equation(("ij", "jk", "kl"), "il")
    found = einsum(Eager(), form, Value(x), Value(y), Value(z)).array
    np.testing.assert_array_equal(found, x @ y @ z)
    found = einsum(Eager(), Equation(("ii",), ""), Value(x)).array
    np.testing.assert_array_equal(found, np.trace(x, axis1=1, axis2=2))


def test_what_a_product_becomes():
    eager = Eager()
    x = Value(np.ones((1, 2, 3)))
    contract(eager, Equation(("ab", "bc"), "ac"), x, np.ones((3, 4)), np.ones(4))
    assert [type(op) for op in eager.ops] == [Dense]
    eager = Eager()
    contract(eager, Equation(("ab", "abc"), "ac"), x, np.ones((2, 3, 4)), np.ones(4))
    assert [type(op) for op in eager.ops] == [GroupedDense]
    eager = Eager()
    einsum(eager, Equation(("ab", "bc"), "ac"), x, Value(np.ones((1, 3, 2))))
    assert [type(op) for op in eager.ops] == [Matmul]
    assert new_axes(Equation(("ab", "dbc"), "adc")) == "dc"


@pytest.mark.parametrize(
    ("text", "ranks", "operands", "result"),
    [
        ("bij,bjk->bik", (3, 3), ("bij", "bjk"), "bik"),
        ("bij, bjk", (3, 3), ("bij", "bjk"), "ik"),
        ("...ij,...jk", (4, 3), ("01ij", "1jk"), "01ik"),
        ("b...d,dk->b...k", (4, 2), ("b01d", "dk"), "b01k"),
        ("ba", (2,), ("ba",), "ab"),
    ],
)
def test_equations(text, ranks, operands, result):
    assert parse_equation(text, ranks) == Equation(operands, result)


@pytest.mark.parametrize(
    ("text", "ranks"),
    [
        ("ab,bc->ac", (2,)), ("ab->ab", (3,)), ("ab->aa", (2,)), ("ab->c", (2,)), ("a.b->a", (3,)),
        ("...", (11,)), ("ab;bc", (2, 2)),
    ],
)  # fmt: skip
def test_no_equations(text, ranks):
    assert parse_equation(text, ranks) is None


def test_the_batch_stays_apart():
    assert without_batch(Equation(("bij", "jk"), "bik"), (True, False)) == Equation(
        ("ij", "jk"), "ik"
    )
    for wrong in (
        Equation(("bij", "cjk"), "bik"), Equation(("bij", "bjk"), "ibk"),
        Equation(("bij", "bj"), "i"), Equation(("bb",), "b"),
    ):  # fmt: skip
        assert without_batch(wrong, (True,) * len(wrong.operands)) is None


def test_shapes_that_do_not_fit():
    x = Value(np.ones((1, 2, 3)))
    with pytest.raises(ModelError, match="the shapes of a sum of products do not fit") as error:
        einsum(Eager(), Equation(("ab", "ab"), "a"), x, Value(np.ones((1, 3, 3))))
    assert "(2, 3) and (3, 3)" in str(error.value)


@pytest.mark.parametrize(
    "shapes", [((3,), (3,)), ((3,), (2, 3, 4)), ((2, 3), (3,)), ((2, 3), (3, 2))]
)
def test_matmul_of_vectors(shapes):
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-3, 4, (2, *shape)).astype(float) for shape in shapes)
    found = matmul(Eager(), Value(a), Value(b)).array
    np.testing.assert_array_equal(found, np.stack([x @ y for x, y in zip(a, b, strict=True)]))
