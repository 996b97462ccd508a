"""A script written for hls4ml runs with another import; what cannot be honoured is an error."""

import numpy as np
import pytest
from tests.cli.cli_models import build, node, quantized, samples, write

import gatewright.compat.hls4ml as hls4ml
from gatewright.base import GatewrightError, OptionError, UnsupportedError
from gatewright.compat.hls4ml.converters import interval
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Intervals
from gatewright.ops import Dense, Windows

RNG = np.random.default_rng(5)
W1, B1 = RNG.normal(size=(6, 5)) * 0.7, RNG.normal(size=5) * 0.3
W2 = RNG.normal(size=(5, 3)) * 0.7


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    nodes = [
        node("Gemm", "x w1 b1", "a", "fc1"),
        node("Relu", "a", "r", "relu1"),
        node("MatMul", "r w2", "b", "fc2"),
        node("Softmax", "b", "y", "softmax"),
    ]
    constants = {"w1": W1, "b1": B1, "w2": W2}
    return write(tmp_path_factory.mktemp("hls4ml") / "float.onnx", build(nodes, constants))


def trn(x, width, integer):
    """Truncate and wrap, as ap_fixed<width, integer> does."""
    q = np.floor(np.asarray(x, np.float64) * 2.0 ** (width - integer))
    half = 2.0 ** (width - 1)
    return ((q + half) % (2 * half) - half) / 2.0 ** (width - integer)


def test_a_tutorial_script(path, tmp_path):
    config = hls4ml.utils.config_from_onnx_model(path, granularity="name", backend="Vitis")
    assert list(config) == ["Model", "LayerName"]
    assert config["Model"]["Precision"] == {"default": "fixed<16,6>"}
    assert config["LayerName"]["fc1"]["Precision"]["weight"] == "auto"
    config["LayerName"]["fc1"]["Precision"]["weight"] = "ap_fixed<8,3>"
    config["LayerName"]["fc1"]["Precision"]["result"] = "ap_fixed<12,5>"
    config["LayerName"]["softmax"]["exp_table_t"] = "ap_fixed<18,8>"
    config["LayerName"]["softmax"]["inv_table_t"] = "ap_fixed<18,4>"
    model = hls4ml.converters.convert_from_onnx_model(
        path, hls_config=config, output_dir=str(tmp_path / "prj"), part="xcvu9p-flgb2104-2-e",
        backend="Vitis", io_type="io_parallel", clock_period=4,
    )  # fmt: skip
    model.compile()
    x = samples()[:50].astype(np.float64)
    y, trace = model.trace(x)
    np.testing.assert_array_equal(y, model.predict(x))
    seen = trn(x, 16, 6)
    fc1 = trn(seen @ trn(W1, 8, 3) + trn(B1, 16, 6), 12, 5)
    np.testing.assert_array_equal(trace["fc1"], fc1)
    np.testing.assert_array_equal(trace["relu1"], np.maximum(fc1, 0))
    # A softmax's tables are addressed with fc2's result: it takes the model's precision.
    fc2 = trn(np.maximum(fc1, 0) @ trn(W2, 16, 6), 16, 6)
    np.testing.assert_array_equal(trace["fc2"], fc2)
    assert np.abs(y.sum(-1) - 1).max() < 0.01
    report = model.build(csim=False, cosim=False)
    assert report["CSynthesisReport"]["BestLatency"] == str(model.design.latency)
    assert report["CSynthesisReport"]["TargetClockPeriod"] == "4.00"
    assert hls4ml.report.parse_vivado_report(tmp_path / "prj")["CSynthesisReport"]["LUT"]


@pytest.mark.parametrize("granularity", ["model", "type", "name"])
def test_every_granularity_gives_a_configuration_that_can_be_read(path, granularity, tmp_path):
    config = hls4ml.config_from_onnx_model(path, granularity, default_precision="fixed<14,6>")
    model = hls4ml.convert_from_onnx_model(path, str(tmp_path), hls_config=config)
    assert model.get_layers() == ["x", "fc1", "relu1", "fc2", "softmax"]
    assert str(model.graph.inputs[0].type.fixed(0)) == "fixed<14,6>"


