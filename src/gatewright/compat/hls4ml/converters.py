"""hls4ml's converters: a model and a configuration in, an object to compile out."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.arch import DEVICES
from gatewright.base import OptionError
from gatewright.compat.hls4ml.apply import apply
from gatewright.compat.hls4ml.config import FOLDED_STRATEGIES, Config, read_config
from gatewright.compat.hls4ml.model import HlsModel
from gatewright.compat.hls4ml.parts import Part, parts_of
from gatewright.frontends import list_layers, read_model
from gatewright.frontends.compare import compare_with_source
from gatewright.ir import Graph, infer
from gatewright.ops import Dense, GroupedDense
from gatewright.passes.graph import host_input, streamline

BACKENDS = ("Vivado", "Vitis", "VivadoAccelerator")
"""Backends whose parts we know; RTL is written for the part, whichever is named."""

IO_TYPES = ("io_parallel", "io_stream")

PART = "xcvu13p-flga2577-2-e"
CLOCK_PERIOD = 5.0
CHECKED = 64
"""Random samples on which an import is compared with its framework."""


def convert_from_keras_model(
    model: Any,
    output_dir: str = "my-hls-test",
    project_name: str = "myproject",
    input_data_tb: Any = None,
    output_data_tb: Any = None,
    backend: str = "Vivado",
    bit_exact: bool | None = None,
    hls_config: Mapping[str, Any] | None = None,
    **options: Any,
) -> HlsModel:
    """Return a Keras, QKeras or HGQ2 model with the formats of a configuration.

    Args:
        model: a live model, or the path of a file.
        output_dir: where `write` and `build` put the design.
        project_name: name of the top module.
        input_data_tb: must be None; golden vectors are made by `write`.
        output_data_tb: likewise.
        backend: `Vivado`, `Vitis` or `VivadoAccelerator`; the part decides.
        bit_exact: accepted: what is built is always bit-exact.
        hls_config: from `config_from_keras_model`; None takes fixed<16,6> for everything.
        options: `part`, `clock_period` (ns), `clock_uncertainty` (a share or `27%`),
            `io_type` (`io_parallel`, or `io_stream`: AXI4-Stream ports, pixels and steps one by
            one, an event every as many cycles as the layer with most rows takes at `ReuseFactor`
            cycles a row).

    Raises:
        OptionError, ManyErrors: something asked for cannot be honoured.
        GatewrightError: the model is not handled.
    """
    refused = {"input_data_tb": input_data_tb, "output_data_tb": output_data_tb}
    return _convert(model, output_dir, project_name, backend, hls_config, {**refused, **options})


convert_from_onnx_model = convert_from_keras_model


def convert_from_pytorch_model(
    model: Any,
    output_dir: str = "my-hls-test",
    project_name: str = "myproject",
    input_data_tb: Any = None,
    output_data_tb: Any = None,
    backend: str = "Vivado",
    hls_config: Mapping[str, Any] | None = None,
    **options: Any,
) -> HlsModel:
    """Return a PyTorch module with the formats of a configuration.

    The other arguments are those of `convert_from_keras_model`; the shape of the input comes with
    the configuration, from `config_from_pytorch_model(model, input_shape)`.
    """
    refused = {"input_data_tb": input_data_tb, "output_data_tb": output_data_tb}
    return _convert(model, output_dir, project_name, backend, hls_config, {**refused, **options})


def convert_from_config(config: Mapping[str, Any]) -> HlsModel:
    """Return a model from one dictionary: `KerasModel`, `OutputDir`, `HLSConfig` and the like.

    Raises:
        OptionError: a key is not known, or there is no model.
    """
    names = {
        "OutputDir": "output_dir", "ProjectName": "project_name", "Backend": "backend",
        "HLSConfig": "hls_config", "Part": "part", "ClockPeriod": "clock_period",
        "ClockUncertainty": "clock_uncertainty", "IOType": "io_type",
    }  # fmt: skip
    sources = ("KerasModel", "KerasH5", "OnnxModel", "PytorchModel")
    models = [config[key] for key in sources if key in config]
    unknown = sorted(set(config) - set(names) - set(sources))
    if len(models) != 1 or unknown:
        raise OptionError(
            "the configuration cannot be read",
            found=", ".join(unknown) or f"{len(models)} models",
            supported=", ".join([*sources, *names]),
        )
    given = {names[key]: value for key, value in config.items() if key in names}
    return convert_from_keras_model(models[0], **given)


def _convert(
    model: Any,
    output_dir: str,
    project_name: str,
    backend: str,
    hls_config: Mapping[str, Any] | None,
    options: dict[str, Any],
) -> HlsModel:
    if backend not in BACKENDS:
        raise OptionError(
            "the backend is not honoured", found=backend, supported=", ".join(BACKENDS),
            remedy="leave it out: RTL is written for the part",
        )  # fmt: skip
    asked = _options(options)
    shape = (hls_config or {}).get("InputShape")
    graph = read_model(model, inputs=shape)
    _check_import(model, graph)
    graph = streamline(graph)
    parts = parts_of(graph, list_layers(model, shape))
    given = hls_config or {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1}}
    config = read_config(given, parts)
    reuse = _reuse(config, parts)
    applied = apply(graph, parts, config)
    built = {**asked, "name": project_name}
    if built.pop("io_type") == "io_stream":
        built |= {"ports": "axi-stream", "ii": interval(applied.graph, reuse or 1)}
    else:
        built["reuse"] = reuse
    return HlsModel(host_input(applied.graph), applied.traced, given, Path(output_dir), built)


def _check_import(model: Any, graph: Any) -> None:
    """Compare what was read with the framework's own answers, where it is installed."""
    rng = np.random.default_rng(0)
    compare_with_source(
        model, graph, {i.name: rng.normal(size=(CHECKED, *i.shape)) for i in graph.inputs}
    )


