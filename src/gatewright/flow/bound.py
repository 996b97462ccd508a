"""A requested output error: formats for it, what the report says of it, and its measurement."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright.base import OptionError, Place, VerificationError
from gatewright.flow.host import decode
from gatewright.ir import Graph, Reals, evaluate, run_real
from gatewright.num import FixedArray
from gatewright.ops.serialize import dump, load
from gatewright.quantize import Formats
from gatewright.quantize.bounded import Bounded, quantize_bounded
from gatewright.quantize.bounded.text import text_of

TRIED, SHOWN = 2000, 500
"""Random inputs whose errors are found for the report, and those of them that it draws."""

if TYPE_CHECKING:
    from gatewright.flow.verify import Check


def check_alone(**given: Any) -> None:
    """Refuse options that choose formats in another way.

    Raises:
        OptionError: one was given.
    """
    others = [name for name, value in given.items() if value is not None and value != Formats()]
    if others:
        names = ["granularity, weight_bits or activation_bits" if n == "grain" else n
                 for n in others]  # fmt: skip
        raise OptionError(
            "max_error was given with options that choose formats by measuring",
            found=f"max_error and {', '.join(names)}",
            supported="max_error with input_format, and calibration data for the inputs' ranges",
            remedy="leave one of the two out",
        )


def one_format(given: str | Mapping[str, str] | None) -> str | None:
    """Return the format of all inputs.

    Raises:
        OptionError: several were given.
    """
    if given is None or isinstance(given, str):
        return given
    raise OptionError(
        "formats by the names of inputs were given without max_error",
        found=dict(given),
        supported="one format for all inputs",
        remedy="give max_error too, or one format",
    )


def bounded(
    source: Graph,
    max_error: float,
    input_format: str | Mapping[str, str] | None,
    data: Mapping[str, Reals] | None,
) -> Bounded:
    """Quantize expressions for an output error, their columns known by name.

    Raises:
        OptionError: a format was given for a name that is no input, or none for one.
    """
    columns = _columns(source)
    if input_format is not None and not isinstance(input_format, str):
        known = {*columns, *(i.name for i in source.inputs)}
        unknown = sorted(set(input_format) - known)
        if unknown:
            raise OptionError(
                "a format was given for an input that is not there",
                place=Place(source.source),
                found=", ".join(unknown),
                supported=", ".join(sorted(known)),
            )
    return quantize_bounded(source, max_error, input_format, data, columns)


def _columns(source: Graph) -> dict[str, tuple[str, int]]:
    """Return input and element of each variable; those that nothing uses have no name."""
    places: dict[str, tuple[str, int]] = {i.name: (i.name, -1) for i in source.inputs}
    for node in source.nodes:
        if node.op.kind == "slice" and node.inputs[0] in places:
            (name,) = node.inputs
            size = next(i.shape[0] for i in source.inputs if i.name == name)
            place = node.op.real(np.arange(size, dtype=np.float64)[None]).ravel()
            if len(place) == 1:
                places[node.name] = (name, int(place[0]))
    return places


def _tried(source: Graph, found: Bounded) -> dict[str, dict[str, Any]]:
    """Return the errors of the outputs on random inputs, against the real expression in float64."""
    rng, vectors = np.random.default_rng(0), {}
    for i in found.graph.inputs:
        assert i.type is not None
        q = rng.integers(i.type.lo, i.type.hi, (TRIED, *i.type.shape), endpoint=True)
        vectors[i.name] = FixedArray(q, i.type.frac)
    values = evaluate(found.graph, vectors)
    truth = run_real(source, {name: codes.value for name, codes in vectors.items()})
    tried = {}
    for o, original in zip(found.graph.outputs, source.outputs, strict=True):
        real = truth[original.value].ravel()
        error = decode(o, values[o.value]).ravel() - real
        tried[o.name] = {
            "inputs": TRIED,
            "worst": float(np.abs(error).max()),
            "real": [float(f"{v:.5g}") for v in real[:SHOWN]],
            "error": [float(f"{v:.5g}") for v in error[:SHOWN]],
        }
    return tried


def bounded_facts(source: Graph, found: Bounded) -> dict[str, Any]:
    """Return what the report says of the quantization."""
    worst = max(found.derived.values())
    return {
        "max_error": found.max_error,
        "derived": dict(found.derived),
        "tried": _tried(source, found),
        "expressions": {
            o.name: source.facts.get(f"expression {o.name}", text_of(source, o.value))
            for o in source.outputs
        },
        "terms": [asdict(term) for term in found.terms],
        "cost": found.cost,
        "choices": [],
        "data": ["none: the bound is derived for every input that the formats hold"],
        "notes": [
            f"every output is within {found.max_error:g} of the real expression, by a bound that "
            f"is derived operation by operation: {worst:.3g}"
        ],
    }


def as_bound(source: Graph, found: Bounded) -> dict[str, Any]:
    """Return what verification needs: the bounds, and the real model, as plain data."""
    structure, arrays = dump(source)
    plain = {name: array.tolist() for name, array in arrays.items()}
    return {
        "max_error": found.max_error,
        "derived": dict(found.derived),
        "structure": structure,
        "arrays": plain,
    }


def check_bound(bound: Mapping[str, Any], graph: Graph, vectors: Mapping[str, FixedArray]) -> Check:
    """Measure the distance of the integer reference from the real model on all inputs tried.

    Raises:
        VerificationError: it is larger than the bound.
    """
    from gatewright.flow.verify import Check

    start = time.perf_counter()
    source = load(bound["structure"], {n: np.asarray(a) for n, a in bound["arrays"].items()})
    values = evaluate(graph, vectors)
    truth = run_real(source, {name: codes.value for name, codes in vectors.items()})
    count = len(next(iter(vectors.values())).q)
    parts = []
    for o, original in zip(graph.outputs, source.outputs, strict=True):
        error = np.abs(decode(o, values[o.value]) - truth[original.value])
        worst, most = float(error.max(initial=0)), float(bound["derived"][o.name])
        if not worst <= most:
            raise VerificationError(
                "an output is farther from the real expression than its derived bound",
                place=Place(graph.source, o.name),
                found=f"{worst:.6g}, at sample {int(error.reshape(count, -1).max(1).argmax())}",
                supported=f"at most {most:.6g}",
                remedy="this is a defect of Gatewright: please report the expression",
            )
        parts.append(f"{o.name}: worst {worst:.3g} of {most:.3g} derived")
    detail = f"{', '.join(parts)}; {bound['max_error']:g} asked for"
    seconds = time.perf_counter() - start
    return Check("output error", "real expression in float64", count, "within", detail, seconds)
