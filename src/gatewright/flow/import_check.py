"""Hold an imported model against its source, and measure what it does on the user's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright.base import DataError, VerificationError
from gatewright.flow.host import decode, encode
from gatewright.flow.streams.reference import evaluate_outputs
from gatewright.frontends.compare import SourceCheck, compare_with_source
from gatewright.ir import Graph, Reals, evaluate, infer, run_real
from gatewright.num import FixedArray, Ints
from gatewright.ops import Function, Quantize, ScaledQuantize
from gatewright.quantize import Quantized
from gatewright.quantize.bounded import Bounded

if TYPE_CHECKING:
    from gatewright.flow.design import Design

SOURCE_SAMPLES = 128
"""Calibration samples, and as many random ones, that the source model itself is run on."""

REPLAY_SAMPLES = 500
"""Random samples for the comparison after import where no calibration data are given."""

CHECKED_NUMBERS, LEAST_SAMPLES = 1 << 23, 8
"""Values that a comparison after import computes: a large image, whose many positions are computed
alike, takes fewer samples, but no fewer than the least."""


def samples_for(graph: Graph, most: int) -> int:
    """Return how many samples of a model are compared, of `most` that could be."""
    each = sum(kind.size for kind in infer(graph).values())
    return min(most, max(CHECKED_NUMBERS // max(each, 1), LEAST_SAMPLES))


def random_reals(graph: Graph, count: int, seed: int = 0) -> dict[str, Reals]:
    """Return random real inputs that spread over what the firmware can receive."""
    rng = np.random.default_rng(seed)
    result = {}
    for i in graph.inputs:
        assert i.type is not None
        low, high = i.type.low_value, i.type.high_value
        x = rng.uniform(low, np.maximum(high, low), (count, *i.shape))
        for op in i.encode:
            if isinstance(op, ScaledQuantize):
                x = (x - op.zero_point) * op.scale
        if not i.encode:
            step = np.ldexp(1.0, -i.type.frac.astype(np.int32))
            x = np.clip(np.rint(x / step) * step, low, high)
        result[i.name] = x
    return result


def against_source(
    model: Any, source: Graph, graph: Graph, data: dict[str, Reals] | None
) -> tuple[SourceCheck, ...]:
    """Run the source model on calibration and random input, where its framework is installed."""
    count = samples_for(graph, SOURCE_SAMPLES)
    inputs = random_reals(graph, count)
    if data is not None:
        inputs = {name: np.concatenate([data[name][:count], x]) for name, x in inputs.items()}
    return compare_with_source(model, source, inputs)


def replay(
    source: Graph,
    graph: Graph,
    data: dict[str, Reals] | None,
    quantized: Quantized | Bounded | None,
) -> dict[str, Any]:
    """Compare the integer graph with a float64 replay of the model's own rules.

    Only for a model that brought its quantizers: there both must give the same numbers, on
    calibration and on random input. What a quantization of ours loses is measured instead.
    """
    if quantized is not None:
        return {
            "method": "not applicable: a float model was quantized, see its loss",
            "vectors": 0,
            "status": "not run",
        }
    tables, touched = _behind_tables(graph)
    if all(o.value in touched for o in graph.outputs):
        return {
            "method": f"not applicable: {', '.join(tables)} by tables, with an error of their own",
            "vectors": 0,
            "status": "not run",
        }
    inputs = random_reals(graph, samples_for(graph, REPLAY_SAMPLES))
    if data is not None:
        given = samples_for(graph, len(next(iter(data.values()))))
        inputs = {name: np.concatenate([data[name][:given], x]) for name, x in inputs.items()}
    encoded = encode(graph, inputs)
    exact = evaluate(graph, encoded)
    if graph.inputs[0].encode == () or source.is_fixed:
        inputs = {i.name: encoded[i.name].value for i in graph.inputs}
    replayed = run_real(source, _as_model_sees(source, graph, inputs))
    count = len(next(iter(inputs.values())))
    for o, original in zip(graph.outputs, source.outputs, strict=True):
        if o.value in touched:
            continue
        ours, theirs = decode(o, exact[o.value]), replayed[original.value]
        # Products of scales that are no powers of two are rounded in float64, in another order.
        tolerance = 1e-9 * max(1.0, float(np.abs(theirs).max(initial=0.0)))
        with np.errstate(invalid="ignore"):  # what is no number agrees with nothing
            bad = (ours != theirs) & ~(np.abs(ours - theirs) <= tolerance)
        if bad.any():
            raise VerificationError(
                "the imported model differs from a replay of the source's rules",
                place=source.source,
                found=f"output {o.name}: {int(bad.sum())} of {bad.size} values differ, by up to "
                f"{float(np.abs(ours - theirs).max()):.3g}",
                remedy="this is a defect of Gatewright: please report the model",
            )
    return {
        "method": "integer graph against a float64 replay of the source's rules",
        "vectors": count,
        "status": "equal",
    }


def _behind_tables(graph: Graph) -> tuple[list[str], set[str]]:
    """Return the kinds of operations with an error of their own, and the values it reaches."""
    kinds: set[str] = set()
    touched: set[str] = set()
    for node in graph.nodes:
        if not node.op.exact_real:
            kinds.add(node.op.kind)
        if not node.op.exact_real or touched.intersection(node.inputs):
            touched.add(node.name)
    return sorted(kinds), touched


def _as_model_sees(source: Graph, graph: Graph, inputs: dict[str, Reals]) -> dict[str, Reals]:
    """Return inputs as the source model receives them: quantized already where the user said so."""
    seen = {}
    for i, original in zip(graph.inputs, source.inputs, strict=True):
        x = inputs[i.name]
        quantizes = any(
            i.name in node.inputs
            for node in source.nodes
            if isinstance(node.op, Quantize | ScaledQuantize)
        )
        if original.type is None and not quantizes:
            for op in i.encode:
                x = op.real(x)
        seen[original.name] = x
    return seen


def _are_classes(source: Graph, labels: Ints | None) -> bool:
    """Whether a vector of answers rates classes: not so if each went through a function alone.

    Labels say that they are classes. Without, answers of a sigmoid (tags that may all be true,
    weights of edges) have no largest one that would mean anything.
    """
    if labels is not None:
        return True
    nodes = {node.name: node for node in source.nodes}
    last = nodes.get(source.outputs[0].value)
    while last is not None and (last.op.wiring or isinstance(last.op, Quantize)):
        last = nodes.get(last.inputs[0])
    return last is None or not isinstance(last.op, Function)


def _answers(design: Design, data: dict[str, Reals]) -> dict[str, FixedArray]:
    """Return the firmware's integers for samples on their own."""
    if design.model is design.graph:
        return design.predict_codes(data)
    return evaluate_outputs(design.model, encode(design.model, data))


