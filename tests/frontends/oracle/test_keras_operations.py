"""Functions of `keras.ops` in saved models, against Keras: shapes and attributes are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import UnsupportedError
from gatewright.frontends import read_model
from gatewright.frontends.compare import compare_with_source

keras = pytest.importorskip("keras", reason="needs Keras, the framework compared with")
from keras import ops  # noqa: E402

PICK = st.integers(0, 10**6)


def axis(draw, x, most=None):
    """Draw an axis of the sample, counted with the batch from either end."""
    rank = len(x.shape)
    a = draw(st.integers(1, rank - 1))
    return a - rank if draw(st.booleans()) else a


def axes(draw, x):
    return draw(st.one_of(st.just(axis(draw, x)), st.sets(st.integers(1, len(x.shape) - 1),
                                                          min_size=1).map(sorted)))  # fmt: skip


def key(draw, x):
    """Draw a key of slices, positions, new axes and perhaps an ellipsis."""
    parts = [slice(None)]
    for n in x.shape[1:]:
        kind = draw(st.integers(0, 3))
        if kind == 0:
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == 1:
            start = draw(st.integers(0, n - 1))
            parts.append(slice(start, draw(st.integers(start + 1, n)), draw(st.integers(1, 2))))
        elif kind == 2:
            parts.append(slice(None))
        else:
            parts += [None, slice(-1, None)]
    if draw(st.booleans()):
        parts = [*parts[: draw(st.integers(1, len(parts)))], Ellipsis]
    return tuple(parts)


def limits(draw):
    low = draw(st.integers(-8, 4)) / 4
    return low, low + draw(st.integers(0, 8)) / 4


def constant(draw, x):
    rng = np.random.default_rng(draw(PICK))
    shape = x.shape[1:][draw(st.integers(0, len(x.shape) - 1)) :]
    return rng.integers(-8, 8, shape).astype(np.float32) / 4


REDUCE = {
    name: lambda d, x, f=f: f(x, axis=axes(d, x), keepdims=d(st.booleans()))
    for name, f in (("sum", ops.sum), ("mean", ops.mean), ("max", ops.max), ("min", ops.min))
}
COMPARE = {
    f.__name__: lambda d, x, f=f: ops.cast(f(x, constant(d, x)), "float32")
    for f in (ops.less, ops.less_equal, ops.greater, ops.greater_equal, ops.equal, ops.not_equal)
}
ARITHMETIC = {
    f.__name__: lambda d, x, f=f: f(*((x, constant(d, x)) if d(st.booleans()) else (x, x * 0.5)))
    for f in (ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum)
}
LOGIC = {
    f.__name__: lambda d, x, f=f: ops.cast(f(x > 0, ops.roll(x, 1, axis=1) > 0.5), "float32")
    for f in (ops.logical_and, ops.logical_or, ops.logical_xor)
}
UNARY = {
    f.__name__: lambda d, x, f=f: f(x)
    for f in (ops.abs, ops.negative, ops.square, ops.sign, ops.relu, ops.relu6, ops.sigmoid,
              ops.tanh, ops.exp, ops.softplus, ops.softsign, ops.silu, ops.selu,
              ops.hard_sigmoid, ops.hard_silu)
}  # fmt: skip
MOVE = {
    "get_item": lambda d, x: x[key(d, x)],
    "reshape": lambda d, x: ops.reshape(x, (-1, int(np.prod(x.shape[1:])))),
    "transpose": lambda d, x: ops.transpose(x, (0, *d(st.permutations(range(1, len(x.shape)))))),
    "swapaxes": lambda d, x: ops.swapaxes(x, axis(d, x), axis(d, x)),
    "expand": lambda d, x: ops.expand_dims(x, d(st.integers(1, len(x.shape)))),
    "squeeze": lambda d, x: ops.squeeze(x[:, :1], 1),
    "stack": lambda d, x: ops.stack([x, x + 1.0], axis=d(st.integers(1, len(x.shape)))),
    "concatenate": lambda d, x: ops.concatenate([x, -x], axis=axis(d, x)),
    "repeat": lambda d, x: ops.repeat(x, d(st.integers(1, 3)), axis=axis(d, x)),
    "tile": lambda d, x: ops.tile(x, (1, *(d(st.integers(1, 2)) for _ in x.shape[1:]))),
    "flip": lambda d, x: ops.flip(x, axis=axis(d, x)),
    "roll": lambda d, x: ops.roll(x, d(st.integers(-3, 3)), axis=axis(d, x)),
    "split": lambda d, x: ops.split(ops.concatenate([x, -x], 1), 2, axis=1)[d(st.integers(0, 1))],
    "unstack": lambda d, x: ops.unstack(x, axis=1)[0],
    "take": lambda d, x: ops.take(x, [0, -1, 0], axis=axis(d, x)),
}
CHOOSE = {
    "where": lambda d, x: ops.where(x > d(st.integers(-1, 1)), x, d(st.integers(-4, 4)) / 4),
    "not": lambda d, x: ops.cast(ops.logical_not(x > 0), "float32"),
    "clip": lambda d, x: ops.clip(x, *limits(d)),
    "divide": lambda d, x: x / d(st.sampled_from([2.0, 3.0, -0.75])),
    "any": lambda d, x: ops.cast(ops.any(x > 1, axis=axis(d, x)), "float32"),
    "all": lambda d, x: ops.cast(ops.all(x > -1, axis=axis(d, x)), "float32"),
    "count": lambda d, x: ops.cast(ops.sum(ops.cast(x > 0, "int32"), axis=axis(d, x)), "float32"),
    "cumsum": lambda d, x: ops.cumsum(x, axis=axis(d, x)),
    "softmax": lambda d, x: ops.softmax(x, axis=-1),
}
ORDER = {
    "argmax": lambda d, x: ops.cast(ops.argmax(x, axis=axis(d, x)), "float32"),
    "argmin": lambda d, x: ops.cast(ops.argmin(x, axis=axis(d, x), keepdims=d(st.booleans())),
                                    "float32"),
    "sort": lambda d, x: ops.sort(x, axis=axis(d, x)),
    "argsort": lambda d, x: ops.cast(ops.argsort(x, axis=axis(d, x)), "float32"),
    "top_k": lambda d, x: ops.top_k(x, d(st.integers(1, x.shape[-1])))[0],
    "top_k_positions": lambda d, x: ops.cast(ops.top_k(x, x.shape[-1])[1], "float32"),
    "one_hot": lambda d, x: ops.one_hot(ops.cast(ops.abs(x), "int32"), 5,
                                        axis=d(st.sampled_from([-1, 1]))),
    "take_along": lambda d, x: ops.take_along_axis(x, ops.argsort(-x, axis=1), axis=1),
}  # fmt: skip
FUNCTIONS = {**REDUCE, **COMPARE, **ARITHMETIC, **LOGIC, **UNARY, **MOVE, **CHOOSE, **ORDER}
DISTINCT = {"argsort", "top_k_positions"}
"""Torch's sorts leave the order of equal numbers open."""


