"""Float taggers quantized automatically, against the same models at 16 bits everywhere."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import gatewright as gw
from bench.context import Bench
from bench.material import Jets, float_keras, pythia_jets
from bench.record import Row, Target, ratio
from gatewright.datasets import tagger_path
from gatewright.flow import Design
from gatewright.flow.compile import rebuild
from gatewright.flow.options import Options
from gatewright.frontends import read_model
from gatewright.ir import Graph, Input, Node, run_real
from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import Dense, Quantize, Relu
from gatewright.passes.graph.fold_affine import fold_affine
from gatewright.passes.netlist import total_resources
from gatewright.quantize.structure import analyse

TOLERANCE = 0.003
CALIBRATION = 20_000
"""Training jets that the formats are chosen with."""

BITS = 16


def run(bench: Bench) -> list[Row]:
    """Measure a Keras and an ONNX model."""
    training, test = pythia_jets()
    calibration = Jets(training.x[:CALIBRATION], training.y[:CALIBRATION])
    models = {"float Keras MLP": float_keras(), "float ONNX MLP": tagger_path()}
    rows = []
    for name, path in models.items():
        rows += _model(bench, name, path, calibration, test)
    return rows


def _model(bench: Bench, name: str, path: Path, calibration: Jets, test: Jets) -> list[Row]:
    bench.tell(f"quantize the {name}")
    start = time.perf_counter()
    design = gw.compile(path, calibration=calibration.x, labels=calibration.y, tolerance=TOLERANCE)
    seconds = time.perf_counter() - start
    bench.tell(f"the {name} at {BITS} bits")
    source = read_model(path)
    wide = rebuild(uniform(source, calibration.x), Options.of())
    real = run_real(source, {source.inputs[0].name: test.x})[source.outputs[0].value]
    accuracy = {
        "float": float((real.argmax(1) == test.y).mean()),
        "firmware": _accuracy(design, test),
        "16 bits": _accuracy(wide, test),
    }
    loss = 100 * (accuracy["float"] - accuracy["firmware"])
    small, large = (total_resources(d.netlist).lut for d in (design, wide))
    error = 100 * np.sqrt(accuracy["float"] * (1 - accuracy["float"]) / len(test.y))
    rows = [
        Row(
            f"{name}: accuracy lost by automatic quantization",
            f"{loss:+.2f} points: {accuracy['float']:.2%} float, {accuracy['firmware']:.2%} "
            f"firmware",
            Target("at most 0.3 points", most=0.3), loss,
            note=f"{len(test.y):,} test jets (one standard deviation of an accuracy: {error:.2f} "
            f"points); formats chosen on {CALIBRATION:,} training jets with a tolerance of "
            f"{TOLERANCE * 100:g} points, in {seconds:.0f} s",
            facts={"accuracy": accuracy, "seconds": seconds, "timings": design.timings},
        ),
        Row(
            f"{name}: estimated LUTs against {BITS} bits everywhere",
            f"{small:,.0f} against {large:,.0f}",
            Target("fewer", most=np.nextafter(1.0, 0)), small / large,
            ratio=ratio(small, large, f"{BITS} bits"),
            note=f"both estimated by Gatewright from its own netlists; at {BITS} bits the accuracy "
            f"is {accuracy['16 bits']:.2%}. Each weight and activation there has {BITS} bits, the "
            f"binary points fitted to each layer and to each input",
            facts={"automatic": small, "uniform": large},
        ),
    ]  # fmt: skip
    if not bench.quick:
        rows.append(_synthesised(bench, name, design, large))
    return rows


def _accuracy(design: Design, test: Jets) -> float:
    answers = np.asarray(design.predict(test.x))
    return float((answers.argmax(1) == test.y).mean())


def _synthesised(bench: Bench, name: str, design: Design, large: float) -> Row:
    bench.tell(f"synthesise the {name}")
    found = design.synthesize(flow="fast")
    lut = found.total.lut_sites
    return Row(
        f"{name}: LUTs synthesised",
        f"{lut:,} LUT, {found.total.ff:,} FF, {design.latency} cycles at 200 MHz",
        note=f"Yosys, synth_xilinx {found.family}, no DSP, flow `fast` (abc instead of abc9); the "
        f"{BITS}-bit network takes too long to synthesise here, so only its estimate "
        f"({large:,.0f}) stands beside it",
        facts={"lut": lut, "ff": found.total.ff, "flow": found.flow, "cached": found.cached},
    )


def uniform(source: Graph, x: np.ndarray, bits: int = BITS) -> Graph:
    """Return the model with `bits` bits in every weight, bias and activation.

    Binary points are as fine as the largest magnitude in the calibration data allows: one for each
    layer's weights, biases and activations; one for each input and its row of weights, because the
    inputs are observables of very different size.
    """
    graph = analyse(fold_affine(source)).graph
    (start,) = graph.inputs
    values = run_real(graph, {start.name: x})
    readers = graph.readers()
    nodes: list[Node] = []
    renamed: dict[str, str] = {}
    points = np.broadcast_to(point(np.abs(x).max(0), bits), start.shape)
    for node in graph.nodes:
        inputs = tuple(renamed.get(name, name) for name in node.inputs)
        op = node.op
        if isinstance(op, Dense):
            rows = np.abs(op.weight).max(1, keepdims=True)
            if start.name not in node.inputs:
                rows = np.broadcast_to(rows.max(), rows.shape)
            bias = on_grid(op.bias, point(np.abs(op.bias).max(), bits), bits)
            op = Dense(on_grid(op.weight, point(rows, bits), bits), bias)
        nodes.append(Node(node.name, op, inputs, node.layer))
        if isinstance(op, Relu) or not any(isinstance(r.op, Relu) for r in readers[node.name]):
            frac = point(np.abs(values[node.name]).max(), bits)
            cut = Quantize.to(True, bits, frac, Rounding.RND, Overflow.SAT)
            renamed[node.name] = f"{node.name}_cut"
            nodes.append(Node(f"{node.name}_cut", cut, (node.name,), node.layer))
    encode = Quantize.to(True, bits, points, Rounding.RND, Overflow.SAT)
    kind = Intervals.of(encode.format.lo, encode.format.hi, encode.format.frac)
    kind = kind.map(lambda v: np.broadcast_to(v, start.shape).copy())
    outputs = tuple(replace(o, value=renamed.get(o.value, o.value)) for o in graph.outputs)
    fed = Input(start.name, start.shape, kind, (*start.encode, encode))
    return replace(graph, inputs=(fed,), nodes=tuple(nodes), outputs=outputs)


def point(largest: np.ndarray, bits: int) -> np.ndarray:
    """Return the finest binary point at which a signed number of so many bits holds a magnitude."""
    top = np.ceil(np.log2(np.maximum(largest, 2.0**-30) * (1 + 2.0 ** (1 - bits))))
    return (bits - 1 - top).astype(np.int64)


def on_grid(values: np.ndarray, frac: np.ndarray, bits: int) -> np.ndarray:
    """Round to nearest, within signed integers of so many bits."""
    edge = 1 << (bits - 1)
    units = np.ldexp(1.0, frac.astype(np.int32))
    return np.asarray(np.clip(np.rint(values * units), -edge, edge - 1) / units)