def metrics(
    source: Graph, design: Design, data: dict[str, Reals], labels: Ints | None
) -> dict[str, Any]:
    """Return how model and firmware do on the calibration data.

    Both begin every sample with the initial state, also where the firmware keeps it.
    """
    model = run_real(source, data)
    first, own = source.outputs[0], design.graph.outputs[0]
    firmware = decode(own, _answers(design, data)[own.name])
    theirs = model[first.value]
    facts: dict[str, Any] = {"samples": len(theirs)}
    if design.model is not design.graph:
        facts["state"] = "each from the initial state"
    scale = float(np.sqrt(np.mean(theirs**2))) or 1.0
    if firmware.shape == theirs.shape:
        facts["relative_error"] = float(np.sqrt(np.mean((firmware - theirs) ** 2)) / scale)
    if theirs.ndim == 2 and theirs.shape[1] > 1 and _are_classes(source, labels):
        ours, original = firmware.argmax(1), theirs.argmax(1)
        facts["same_class"] = float((ours == original).mean())
        if labels is not None:
            if labels.max() >= theirs.shape[1]:
                raise DataError(
                    "a label names no class of the model",
                    found=int(labels.max()),
                    supported=f"0 to {theirs.shape[1] - 1}",
                )
            facts["accuracy_model"] = float((original == labels).mean())
            facts["accuracy_firmware"] = float((ours == labels).mean())
    return facts