def check(model, folder, x):
    path = folder / "model.keras"
    model.save(path)
    graph = read_model(path)
    for found in compare_with_source(path, graph, {graph.inputs[0].name: x}):
        assert found.vectors == len(x), found.detail


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_mean_what_keras_computes(name, tmp_path):
    @settings(max_examples=4)
    @given(st.data(), st.lists(st.integers(1, 4), min_size=2, max_size=3), PICK)
    def run(data, shape, seed):
        rng = np.random.default_rng(seed)
        x = keras.Input(tuple(shape))
        y = FUNCTIONS[name](data.draw, x)
        if y.shape == x.shape and y is x:
            return
        values = rng.integers(-12, 12, (5, *shape)) / 4
        if name in DISTINCT:
            values = rng.permuted(np.arange(values.size)).reshape(values.shape) / 4
        check(keras.Model(x, y), tmp_path, values)

    run()


def test_positions_may_be_computed_or_come_in(tmp_path):
    x, i = keras.Input((4, 3)), keras.Input((2,), dtype="int32")
    flat = keras.Input((6,))
    best = ops.argmax(flat, axis=1, keepdims=True)
    check(keras.Model(flat, ops.take_along_axis(flat * 2.0, best, axis=1)), tmp_path,
          np.random.default_rng(1).permuted(np.arange(30.0)).reshape(5, 6))  # fmt: skip
    table = keras.layers.Embedding(5, 3)(i)
    model = keras.Model([x, i], ops.concatenate([x, table], axis=1))
    path = tmp_path / "two.keras"
    model.save(path)
    graph = read_model(path)
    rng = np.random.default_rng(2)
    given = {"x": rng.normal(size=(6, 4, 3)), "i": rng.integers(0, 5, (6, 2)).astype(float)}
    names = [n.name for n in graph.inputs]
    shapes = {n.name: n.shape for n in graph.inputs}
    feeds = {n: given["x"] if shapes[n] == (4, 3) else given["i"] for n in names}
    (found,) = compare_with_source(path, graph, feeds)
    assert found.vectors == 6, found.detail


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@settings(max_examples=4)
@given(st.data())
def test_categories(mode, tmp_path_factory, data):
    draw = data.draw
    tokens, length = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    length = 1 if mode == "one_hot" else length
    x = keras.Input((length,), dtype="int32")
    y = keras.layers.CategoryEncoding(tokens, output_mode=mode)(x)
    y = keras.layers.RepeatVector(draw(st.integers(1, 3)))(y) if len(y.shape) == 2 else y
    values = np.random.default_rng(draw(PICK)).integers(0, tokens, (6, length))
    check(keras.Model(x, y), tmp_path_factory.mktemp("m"), values.astype(float))


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda x: ops.sum(x, axis=0), "an operation works along an axis that is not handled"),
        (lambda x: ops.sum(x), "1 to 2, or -1 to -2: the batch comes first and stays as it is"),
        (lambda x: ops.reshape(x, (-1,)), "a reshape moves elements between samples"),
        (lambda x: ops.cast((x > 0) + (x < 1), "float32"), "cast(x, 'float32')"),
        (lambda x: ops.prod(x, axis=1), "a layer of this class is not handled"),
        (lambda x: ops.transpose(x, (1, 0, 2)), "a transposition moves the batch"),
        (lambda x: ops.segment_sum(x, ops.cast(x[:, 0, 0], "int32"), 3), "segments of Keras"),
    ],
)
def test_what_is_not_handled_says_so(build, text, tmp_path):
    x = keras.Input((4, 3))
    path = tmp_path / "model.keras"
    keras.Model(x, build(x)).save(path)
    with pytest.raises(UnsupportedError) as error:
        read_model(path)
    assert text in str(error.value)
