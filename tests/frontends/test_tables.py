"""Networks of tables: files, weightless networks, enumerated neurons; each against its source."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli_models import run

import gatewright as gw
from gatewright.base import GatewrightError, ModelError
from gatewright.frontends import read_model
from gatewright.frontends.tables import read_dwn, read_logicnets
from gatewright.ir import evaluate, infer, run_real
from gatewright.num import FixedArray, Intervals
from gatewright.ops import TableSpec, TableSum

KAN = "jets_kan_kanele_openml"


def kan_files(folder: Path, **changes) -> Path:
    """Write a small network, 3-2-2 of 2, 3 and 2 bits, as KANELÉ does."""
    rng = np.random.default_rng(1)
    tables = {}
    for layer, (n, m) in enumerate([(3, 2), (2, 2)]):
        for i in range(n):
            for j in range(m):
                live = (i + j + layer) % 3 > 0
                values = rng.integers(-4, 4, 4 << layer) * live
                tables[f"{layer}_{i}_{j}"] = {"acive": int(live), "values_int": values.tolist()}
    tables.update(changes)
    path = folder / "small_truth_tables.json"
    path.write_text(json.dumps(tables))
    config = {"layers": [3, 2, 2], "layers_bitwidth": [2, 3, 2]}
    (folder / "small_config.json").write_text(json.dumps(config))
    return path


def test_kanele_gives_the_published_vectors(shared_data):
    folder = shared_data / "models"
    graph = read_model(folder / f"{KAN}_truth_tables.json")
    x = np.loadtxt(folder / f"{KAN}_vectors_in.txt", dtype=np.int64)
    wanted = np.loadtxt(folder / f"{KAN}_vectors_out.txt", dtype=np.int64)
    values = evaluate(graph, {"x": FixedArray(x, np.zeros(16, np.int64))})
    np.testing.assert_array_equal(values[graph.outputs[0].value].q, wanted)
    assert graph.facts["model"] == "KAN 16-8-5, 83 of 168 edges"


@pytest.mark.slow
def test_the_circuit_gives_the_published_vectors(shared_data):
    folder = shared_data / "models"
    design = gw.compile(folder / f"{KAN}_truth_tables.json", clock="200 MHz")
    x = np.loadtxt(folder / f"{KAN}_vectors_in.txt")
    wanted = np.loadtxt(folder / f"{KAN}_vectors_out.txt")
    np.testing.assert_array_equal(design.predict(x), wanted)
    assert design.facts_of_model["source_checks"][0]["worst"] == 0


@pytest.mark.slow
def test_the_circuit_takes_fewer_luts_than_the_published_one(shared_data):
    pytest.importorskip("pyosys")
    path = shared_data / "models" / f"{KAN}_truth_tables.json"
    design = gw.compile(path, clock="400 MHz")
    total = design.synthesize(flow="area", nodsp=True).total
    assert total.lut <= 1232  # theirs, after place and route
    assert design.latency <= 7


def test_commands_take_truth_tables(tmp_path):
    path, out = kan_files(tmp_path), tmp_path / "firmware"
    found = run("inspect", path)
    assert "every layer is handled" in found.stdout, found.stderr
    assert "KANEL" in found.stdout
    done = run("compile", path, "-o", out)
    assert done.returncode == 0, done.stderr
    assert list((out / "rtl").glob("*.v"))


@pytest.mark.slow
def test_commands_verify_truth_tables(tmp_path):
    path, out = kan_files(tmp_path), tmp_path / "firmware"
    assert run("compile", path, "-o", out).returncode == 0
    done = run("verify", out)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_compiled_file_answers_as_the_file(tmp_path):
    path = kan_files(tmp_path)
    design = gw.compile(path)
    check = design.facts_of_model["source_checks"][0]
    assert check["method"].startswith("tables")
    assert check["vectors"] > 0
    assert check["worst"] == 0


ERRORS = {
    "short": ({"0_0_0": {"acive": 1, "values_int": [1, 2, 3]}},
              r"table has the wrong length[\s\S]*0_0_0[\s\S]*3 entries[\s\S]*4 entries"),
    "text": ({"0_0_0": {"acive": 1, "values_int": [1, 2, 3, "4"]}}, r"out of range[\s\S]*'4'"),
    "huge": ({"0_0_0": {"acive": 1, "values_int": [1, 2, 3, 1 << 50]}}, "entry out of range"),
    "outside": ({"0_9_0": {"acive": 1, "values_int": [0, 0, 0, 0]}}, "outside of its layers"),
    "no table": ({"0_0_0": {"acive": 1}}, "edge has no table"),
    "activity": ({"0_0_0": {"values_int": [0, 0, 0, 0]}}, "whether it is active"),
    "inactive": ({"0_0_0": {"acive": 0, "values_int": [0, 1, 0, 0]}}, "not active and has values"),
    "extra": ({"0_0_0": {"acive": 1, "values_int": [0, 0, 0, 0], "scale": 2}},
              r"something unknown[\s\S]*scale"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_wrong_truth_tables(tmp_path, name):
    changes, text = ERRORS[name]
    with pytest.raises(GatewrightError, match=text):
        read_model(kan_files(tmp_path, **changes))


def test_damaged_files(tmp_path):
    path = kan_files(tmp_path)
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(
        GatewrightError, match=r"no valid JSON; it may have been cut short[\s\S]*line"
    ):
        read_model(path)
    path.write_text(whole.replace("[", "[NaN, ", 1))
    with pytest.raises(GatewrightError, match=r"no finite number[\s\S]*NaN"):
        read_model(path)
    path.write_text(whole)
    config = tmp_path / "small_config.json"
    config.write_text('{"layers": [3, 2], "layers_bitwidth": [2, 3, 2]}')
    with pytest.raises(GatewrightError, match="does not say its layers"):
        read_model(path)
    config.unlink()
    with pytest.raises(
        GatewrightError, match=r"how many bits its layers have[\s\S]*small_config.json"
    ):
        read_model(path)


# ---- the format of our own

PLAIN = {
    "gatewright_tables": 1,
    "name": "two",
    "input": {"size": 3, "low": -1, "codes": 3, "frac": 1},
    "layers": [
        {"name": "first", "outputs": 2, "bias": [0.5, -1],
         "tables": [
             {"inputs": [0, 2], "output": 0, "values": [0, 1, 2, 3, 4, 5, 6, 7.5, 8]},
             {"inputs": [1], "output": 1, "values": [3, -2.25, 1]},
         ],
         "saturate": {"signed": False, "width": 3}},
        {"outputs": 1, "tables": [
            {"inputs": [1, 0], "output": 0, "values": list(range(64))},
        ]},
    ],
}  # fmt: skip


def plain_file(folder: Path, data=PLAIN) -> Path:
    path = folder / "plain.json"
    path.write_text(json.dumps(data))
    return path


def test_own_format(tmp_path):
    path = plain_file(tmp_path)
    graph = read_model(path)
    assert [node.layer for node in graph.nodes] == ["first", "first", "layer_1"]
    x = np.array([[-0.5, 0.0, 0.5], [0.5, 0.5, 0.0], [0.0, -0.5, -0.5]])
    first = np.array([[2.5, -3.25], [8.0, 0.0], [3.5, 2.0]])
    first = np.clip(np.rint(first), 0, 7)
    found = run_real(graph, {"x": x})[graph.outputs[0].value]
    np.testing.assert_array_equal(found[:, 0], first[:, 1] * 8 + first[:, 0])
    check = gw.compile(path).facts_of_model["source_checks"][0]
    assert check["vectors"] > 0
    assert check["worst"] == 0


def changed(edit) -> dict:
    data = json.loads(json.dumps(PLAIN))
    edit(data)
    return data


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda d: d.update(gatewright_tables=2), "unknown version"),
        (lambda d: d.update(extra=1), r"something unknown[\s\S]*extra"),
        (lambda d: d["layers"][0]["tables"][1]["values"].pop(), r"wrong length[\s\S]*2 entries"),
        (lambda d: d["layers"][0]["tables"][1].update(output=7), "cannot be used"),
        (lambda d: d["layers"][0]["tables"][1].update(inputs=[5]), "cannot be used"),
        (lambda d: d["layers"][0].update(bias=[1]), "bias does not fit"),
        (lambda d: d.update(layers=[]), "no layers"),
    ],
)
def test_wrong_own_format(tmp_path, edit, text):
    with pytest.raises(GatewrightError, match=text):
        read_model(plain_file(tmp_path, changed(edit)))


def test_an_entry_that_is_missing_and_can_occur(tmp_path):
    def edit(data):
        data["layers"][0]["tables"][1]["values"][2] = None

    with pytest.raises(
        GatewrightError, match=r"no value for an input that can occur[\s\S]*table 1"
    ):
        infer(read_model(plain_file(tmp_path, changed(edit))))


# ---- weightless networks


def dwn_state(seed: int, learnt: bool) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    thresholds = np.sort(rng.normal(size=(4, 5)), 1).astype(np.float32)
    state = {"0.luts": rng.normal(size=(12, 16)).astype(np.float32)}
    if learnt:
        state["0.mapping.weights"] = rng.random((20, 48)).astype(np.float32)
        state["0._LUTLayer__dummy_mapping"] = np.arange(48).reshape(12, 4).astype(np.int32)
    else:
        state["0.mapping"] = rng.integers(0, 20, (12, 4)).astype(np.int32)
    state["1.luts"] = rng.normal(size=(6, 8)).astype(np.float32)
    state["1.mapping"] = rng.integers(0, 12, (6, 3)).astype(np.int32)
    return state, thresholds


def dwn_answer(state, thresholds, x, classes):
    """The rules of the CUDA kernel, in NumPy."""
    bits = (x[:, :, None] > thresholds).reshape(len(x), -1)
    for layer in ("0", "1"):
        luts = state[f"{layer}.luts"]
        count = luts.shape[1].bit_length() - 1
        mapping = state.get(f"{layer}.mapping")
        if mapping is None:
            mapping = state[f"{layer}.mapping.weights"].argmax(0).reshape(len(luts), count)
        address = sum(bits[:, mapping[:, k]].astype(int) << k for k in range(count))
        bits = luts[np.arange(len(luts)), address] > 0
    return bits.reshape(len(x), classes, -1).sum(-1)


@pytest.mark.parametrize("learnt", [False, True])
def test_weightless_networks(learnt):
    state, thresholds = dwn_state(3, learnt)
    graph = read_dwn(state, 3, thresholds)
    x = np.round(np.random.default_rng(4).normal(size=(200, 4)) * 16) / 16
    design = gw.compile(graph, input_format="fixed<8,4>")
    np.testing.assert_array_equal(design.predict(x), dwn_answer(state, thresholds, x, 3))


def test_a_live_weightless_network():
    torch = pytest.importorskip("torch")
    state, thresholds = dwn_state(5, False)

    class Layer(torch.nn.Module):
        def __init__(self, number):
            super().__init__()
            for name in ("luts", "mapping"):
                value = torch.nn.Parameter(torch.tensor(state[f"{number}.{name}"]), False)
                self.register_parameter(name, value)

    model = torch.nn.Sequential(Layer(0), Layer(1))
    graph = read_dwn(model, 2, torch.tensor(thresholds))
    x = np.random.default_rng(6).integers(-16, 17, (50, 4)) / 8
    design = gw.compile(graph, input_format="fixed<8,4>")
    np.testing.assert_array_equal(design.predict(x), dwn_answer(state, thresholds, x, 2))


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda s: s.update({"0.bias": np.zeros(3)}), r"something unknown[\s\S]*0\.bias"),
        (lambda s: s.pop("1.mapping"), "not complete"),
        (lambda s: s.update({"1.mapping": np.full((6, 3), 12)}), "input that is not there"),
        (lambda s: s.update({"1.luts": np.full((6, 8), np.nan)}), "NaN or infinity"),
        (lambda s: s.update({"1.luts": np.zeros((6, 9))}), "impossible number of entries"),
        (lambda s: s.update({"1.luts": np.zeros((5, 8))}), "mapping does not fit"),
        (lambda s: s.clear(), "no layer of lookup tables"),
    ],
)
def test_wrong_weightless_networks(edit, text):
    state, thresholds = dwn_state(3, False)
    edit(state)
    with pytest.raises(GatewrightError, match=text):
        read_dwn(state, 3, thresholds)


def test_the_bits_of_a_weightless_network():
    """A mapping that does not read the last bits says nothing of them."""
    state, thresholds = dwn_state(3, False)
    state["0.mapping"] %= 11
    assert read_dwn(state, 3, inputs=20).inputs[0].shape == (20,)
    with pytest.raises(GatewrightError, match=r"how many bits(.|\n)*up to 10(.|\n)*input_size"):
        read_dwn(state, 3)
    with pytest.raises(GatewrightError, match=r"do not agree(.|\n)*inputs: 21, thresholds: 20"):
        read_dwn(state, 3, thresholds, inputs=21)
    with pytest.raises(GatewrightError, match=r"so many inputs(.|\n)*0"):
        read_dwn(state, 3, inputs=0)
    with pytest.raises(GatewrightError, match=r"holds no numbers(.|\n)*thresholds"):
        read_dwn(state, 3, "median")
    learnt, _ = dwn_state(3, True)
    assert read_dwn(learnt, 3).inputs[0].shape == (20,)
    with pytest.raises(
        GatewrightError, match=r"do not agree(.|\n)*mapping.weights: 20, thresholds: 12"
    ):
        read_dwn(learnt, 3, thresholds[:, :3])
    learnt["1.mapping.weights"] = np.zeros((13, 18))
    del learnt["1.mapping"]
    with pytest.raises(GatewrightError, match=r"layer before it(.|\n)*13 inputs(.|\n)*12"):
        read_dwn(learnt, 3)


@pytest.mark.parametrize("learnt", [False, True])
def test_thresholds_that_all_features_share(learnt):
    state, thresholds = dwn_state(7, learnt)
    alike = thresholds[:1]
    graph = read_dwn(state, 3, alike, inputs=None if learnt else 20)
    x = np.round(np.random.default_rng(4).normal(size=(200, 4)) * 16) / 16
    design = gw.compile(graph, input_format="fixed<8,4>")
    wanted = dwn_answer(state, np.repeat(alike, 4, axis=0), x, 3)
    np.testing.assert_array_equal(design.predict(x), wanted)
    with pytest.raises(GatewrightError, match=r"do not agree(.|\n)*of all features: 3"):
        read_dwn(state, 3, alike[:, :3], inputs=20)


def test_weightless_networks_are_not_read_from_pickles():
    with pytest.raises(GatewrightError, match=r"from its tensors[\s\S]*weights_only=True"):
        read_dwn("model.pt", 3)
    state, thresholds = dwn_state(3, False)
    with pytest.raises(GatewrightError, match="do not divide into groups"):
        read_dwn(state, 4, thresholds)
    for wrong in (0, 3.0, None):
        with pytest.raises(GatewrightError, match="needs classes"):
            read_dwn(state, wrong, thresholds)


# ---- enumerated neurons


def test_enumerated_neurons():
    torch = pytest.importorskip("torch")
    from neurons import logicnets

    model = logicnets()
    model.eval()
    design = gw.compile(model)
    codes = np.random.default_rng(0).integers(-2, 2, (100, 6))
    with torch.no_grad():
        x = torch.tensor(codes * 0.75, dtype=torch.float32)
        model[0].apply_input_quant = False
        model[-1].output_quant.bin_output()
        wanted = model(x).numpy()
    np.testing.assert_array_equal(design.predict(codes.astype(float)), wanted)


@pytest.mark.parametrize(
    ("style", "tables"), [("polylut", 10), ("polylut-add", 30), ("neuralut", 10)]
)
def test_neurons_of_heirs_are_enumerated(style, tables):
    """Monomials, sums of two neurons quantized again, small networks: each is a table."""
    torch = pytest.importorskip("torch")
    from neurons import heir

    model = heir(style, (6, 7, 3), fan_in=3)
    design = gw.compile(model)
    sums = [node.op for node in design.graph.nodes if node.op.kind == "table_sum"]
    assert sum(len(op.target) for op in sums) == tables
    codes = np.random.default_rng(0).integers(-2, 2, (200, 6))
    layers = model.module_list
    with torch.no_grad():
        layers[0].apply_input_quant = False
        layers[-1].output_quant.bin_output()
        wanted = model(torch.tensor(codes * 0.75, dtype=torch.float32)).numpy()
    assert len(np.unique(wanted)) > 2
    np.testing.assert_array_equal(design.predict(codes.astype(float)), wanted)
    assert not layers[0].output_quant.is_bin_output
    views = gw.inspect(model).layers
    assert [view.name for view in views] == [f"module_list.{k}" for k in range(len(layers))]
    assert all(view.becomes == ("table sum",) and "fixed" in view.formats for view in views)


def test_neurons_of_heirs_that_do_not_fit():
    pytest.importorskip("torch")
    from neurons import heir

    model = heir("polylut")
    model.module_list[1].imask = model.module_list[1].imask + 4
    with pytest.raises(GatewrightError, match=r"imask does not fit(.|\n)*places of 0 to 4"):
        read_logicnets(model)
    model = heir("polylut-add")
    del model.module_list[1]
    with pytest.raises(GatewrightError, match=r"fit the one before it(.|\n)*5 inputs(.|\n)*10"):
        read_logicnets(model)
    model = heir("neuralut")
    del model.module_list[0].imask
    with pytest.raises(
        GatewrightError, match=r"lacks what it is enumerated by(.|\n)*fc.mask or imask"
    ):
        read_logicnets(model)


def test_neurons_that_cannot_be_enumerated():
    torch = pytest.importorskip("torch")
    from neurons import logicnets

    model = logicnets()
    with pytest.raises(GatewrightError, match=r"another module[\s\S]*Dropout"):
        read_logicnets(torch.nn.Sequential(*model, torch.nn.Dropout()))
    model = logicnets((12, 3), 9)
    with pytest.raises(GatewrightError, match=r"reads too much[\s\S]*9 inputs of 4 states"):
        read_logicnets(model)
    model = logicnets()
    del model[1].output_quant
    with pytest.raises(GatewrightError, match=r"lacks what it is enumerated by[\s\S]*output_quant"):
        read_logicnets(model)
    model = logicnets()
    forward = model[0].forward
    model[0].forward = lambda x: forward(x + 0.5 * x.sum(1, keepdim=True))
    with pytest.raises(GatewrightError, match="differ from the module"):
        read_logicnets(model)


def test_error_texts_have_no_stray_lines():
    with pytest.raises(GatewrightError) as caught:
        read_dwn("model.pt", 3)
    assert not re.search(r"\n\n", str(caught.value))


def test_signed_is_true_or_false(tmp_path):
    data = json.loads(json.dumps(PLAIN))
    data["layers"][0]["saturate"]["signed"] = "false"
    with pytest.raises(ModelError, match=r"whether it is signed(.|\n)*'false'(.|\n)*true or false"):
        read_model(plain_file(tmp_path, data))


@pytest.mark.parametrize("layers", [5, None, []])
def test_layers_are_a_list(layers, tmp_path):
    with pytest.raises(ModelError, match="has no layers"):
        read_model(plain_file(tmp_path, {**PLAIN, "layers": layers}))


def trained_network():
    """Return two features, of which a table of four codes reads the second."""
    from gatewright import train
    from gatewright.train.network import TableLayer

    layer = TableLayer(
        np.asarray([[1]]), np.asarray([0]), np.asarray([[0, 2, -1, 3]]), np.zeros(1, int), 4
    )
    return train.Network("kan", train.Encoder(np.full(2, 2.0), np.zeros(2), 2), (layer,))


def test_trained_networks_are_read(tmp_path):
    from gatewright import train

    network = trained_network()
    design = gw.compile(train.save(network, tmp_path / "small.npz"))
    x = np.random.default_rng(0).uniform(-1, 4, (200, 2))
    np.testing.assert_array_equal(design.predict(x), network.predict_codes(x.astype(np.float32)))


def test_samples_are_no_trained_network(tmp_path):
    np.savez(tmp_path / "samples.npz", x=np.zeros((2, 2)), y=np.zeros(2))
    with pytest.raises(GatewrightError, match=r"no trained network(.|\n)*arrays x, y"):
        read_model(tmp_path / "samples.npz")


def test_commands_take_trained_networks(tmp_path):
    from gatewright import train

    path, out = train.save(trained_network(), tmp_path / "small.npz"), tmp_path / "firmware"
    found = run("inspect", path)
    assert "every layer is handled" in found.stdout, found.stderr
    done = run("compile", path, "-o", out)
    assert "the file's own integers" in done.stdout, done.stderr
    assert run("report", out).returncode == 0
    assert '<section id="tables">' in (out / "report.html").read_text("utf-8")
    x = np.asarray([[0.0, 0.6], [3.0, 1.5]])
    np.testing.assert_array_equal(gw.load(out).predict(x)[:, 0], [2, 3])


def two_layers(answers: list[int], last: list[int | None]) -> dict:
    """Return two neurons, limited to 4 bits, and a table that reads both."""
    return {
        "gatewright_tables": 1,
        "input": {"size": 2, "codes": 8},
        "layers": [
            {"name": "first", "outputs": 2, "saturate": {"width": 4},
             "tables": [{"inputs": [i], "output": i, "values": answers} for i in range(2)]},
            {"name": "second", "outputs": 1,
             "tables": [{"inputs": [0, 1], "output": 0, "values": last}]},
        ],
    }  # fmt: skip


def test_codes_that_cannot_be_reached_free_tables(tmp_path):
    """What the first layer can answer is what the second one's tables are made for."""
    values = np.random.default_rng(5).integers(0, 16, (16, 16))
    found = {}
    for name, answers in (
        ("all", [0, 3, 5, 9, 11, 13, 15, 18]),
        ("few", [-4, 0, 1, 2, 4, 5, 6, 7]),
    ):
        design = gw.compile(plain_file(tmp_path, two_layers(answers, values.ravel().tolist())))
        (second,) = (row for row in design.facts()["layers"] if row["layer"] == "second")
        found[name] = second["estimate"]["lut"]
        x = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
        first = np.clip(np.asarray(answers)[x], 0, 15)
        np.testing.assert_array_equal(design.predict(x)[:, 0], values[first[:, 0], first[:, 1]])
    assert found["all"] >= 4 * 4  # four bits of eight address bits each
    assert found["few"] <= 4  # six address bits are left
    holes = [v if i < 8 and j < 8 else None for (i, j), v in np.ndenumerate(values.astype(int))]
    few = two_layers(answers, [None if v is None else int(v) for v in holes])
    design = gw.compile(plain_file(tmp_path, few))  # what cannot occur need not be given
    assert design.predict(np.asarray([[7, 6]]))[0, 0] == values[7, 6]
    with pytest.raises(ModelError, match="no value for an input that can occur"):
        read_model(
            plain_file(
                tmp_path, two_layers([8, *answers[1:]], few["layers"][1]["tables"][0]["values"])
            )
        )


def test_tables_that_are_too_wide(tmp_path):
    data = {
        "gatewright_tables": 1,
        "input": {"size": 3, "codes": 256},
        "layers": [{"outputs": 1, "tables": [{"inputs": [0, 1], "output": 0, "values": [0]}]}],
    }
    data["layers"][0]["tables"][0]["values"] = [0, 1] * (1 << 15)
    assert infer(read_model(plain_file(tmp_path, data)))
    op = TableSum.of([TableSpec((0, 1), 0, np.zeros((256, 257)))], [0, 0], [256, 257], 0, [0.0])
    with pytest.raises(GatewrightError, match=r"too large(.|\n)*17 address bits(.|\n)*up to 16"):
        op.infer(Intervals.of([0, 0], [255, 256], 0))