def _options(options: dict[str, Any]) -> dict[str, Any]:
    """Return clock and device of hls4ml's options.

    Raises:
        OptionError: one is not known, or cannot be honoured.
    """
    options = {key: value for key, value in options.items() if value is not None}
    io_type = options.pop("io_type", "io_parallel")
    part = str(options.pop("part", PART)).lower()
    period = float(options.pop("clock_period", CLOCK_PERIOD))
    margin = str(options.pop("clock_uncertainty", "0")).strip()
    if io_type not in IO_TYPES:
        raise OptionError(
            "the I/O type is not known", found=io_type, supported=", ".join(IO_TYPES),
            remedy="io_parallel: every input arrives in one cycle; io_stream: pixel by pixel",
        )  # fmt: skip
    if options:
        raise OptionError(
            "an option of the converter cannot be honoured",
            found=", ".join(f"{key}={value!r}"[:80] for key, value in options.items()),
            supported="part, clock_period, clock_uncertainty, io_type",
            remedy="remove it; docs/guides/moving-from-hls4ml.md says what takes its place",
        )
    share = float(margin.rstrip("%")) / (100 if margin.endswith("%") else 1)
    device = next((d for d in DEVICES if part.startswith(d.name) or part == d.part.lower()), None)
    if device is None or not 0 <= share < 1:
        raise OptionError(
            "the part or the clock uncertainty cannot be honoured",
            found=f"{part}, {margin}",
            supported=f"{', '.join(d.name for d in DEVICES)}; 0 to 100 %",
        )
    clock = f"{period * (1 - share):.6g} ns"
    return {"device": device.name, "clock": clock, "io_type": io_type}


def interval(graph: Graph, reuse: int) -> int:
    """Return the cycles between events that `io_stream` asks for.

    A pixel or step of an input comes in a cycle, and a row of a layer takes `reuse` cycles: so the
    layer with most rows decides, as in hls4ml's dataflow. Steps of a recurrent layer are rows.
    """
    types = infer(graph)
    rows: dict[tuple[str, bytes], int] = {}
    for node in graph.nodes:
        if isinstance(node.op, Dense | GroupedDense):
            slab = 1 if isinstance(node.op, Dense) else 2
            key = node.layer or node.name, node.op.weight.tobytes()
            rows[key] = rows.get(key, 0) + prod(types[node.name].shape[:-slab])
    coming = max((prod(i.shape[:-1]) for i in graph.inputs), default=1)
    return max(coming, reuse * max(rows.values(), default=1))


def _reuse(config: Config, parts: list[Part]) -> int | None:
    """Return the one reuse factor of all layers.

    Raises:
        OptionError: layers ask for different ones, or a strategy contradicts it.
    """
    factors: dict[int, str] = {}
    for part in parts:
        if "weight" not in part.roles:
            continue
        wanted = config.of(part)
        factor = wanted.reuse or 1
        strategy = wanted.strategy or "latency"
        if factor > 1 and strategy in ("distributed_arithmetic", "da", "unrolled"):
            raise OptionError(
                "a strategy contradicts the reuse factor",
                found=f"{part.name!r}: {strategy} with {factor}",
                supported=f"1, or the strategies {', '.join(FOLDED_STRATEGIES)}",
            )
        factors.setdefault(factor, part.name)
    if len(factors) > 1:
        raise OptionError(
            "layers ask for different reuse factors",
            found=", ".join(f"{name!r}: {factor}" for factor, name in factors.items()),
            supported="one factor; a layer with fewer products folds as far as it goes",
            remedy="set ['Model']['ReuseFactor'] alone",
        )
    return next(iter(factors), None)
