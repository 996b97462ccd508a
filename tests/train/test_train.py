"""Training: answers of tables and graph are the same integers, and something is learnt."""

import io
import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import gatewright as gw
from gatewright import GatewrightError, train
from gatewright.frontends import list_layers
from gatewright.ir import evaluate
from gatewright.passes.graph import host_input
from gatewright.train.network import TableLayer

torch = pytest.importorskip("torch")

FAST = {"epochs": 12, "batch": 128, "threads": 1, "rate": 0.02}
CLASSIFIERS = {
    "kan": lambda: train.KanClassifier(hidden=(3,), input_bits=4, bits=4, edges=12, **FAST),
    "kan-table": lambda: train.KanClassifier(hidden=(), input_bits=4, edge="table", **FAST),
    "kan-rbf": lambda: train.KanClassifier(hidden=(3,), bits=5, edge="rbf", edges=12, **FAST),
    "kan-chebyshev": lambda: train.KanClassifier(
        hidden=(3,), bits=5, edge="chebyshev", degree=6, edges=12, **FAST
    ),
    "tables": lambda: train.TableClassifier(hidden=(8,), output_adds=2, inner=3, **FAST),
    "tables-random": lambda: train.TableClassifier(
        hidden=(9,), adds=2, fan_in=2, inner=0, connectivity="random", **FAST
    ),
    "weightless": lambda: train.WeightlessClassifier(tables=(30,), levels=6, **FAST),
    "weightless-deep": lambda: train.WeightlessClassifier(
        tables=(24, 12), levels=5, fan_in=4, mapping="random", **FAST
    ),
}


