"""Quantize a float model: the public function and its result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from gatewright.base import VerificationError
from gatewright.ir import Graph, Reals, evaluate
from gatewright.num import FixedArray
from gatewright.ops import ScaledQuantize
from gatewright.passes.graph.fold_affine import fold_affine
from gatewright.quantize.checks import check_indices, check_rules
from gatewright.quantize.data import Calibration, Part, constant_elements, outliers, prepare
from gatewright.quantize.forests import ROUNDING, ForestResult, quantize_forest
from gatewright.quantize.formats import Formats
from gatewright.quantize.forward import decode, encode, forward
from gatewright.quantize.joins import shifts
from gatewright.quantize.judge import Judge, best_temperature, check_tolerance
from gatewright.quantize.learn import HELD, learn
from gatewright.quantize.load import Load, chunks, cut
from gatewright.quantize.result import Quantized, choices_of, forest_choices
from gatewright.quantize.search import Candidate, Progress, Search
from gatewright.quantize.structure import Structure, analyse, scale_averages

MOST_LOOKS = 6
"""Models that may be tried on the report's data; where none is within the tolerance, the first is
given, and a note."""


def quantize(
    graph: Graph,
    calibration: ArrayLike | Mapping[str, ArrayLike],
    *,
    labels: ArrayLike | None = None,
    tolerance: float | None = None,
    formats: Formats | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    host_outputs: bool = True,
) -> Quantized:
    """Choose number formats and round constants for the least circuit within a tolerance.

    Args:
        graph: operations on real numbers; what is quantized in it already stays as it is.
        calibration: (samples, *shape) as the firmware will meet them, or that by input name; at
            least 100 samples, some thousands choose better.
        labels: (samples,) classes from 0: then accuracy decides, else the relative output error
            (root mean square, over the outputs' spread).
        tolerance: accuracy that may be lost (default 0.002, that is 0.2 points), or the relative
            output error allowed (default 0.02).
        formats: what the user fixes.
        seed: of the division of the data; the result depends on it and on nothing else.
        progress: told of each model tried.
        host_outputs: leave a softmax or sigmoid that ends the model to the host.

    Raises:
        DataError: calibration or labels do not fit the model, hold NaN, or are too few.
        OptionError: the tolerance is out of range, a format rule meets nothing, or fixed formats
            leave no way to keep within the tolerance.
        UnsupportedError: an operation has no rule for its quantization.
    """
    formats = formats or Formats()
    tolerance = check_tolerance(tolerance, labels is not None)
    # The products here are many and small: threads of the linear algebra library only wait for
    # each other, on a busy machine for minutes.
    with threadpool_limits(1, user_api="blas"):
        return _quantize(
            graph, calibration, labels, tolerance, formats, seed, progress, host_outputs
        )


def _quantize(
    graph: Graph,
    calibration: ArrayLike | Mapping[str, ArrayLike],
    labels: ArrayLike | None,
    tolerance: float,
    formats: Formats,
    seed: int,
    progress: Progress | None,
    host_outputs: bool,
) -> Quantized:
    data = prepare(graph, calibration, labels, seed)
    formats.check_options()
    folded = shifts(fold_affine(scale_averages(graph)))
    structure = analyse(folded, host_outputs, formats.is_shared)
    check_rules(structure, formats)
    check_indices(structure, data)
    judge, final = _judges(structure.graph, data)
    parts, judges = (data.fit, data.choice), (judge, final)
    forest = quantize_forest(structure.graph, parts, judges, tolerance, formats, seed, progress)
    if forest is not None:
        return _of_forest(forest, structure, data, final, tolerance)
    material = learn(structure, data, seed, progress)
    search = Search(structure, material, judge, tolerance, formats, progress)
    best, looks = _confirmed(search, final)
    outputs = integer_outputs(best.built.graph, data.report)
    score = final.compare(outputs)
    notes = [*structure.notes, *_notes(data)]
    if score.loss > tolerance:
        notes.append(f"on the report's data the loss is {score.loss:.4g}, above the tolerance")
    choices = choices_of(structure, best, material)
    return Quantized(
        graph=best.built.graph,
        choices=tuple(choices),
        metric_name=final.name,
        metric_float=final.real,
        metric_fixed=score.metric,
        loss=score.loss,
        tolerance=tolerance,
        cost=sum(choice.cost for choice in choices),
        history=tuple(search.history),
        data=_used(data, looks),
        notes=tuple(notes),
    )


def _used(data: Calibration, looks: int, extremes: bool = True) -> tuple[str, ...]:
    """Return which data were used for what."""
    often = f"the report's data were looked at {looks} times: their loss is slightly favourable"
    told = data.describe(extremes)
    return (*told, often) if looks > 1 else told


def _of_forest(
    found: ForestResult, structure: Structure, data: Calibration, final: Judge, tolerance: float
) -> Quantized:
    """Return what the search for a forest found."""
    score = final.compare(integer_outputs(found.graph, data.report))
    notes = [*structure.notes, *found.notes, *_constant(data)]
    if score.loss > tolerance + ROUNDING:
        notes.append(f"on the report's data the loss is {score.loss:.4g}, above the tolerance")
    return Quantized(
        graph=found.graph,
        choices=forest_choices(found, data.fit),
        metric_name=final.name,
        metric_float=final.real,
        metric_fixed=score.metric,
        loss=score.loss,
        tolerance=tolerance,
        cost=found.cost,
        history=tuple(found.history),
        data=_used(data, found.looks, extremes=False),
        notes=tuple(notes),
    )


def _judges(graph: Graph, data: Calibration) -> tuple[Judge, Judge]:
    """Return the judge that chooses and the one that reports."""
    temperature = 1.0
    if data.fit.labels is not None:
        first = Judge(graph, data.fit)
        temperature = best_temperature(first.scores, data.fit.labels)
    return Judge(graph, data.choice, temperature), Judge(graph, data.report, temperature)


def _confirmed(search: Search, final: Judge) -> tuple[Candidate, int]:
    """Search; where the report's data disagree, go on with lower prices for a while."""
    found = search.run()
    trial = found
    for looks in range(1, MOST_LOOKS + 1):
        if final.score(trial.built.graph).loss <= search.tolerance:
            return trial, looks
        if looks < MOST_LOOKS:
            trial = search.tighter(trial)
    return found, MOST_LOOKS


def integer_outputs(graph: Graph, part: Part) -> dict[str, np.ndarray]:
    """Return decoded outputs, from integers; the floats used so far must have been the same.

    Raises:
        VerificationError: they were not.
    """
    floats = forward(graph, part.inputs)
    if any(isinstance(node.op, ScaledQuantize) for node in graph.nodes):
        return decode(graph, floats)
    load = Load.of(graph)
    steps = list(chunks(part.size, load.total, HELD))
    pieces = [_integers(graph, cut(part.inputs, step)) for step in steps]
    integers = {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}
    for o in graph.outputs:
        if not np.array_equal(integers[o.value], floats[o.value]):
            wrong = int((integers[o.value] != floats[o.value]).sum())
            raise VerificationError(
                "the quantized model gives other numbers on integers than on floats",
                place=graph.source,
                found=f"output {o.name!r} differs in {wrong} values",
            )
    return decode(graph, integers)


def _integers(graph: Graph, inputs: Mapping[str, Reals]) -> dict[str, Reals]:
    """Return the values of the outputs, computed on integers."""
    encoded = {}
    for i in graph.inputs:
        x = encode(graph, inputs)[i.name]
        assert i.type is not None
        q = np.rint(np.ldexp(x, i.type.frac.astype(np.int32))).astype(np.int64)
        encoded[i.name] = FixedArray(q, i.type.frac)
    values = evaluate(graph, encoded)
    return {o.value: values[o.value].value for o in graph.outputs}


def _constant(data: Calibration) -> list[str]:
    """Say which inputs never change."""
    constant = constant_elements(data.fit)
    if not constant:
        return []
    names = _some(constant)
    return [f"never change in the calibration data, so the firmware may ignore them: {names}"]


def _notes(data: Calibration) -> list[str]:
    notes = _constant(data)
    far = outliers((data.fit, data.choice, data.report))
    if far:
        notes.append(
            "a few calibration samples lie far outside of the others and cost bits, as the formats "
            f"take them into account (drop them, or fix the input's format): {_some(far)}"
        )
    return notes


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
