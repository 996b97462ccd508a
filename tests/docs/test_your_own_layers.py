"""The guide to layers of one's own: its very text is run, as a user's file, on a model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from keras_files import layer, sequential, start, write_keras
from onnx_models import model, node

import gatewright as gw
from gatewright.base import FileError, GatewrightError, ModelError, OptionError, UnsupportedError
from gatewright.cli.custom import load_custom
from gatewright.frontends import read_model
from gatewright.ir import run_real
from gatewright.ops import Affine

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "your-own-layers.md"
GAIN = np.asarray([0.5, -1.25], np.float32)


@pytest.fixture
def handlers(tmp_path):
    """Run the guide's first block as a user's file."""
    text = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.S)[1]
    path = tmp_path / "my_layers.py"
    path.write_text(text)
    return load_custom(str(path))


def slopes(folder, **options):
    """Write a model of 5 strips with 2 features and the guide's layer."""
    options = {"stride": 2, "padding": "valid", **options}
    entry = layer("NeighbourSlopes", "slopes", "detector_code", **options)
    entry["registered_name"] = "detector>NeighbourSlopes"
    config = sequential(start(5, 2), entry)
    return write_keras(folder, config, {"layers/neighbour_slopes": [GAIN]})


def test_the_guide_compiles(tmp_path, handlers):
    design = gw.compile(slopes(tmp_path), custom=handlers, input_format="fixed<6,3>")
    x = np.random.default_rng(1).integers(-32, 32, (20, 5, 2)) / 8
    np.testing.assert_array_equal(design.predict(x), (x[:, 2:] - x[:, :-2]) * GAIN)
    assert [node.layer for node in design.graph.nodes] == ["slopes"] * 4


def test_the_command_line_runs_the_file(tmp_path, handlers, capsys):
    from gatewright.cli.commands.inspect import inspect

    path = slopes(tmp_path)
    assert inspect(str(path), custom=str(tmp_path / "my_layers.py")) == 0
    assert "NeighbourSlopes" in capsys.readouterr().out
    assert inspect(str(path)) == 1


def refused(path, custom, kind=GatewrightError):
    with pytest.raises(kind) as error:
        read_model(path, custom)
    return str(error.value)


def test_what_a_handler_leaves_unread_is_an_error(tmp_path, handlers):
    text = refused(slopes(tmp_path, wrap=True), handlers, UnsupportedError)
    assert "does not read all of its configuration" in text
    assert "found:     wrap" in text
    assert "supported: padding, stride" in text
    text = refused(slopes(tmp_path, padding="same"), handlers, UnsupportedError)
    assert "slopes beyond the last strip" in text

    def forgets(own):
        own.option("stride"), own.option("padding")
        return own.emit(Affine(np.asarray(1.0), np.asarray(0.0)), *own.inputs)

    text = refused(slopes(tmp_path), {"NeighbourSlopes": forgets}, ModelError)
    assert "a layer's weights are not what its configuration asks for" in text
    text = refused(slopes(tmp_path), {"NeighbourSlopes": lambda own: None}, ModelError)
    assert "the handler of a layer gives no tensors" in text


def test_handlers_are_for_layers_that_have_none(tmp_path):
    config = sequential(start(2), layer("ReLU", "r"))
    path = write_keras(tmp_path, config)
    text = refused(path, {"ReLU": lambda own: None}, OptionError)
    assert "a handler was given for a layer that is handled already" in text
    with pytest.raises(OptionError) as error:
        read_model(path, {"Mine": 3})
    assert "handlers of custom layers are given by name" in str(error.value)


def test_files_of_handlers_that_cannot_be_used(tmp_path):
    with pytest.raises(FileError):
        load_custom(str(tmp_path / "nothing.py"))
    for text, found in (("CUSTOM = 3", "CUSTOM is a int"), ("x = 1", "no CUSTOM"),
                        ("1 / 0", "ZeroDivisionError: division by zero")):  # fmt: skip
        (tmp_path / "bad.py").write_text(text)
        with pytest.raises(OptionError) as error:
            load_custom(str(tmp_path / "bad.py"))
        assert found in str(error.value)


def test_operators_of_a_domain_of_ones_own():
    def scaled(own):
        (gain,) = own.weights("gain")
        (x,) = own.inputs
        shift = own.option("shift")
        return own.emit(Affine(gain.reshape(-1), np.asarray(shift)), x)

    gain = np.asarray([[2.0, 0.5, -1.0]], np.float32)
    nodes = [node("Scaled", "x g", "y", domain="my.ops", shift=0.25)]
    proto = model(nodes, {"x": (3,)}, constants={"g": gain}, domains=("my.ops",))
    graph = read_model(proto, {"my.ops.Scaled": scaled})
    x = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(run_real(graph, {"x": x})[graph.outputs[0].value], x * gain + 0.25)
    assert "my.ops.Scaled" in refused(proto, None)
    nodes = [node("Scaled", "x g", "y", domain="my.ops", shift=0.25, more=1)]
    proto = model(nodes, {"x": (3,)}, constants={"g": gain}, domains=("my.ops",))
    assert "found:     more" in refused(proto, {"my.ops.Scaled": scaled})