def task(samples=1200, seed=0):
    """Return three classes in five features, of which one is noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, 5)).astype(np.float32) * np.float32([1, 30, 0.01, 1, 5])
    y = (x[:, 0] + x[:, 1] / 30 > 0).astype(int) + (np.abs(x[:, 2]) > 0.01)
    return x, y


@pytest.fixture(scope="module", params=CLASSIFIERS, ids=str)
def fitted(request):
    x, y = task()
    return CLASSIFIERS[request.param]().fit(x, y), *task(seed=1)


def test_graph_answers_the_models_integers(fitted):
    model, x, _ = fitted
    graph = host_input(model.to_graph())
    x = np.concatenate([x, x * 1e6, np.zeros_like(x[:2])])
    codes = model.network_.encoder.codes(x)
    (i,) = graph.inputs
    for op in i.encode:
        x = op.real(x) if op is not i.encode[0] else op.real(x.astype(np.float64))
    np.testing.assert_array_equal(x, codes)
    from gatewright.num import FixedArray

    found = evaluate(graph, {"x": FixedArray(codes, np.asarray(0))})[graph.outputs[0].value]
    value = codes
    if model.network_.thermometer is not None:
        value = value[:, :, None] >= model.network_.thermometer
        value = value.reshape(len(codes), -1).astype(np.int64)
    for layer in model.network_.layers:
        value = layer.run(value)
    np.testing.assert_array_equal(found.value, value)


def test_something_is_learnt(fitted):
    model, x, y = fitted
    often = np.bincount(y).max() / len(y)
    assert model.score(x, y) > often + 0.08
    assert model.predict_proba(x).sum(1) == pytest.approx(1)
    assert (model.predict(x) == model.predict_proba(x).argmax(1)).all()


def test_files_keep_every_integer(fitted, tmp_path):
    model, x, _ = fitted
    path = model.save(tmp_path / "found")
    assert path.name == "found.npz"
    again = type(model).from_file(path)
    np.testing.assert_array_equal(again.predict_codes(x), model.predict_codes(x))
    assert again.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["kan", "tables", "weightless"])
def test_compiled_design_answers_the_models_integers(name):
    x, y = task(400)
    model = CLASSIFIERS[name]().set_params(epochs=3).fit(x, y)
    design = gw.compile(model, calibration=x, clock="300 MHz")
    assert (design.predict_codes(x)["y"].value == model.predict_codes(x)).all()
    (check,) = design.facts_of_model["source_checks"]
    assert check["vectors"] == 256
    assert check["worst"] == 0
    assert "layer_0" in [listed.name for listed in list_layers(model)]


def test_the_winner_can_be_told_by_the_circuit():
    x, y = task(400)
    model = train.KanClassifier(hidden=(), input_bits=3, **FAST).fit(x, y)
    design = gw.compile(model.to_graph(winner=True))
    assert (design.predict(x) == model.predict(x)).all()


def test_numbers_are_predicted():
    x, _ = task()
    y = np.stack([x[:, 0] ** 2 + 100, x[:, 1] / 10], 1)
    model = train.KanRegressor(hidden=(), input_bits=5, bits=8, **FAST).fit(x, y)
    assert model.predict(x).shape == y.shape
    assert model.score(x, y) > 0.8
    design = gw.compile(model, calibration=x[:200])
    np.testing.assert_allclose(design.predict(x), model.predict(x), rtol=0, atol=0)


def test_large_numbers_are_predicted_and_larger_ones_refused():
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    model = train.KanRegressor(hidden=(), **{**FAST, "epochs": 3})
    model.fit(x, x[:, 0] * 1e30)
    assert np.isfinite(model.predict(x)).all()
    assert gw.compile(model).predict(x).ravel() == pytest.approx(model.predict(x))
    with pytest.raises(GatewrightError, match="too large for float32"):
        model.fit(x, np.linspace(1e38, 2e38, 200, dtype=np.float32))


def test_the_same_seed_gives_the_same_tables():
    x, y = task(300)
    state = torch.get_rng_state()
    first, second = (train.KanClassifier(edges=9, **FAST).fit(x, y) for _ in range(2))
    for a, b in zip(first.network_.layers, second.network_.layers, strict=True):
        np.testing.assert_array_equal(a.values, b.values)
    assert (torch.get_rng_state() == state).all()


def test_pruning_leaves_as_many_edges_as_asked_for():
    x, y = task(300)
    model = train.KanClassifier(hidden=(6,), edges=7, **FAST).fit(x, y)
    assert 0 < model.network_.tables <= 7
    assert not model.history_[0].settled
    assert model.history_[-1].settled


def test_pruning_that_leaves_nothing_is_told():
    x, y = task(300)
    with pytest.raises(GatewrightError, match="pruning left no way from a feature to an output"):
        train.KanClassifier(hidden=(6,), edges=1, **FAST).fit(x, y)


def test_early_stopping():
    x, y = task(300)
    model = train.KanClassifier(hidden=(), patience=2, **{**FAST, "epochs": 200}).fit(x, y)
    assert len(model.history_) < 200


def test_trimming_keeps_answers():
    rng = np.random.default_rng(3)
    first = TableLayer(
        rng.integers(0, 4, (9, 1)), rng.integers(0, 5, 9), rng.integers(-9, 9, (9, 4)),
        rng.integers(-3, 3, 5), 4, 0, (-4, 3),
    )  # fmt: skip
    values = rng.integers(-9, 9, (6, 8))
    values[2] = 5
    second = TableLayer(
        np.asarray([[0], [1], [3], [3], [0], [1]]), rng.integers(0, 2, 6), values,
        np.zeros(2, np.int64), 8, -4,
    )  # fmt: skip
    network = train.Network(
        "kan", train.Encoder(np.full(4, 2.0), np.full(4, 0.5), 2), (first, second)
    )
    x = rng.uniform(-1, 3, (500, 4))
    small = network.trimmed()
    np.testing.assert_array_equal(small.predict_codes(x), network.predict_codes(x))
    assert len(small.layers[0].bias) < 5
    assert small.tables < network.tables


def test_what_edges_are_made_of():
    from gatewright.train.bases import EDGES, basis_of, chebyshev_basis, rising, spline_basis

    np.testing.assert_allclose(spline_basis(64, 5, 3).sum(1), 1, rtol=1e-12)
    x = (np.arange(64) + 0.5) / 32 - 1
    cubic = chebyshev_basis(64, 3)[:, 3]
    np.testing.assert_allclose(cubic, 4 * x**3 - 3 * x, atol=1e-12)
    for edge in EDGES:
        basis = basis_of(edge, 64, 8, 3)
        line = rising(edge, basis, 64)
        shape = np.asarray(line if basis is None else basis @ line)
        assert np.corrcoef(shape, x)[0, 1] > 0.999
        assert shape[0] < -0.75
        assert shape[-1] > 0.75
        assert basis_of(edge, 4, 8, 3) is None  # entries are fewer


@pytest.mark.parametrize("edge", ["bspline", "rbf", "chebyshev"])
def test_every_kind_of_edge_learns_a_function(edge):
    x = np.random.default_rng(0).uniform(-1, 1, (1500, 2)).astype(np.float32)
    y = np.sin(3 * x[:, 0]) + x[:, 1] ** 2
    model = train.KanRegressor(
        hidden=(), input_bits=6, bits=8, edge=edge, degree=5, **{**FAST, "epochs": 25}
    ).fit(x, y)
    assert model.score(x, y) > 0.98
    assert model.network_.tables == 2


def test_slopes_of_tables_of_two_inputs():
    from gatewright.train.straight import Lookup

    table = torch.arange(9.0)[None]  # 3 * a + b
    x = torch.tensor([[[1.0, 2.0]], [[0.0, 1.0]]], requires_grad=True)
    y = Lookup.apply(x, table, table, 3)
    y.sum().backward()
    assert y[:, 0].tolist() == [5, 1]
    assert x.grad[:, 0].tolist() == [[3, 1], [3, 1]]


ONES, X = np.zeros(50, int), np.zeros((50, 3))
MISTAKES = {
    "NaN": (lambda m: m.fit(np.full((50, 3), np.nan), ONES), "numbers that are not finite"),
    "shape": (lambda m: m.fit(np.zeros(50), ONES), "samples have the wrong shape"),
    "no numbers": (lambda m: m.fit([["a"]] * 50, ONES), "samples are not numbers"),
    "one class": (lambda m: m.fit(X, ONES), "all samples have the same class"),
    "labels": (lambda m: m.fit(X, ONES[:9]), "labels do not match the samples"),
    "one-hot": (lambda m: m.fit(X, np.eye(50)), "y.argmax"),
    "fractions": (lambda m: m.fit(X, np.arange(50) / 7), "for numbers use a regressor"),
    "few": (lambda m: m.fit(X[:2], [0, 1]), "too few samples"),
    "unfitted": (lambda m: m.predict(X), "call fit"),
    "unfitted graph": (lambda m: gw.compile(m), "has not been fitted"),
    "parameter": (lambda m: m.set_params(hiden=3), "no such parameter"),
    "device": (lambda m: m.set_params(device="gpu7").fit(X, np.arange(50)), "device of PyTorch"),
    "rate": (lambda m: m.set_params(rate=-1).fit(X, np.arange(50)), "rate is impossible"),
    "bits": (lambda m: m.set_params(bits=(4,)).fit(X, np.arange(50)), "bits do not fit the layers"),
    "edge": (
        lambda m: m.set_params(edge="spline").fit(X, np.arange(50)),
        r"'spline'(.|\n)*bspline, rbf, chebyshev, table",
    ),
    "fraction": (lambda m: m.set_params(bits=4.5).fit(X, np.arange(50)), "an integer from 1 to 10"),
    "degree": (lambda m: m.set_params(degree=9).fit(X, np.arange(50)), "degree is impossible"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told(name):
    call, text = MISTAKES[name]
    with pytest.raises(GatewrightError, match=text):
        call(train.KanClassifier())


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (train.TableClassifier(fan_in=7), "tables would be too large"),
        (train.WeightlessClassifier(tables=(7,)), "cannot be shared out among the classes"),
        (train.WeightlessClassifier(mapping="best"), "a mapping is not known"),
        (train.KanRegressor(), "the same for all samples"),
    ],
)
def test_other_mistakes_are_told(model, text):
    y = np.ones(60) if isinstance(model, train.KanRegressor) else np.arange(60) % 3
    with pytest.raises(GatewrightError, match=text):
        model.fit(np.random.default_rng(0).normal(size=(60, 3)), y)


def test_damaged_files_are_told(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(GatewrightError, match="nothing there"):
        train.load(path)
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(GatewrightError, match="a file of trained tables is damaged"):
        train.load(path)
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(GatewrightError, match="no archive of arrays"):
        train.load(path)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)}
    )
    with zipfile.ZipFile(path, "w") as file:  # a header that asks for 8 PiB
        file.writestr("about.npy", head.getvalue())
    with pytest.raises(GatewrightError, match="Unable to allocate"):
        train.load(path)
    np.savez(path, about=np.asarray(json.dumps({"layout": 9})))
    with pytest.raises(GatewrightError, match="layout 9"):
        train.load(path)


def small_network(**changes):
    """Return a network of one table on the second of two features, changed where it is asked."""
    layer = {
        "reads": np.asarray([[1]]), "target": np.asarray([0]), "values": np.arange(4)[None],
        "bias": np.zeros(1, int), "codes": 4, "low": 0, "limits": None,
    }  # fmt: skip
    encoder = {"scale": np.ones(2), "offset": np.zeros(2), "bits": 2}
    whole = {"family": "kan"}
    for key, value in changes.items():
        part = next((p for p in (layer, encoder) if key in p), whole)
        part[key.removeprefix("whole_")] = value
    return train.Network(encoder=train.Encoder(**encoder), layers=(TableLayer(**layer),), **whole)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"reads": np.asarray([[5]])}, "layer 0: a table reads or feeds what is not there"),
        ({"target": np.asarray([-1])}, "layer 0: a table reads or feeds what is not there"),
        ({"values": np.zeros((1, 5), int)}, r"values of shape \(1, 5\), 1 tables of 1 elements"),
        ({"values": np.zeros((2, 4), int)}, r"values of shape \(2, 4\), 1 tables of 1 elements"),
        ({"values": np.full((1, 4), 1 << 50)}, f"values of up to {1 << 50}"),
        ({"values": np.zeros((1, 4))}, "layer0_values: float64, not integers"),
        ({"target": np.asarray([0, 0])}, r"1 tables, targets of shape \(2,\)"),
        ({"low": 1}, "codes 1 to 4, numbers 0 to 3 before it"),
        ({"limits": (-3, 3)}, "limits -3 to 3 are no format's"),
        ({"limits": (3, 0)}, "limits 3 to 0 are no format's"),
        ({"scale": np.asarray([1.0, 0.0])}, "scale: not all are positive"),
        ({"scale": np.asarray([1.0, np.inf])}, "scale: not all are finite numbers"),
        ({"scale": np.ones((2, 1))}, "scale: no list of features"),
        ({"offset": np.zeros(3)}, r"offset: shape \(3,\), 2 features"),
        ({"offset": np.asarray([0, np.nan])}, "offset: not all are finite"),
        ({"bits": 0}, "bits: 0 of 1 to 16"),
        ({"bits": 3}, "codes 0 to 3, numbers 0 to 7 before it"),
        ({"whole_scale": float("nan")}, "scale of the outputs: nan"),
        ({"whole_scale": -1.0}, "scale of the outputs: -1.0"),
        ({"whole_offset": np.zeros(2)}, r"offset of the outputs: shape \(2,\), 1 outputs"),
        ({"whole_classes": np.arange(3)}, r"classes: shape \(3,\), 1 outputs"),
        ({"whole_thermometer": np.ones((3, 2), int)}, r"thermometer: shape \(3, 2\), 2 features"),
        ({"whole_family": "forest"}, "family: forest of kan, tables, weightless"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_told(tmp_path, changes, text):
    assert train.load(train.save(small_network(), tmp_path / "a.npz")).tables == 1
    path = train.save(small_network(**changes), tmp_path / "b.npz")
    with pytest.raises(GatewrightError, match=text):
        train.load(path)


def test_what_limits_leave_of_a_layer():
    layer = small_network(bias=np.full(1, 9), limits=(0, 3)).layers[0]
    assert layer.reach == (3, 3)
    assert set(layer.run(np.asarray([[0, c] for c in range(4)])).ravel()) == {3}
    below = small_network(bias=np.full(1, -9), limits=(0, 3)).layers[0]
    assert below.reach == (0, 0)


def test_training_from_the_command_line(tmp_path):
    x, y = task(300)
    np.savez(tmp_path / "samples.npz", x=x, y=y)
    params = {"hidden": [2], "epochs": 2, "batch": 64}
    configs = [{"name": "small", "estimator": "kan", "params": params}]
    (tmp_path / "configs.json").write_text(json.dumps(configs))
    command = [sys.executable, "-m", "gatewright.train", "configs.json", "samples.npz", "out"]
    first, again = (
        subprocess.run(
            [*command, "--threads", "1"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    )
    assert "small (1/1)" in first.stdout
    assert "is there already" in again.stdout
    assert train.load(tmp_path / "out" / "small.npz").features == 5


def test_training_needs_neither_compiler_nor_frameworks():
    """It is to run where only NumPy and PyTorch are, and PyTorch only to fit."""
    text = "import gatewright.train, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "numba", "llvmlite", "onnx", "platformdirs", "rich", "networkx"}