def test_precision_by_type_and_by_name(path, tmp_path):
    config = hls4ml.config_from_onnx_model(path)
    config["LayerType"] = {"MatMul": {"Precision": {"accum": "fixed<10,4>"}}}
    config["LayerName"] = {"relu1": {"Precision": "fixed<6,2,RND,SAT>"}}
    config["LayerName"]["relu1"]["Precision"] = {"result": "ufixed<6,2,RND,SAT>"}
    model = hls4ml.convert_from_onnx_model(path, str(tmp_path), hls_config=config)
    _, trace = model.trace(samples()[:20])
    assert trace["relu1"].max() <= 4 - 2.0**-4
    np.testing.assert_array_equal(trace["fc2"], trn(trace["relu1"] @ trn(W2, 16, 6), 10, 4))


def test_a_quantized_model_keeps_its_own_formats(tmp_path):
    path = write(tmp_path / "small.onnx", quantized())
    config = hls4ml.config_from_onnx_model(path, granularity="name")
    model = hls4ml.convert_from_onnx_model(path, str(tmp_path / "prj"), hls_config=config)
    import gatewright as gw

    x = samples()[:50]
    np.testing.assert_array_equal(model.predict(x), gw.compile(path).predict(x))


def test_a_quantized_layer_takes_no_other_format(tmp_path):
    path = write(tmp_path / "small.onnx", quantized())
    config = hls4ml.config_from_onnx_model(path, granularity="name")
    own = next(name for name in config["LayerName"] if "Quant" in name)
    config["LayerName"][own]["Precision"]["result"] = "fixed<8,3>"
    with pytest.raises(OptionError, match="the model quantizes this layer"):
        hls4ml.convert_from_onnx_model(path, str(tmp_path / "prj"), hls_config=config)


def test_a_default_holds_for_results_too(path, tmp_path):
    config = hls4ml.config_from_onnx_model(path, default_precision="fixed<12,5>")
    x = samples()[:40]
    model = hls4ml.convert_from_onnx_model(path, str(tmp_path), hls_config=config)
    _, trace = model.trace(x)
    fc1 = trn(trn(x, 12, 5) @ trn(W1, 12, 5) + trn(B1, 12, 5), 12, 5)
    np.testing.assert_array_equal(trace["fc1"], fc1)


def test_reuse_folds(path, tmp_path):
    config = hls4ml.config_from_onnx_model(path, default_reuse_factor=5)
    config["Model"]["Strategy"] = "Resource"
    model = hls4ml.convert_from_onnx_model(path, str(tmp_path), hls_config=config)
    model.compile()
    assert model.design.interval == 5


def change(config, *keys, to):
    for key in keys[:-1]:
        config = config.setdefault(key, {})
    config[keys[-1]] = to


@pytest.mark.parametrize(
    ("keys", "to", "said"),
    [
        (["Model", "Precision"], "fixed<16>", "a number format cannot be read"),
        (["Model", "Precision"], "float", "the precision of ['Model']['Precision'] cannot be read"),
        (["Model", "Precision"], "fixed<8,3,UP>", "cannot be read"),
        (["Model", "ReuseFactor"], 0, "cannot be honoured: ['Model']['ReuseFactor']"),
        (["Model", "Strategy"], "Magic", "cannot be honoured: ['Model']['Strategy']"),
        (["Model", "BramFactor"], 64, "cannot be honoured: ['Model']['BramFactor']"),
        (["Optimizers"], [], "cannot be honoured: ['Optimizers']"),
        (["LayerName", "fc9"], {}, "names no part of the model: ['LayerName']['fc9']"),
        (["LayerType", "Dense"], {}, "names no part of the model"),
        (["LayerName", "fc1"], {"Precision": {"weights": "auto"}}, "['Precision']['weights']"),
        (
            ["LayerName", "relu1"],
            {"Precision": {"weight": "fixed<8,3>"}},
            "['Precision']['weight']",
        ),
        (["LayerName", "fc1"], {"exp_table_t": "fixed<18,8>"}, "['Precision']['exp_table']"),
        (["LayerName", "fc1"], {"table_size": 1024}, "['LayerName']['fc1']['table_size']"),
        (["LayerName", "fc1"], {"ReuseFactor": 2}, "layers ask for different reuse factors"),
        (["LayerName", "fc1"], {"Precision": {"weight": "fixed<8,0>"}}, "does not fit its"),
    ],
)
def test_what_cannot_be_honoured_is_an_error(path, tmp_path, keys, to, said):
    config = hls4ml.config_from_onnx_model(path)
    change(config, *keys, to=to)
    with pytest.raises(GatewrightError) as error:
        hls4ml.convert_from_onnx_model(path, str(tmp_path), hls_config=config)
    assert said in str(error.value)
    assert error.value.exit_status == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"io_type": "io_serial"}, "the I/O type is not known"),
        ({"backend": "oneAPI"}, "the backend is not honoured"),
        ({"part": "5CGXFC"}, "the part or the clock uncertainty cannot be honoured"),
        ({"namespace": "a"}, "an option of the converter cannot be honoured"),
        ({"input_data_tb": "x.npy"}, "an option of the converter cannot be honoured"),
    ],
)
def test_options_of_the_converter(path, tmp_path, options, said):
    with pytest.raises(OptionError, match=said):
        hls4ml.convert_from_onnx_model(path, str(tmp_path), **options)


def test_export_and_granularity(path, tmp_path):
    with pytest.raises(OptionError, match="the granularity is not known"):
        hls4ml.config_from_onnx_model(path, granularity="layer")
    with pytest.raises(OptionError, match="`max_precision` is not honoured"):
        hls4ml.config_from_onnx_model(path, max_precision="fixed<8,4>")
    with pytest.raises(OptionError, match="the default precision must be a format"):
        hls4ml.config_from_onnx_model(path, default_precision="auto")
    model = hls4ml.convert_from_onnx_model(path, str(tmp_path))
    with pytest.raises(UnsupportedError, match=r"build\(export=True\) is not done here"):
        model.build(export=True)


def test_one_dictionary(path, tmp_path):
    model = hls4ml.convert_from_config(
        {"OnnxModel": path, "OutputDir": str(tmp_path), "ClockPeriod": 5, "ClockUncertainty": "20%"}
    )
    model.compile()
    assert model.design.options.clock_mhz == pytest.approx(250)
    with pytest.raises(OptionError, match="the configuration cannot be read"):
        hls4ml.convert_from_config({"OnnxModel": path, "Whatever": 1})


def test_a_torch_module(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.manual_seed(1)
    module = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    config = hls4ml.config_from_pytorch_model(module, (6,), granularity="name")
    model = hls4ml.convert_from_pytorch_model(module, str(tmp_path), hls_config=config)
    model.compile()
    x = samples()[:40].astype(np.float64)
    with torch.no_grad():
        wanted = module(torch.from_numpy(x.astype(np.float32))).numpy()
    assert np.abs(model.predict(x) - wanted).max() < 0.05


def test_io_stream_is_a_design_on_streams(path, tmp_path):
    config = hls4ml.config_from_onnx_model(path, default_precision="fixed<12,5>")
    config["Model"] |= {"ReuseFactor": 4, "Strategy": "Resource"}
    given = {"hls_config": config, "part": "xc7z020", "clock_period": 20}
    model = hls4ml.convert_from_onnx_model(path, str(tmp_path), io_type="io_stream", **given)
    model.compile()
    assert model.design.stream.ports == "axi-stream"
    assert "s_axis_x_tdata" in model.design.module.inputs
    assert model.design.interval <= 4
    assert any(c.plan.taken or c.plan.bits for c in model.design.stream.planned.choices)
    x = samples()[:20].astype(np.float64)
    parallel = hls4ml.convert_from_onnx_model(path, str(tmp_path / "other"), **given)
    np.testing.assert_array_equal(model.predict(x), parallel.predict(x))
    np.testing.assert_array_equal(model.design.simulate(x), model.predict(x))
    report = model.build(csim=False, fifo_opt=True)["CSynthesisReport"]
    assert report["IntervalMax"] == str(model.design.interval)


def test_io_stream_takes_a_pixel_a_cycle_and_reuses_by_row():
    kind = Intervals.of(np.full((8, 8, 1), -4), np.full((8, 8, 1), 3), 2)
    nodes = (
        Node("w", Windows.of((3, 3)), ("x",)),
        Node("d", Dense.of(np.ones((9, 2))), ("w",), "conv"),
    )
    graph = Graph("image", (Input("x", (8, 8, 1), kind),), nodes, (Output("y", "d"),))
    assert [interval(graph, reuse) for reuse in (1, 2, 3)] == [64, 72, 108]
