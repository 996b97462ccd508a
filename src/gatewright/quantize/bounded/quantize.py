"""Quantize a model of scalar operations for a requested output error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import FormatError, OptionError, Place
from gatewright.ir import Graph, Input, Reals, describe, infer
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Quantize
from gatewright.quantize.bounded.build import Builder
from gatewright.quantize.bounded.choose import choose
from gatewright.quantize.bounded.errors import Model
from gatewright.quantize.bounded.ranges import Ranges, require_known
from gatewright.quantize.bounded.text import text_of

InputFormats = str | Mapping[str, str]
"""One format for all inputs, or one for each by the name of the input or of its column."""


@dataclass(frozen=True, eq=False)
class Term:
    """What was chosen for a value.

    Attributes:
        name: of the value.
        layer: the output that it belongs to.
        text: as an expression.
        low, high: what the real model reaches.
        error: largest distance of the firmware, derived.
        format: in the firmware.
    """

    name: str
    layer: str
    text: str
    low: float
    high: float
    error: float
    format: str


@dataclass(frozen=True, eq=False)
class Bounded:
    """A graph on integers, and how far it can be from the real model.

    Attributes:
        graph: computes on integers.
        max_error: what was asked for.
        derived: the bound of each output, for every input that the formats can hold.
        terms: a line for each value.
        cost: estimated LUTs.
    """

    graph: Graph
    max_error: float
    derived: Mapping[str, float]
    terms: tuple[Term, ...]
    cost: float


def quantize_bounded(
    graph: Graph,
    max_error: float,
    input_format: InputFormats | None,
    data: Mapping[str, Reals] | None = None,
    columns: Mapping[str, tuple[str, int]] | None = None,
) -> Bounded:
    """Choose number formats so that every output is within `max_error` of the real model.

    The inputs are what the host's encoding gives: how it rounds a user's numbers is no error of
    the firmware. The bound is derived, and holds for all of them.

    Args:
        graph: scalar operations on real numbers.
        max_error: largest distance of an output, above 0.
        input_format: of the inputs.
        data: samples by input name; their ranges are then the inputs' ranges.
        columns: input and element by the name that expressions give it.

    Raises:
        OptionError: the error or a format is impossible, or no formats lead to the error.
        UnsupportedError: an operation's error cannot be bounded, or a term reaches a pole.
    """
    check_max_error(max_error)
    require_known(graph)
    inputs = tuple(
        _input(graph, i, input_format, None if data is None else data[i.name], columns or {})
        for i in graph.inputs
    )
    ends = {i.name: (i.type.low_value, i.type.high_value) for i in inputs if i.type is not None}
    ranges = Ranges(graph, ends)
    points = {i.name: int(i.type.frac.max()) for i in inputs if i.type is not None}
    model = Model(graph, ranges, points)
    chosen = choose(model, float(max_error))
    built = Builder(model, chosen, inputs)
    try:
        found = built.run()
    except FormatError as error:
        error.remedy = "ask for a larger output error, or give narrower ranges of the inputs"
        error.args = (error.text(),)
        raise
    types = infer(found)
    terms = tuple(
        Term(
            name, "" if node is None else node.layer, text_of(graph, name), float(v.lo.min()),
            float(v.hi.max()), float(v.error.max()), describe(types[built.now[name]]),
        )
        for name, v in built.values.items()
        for node in (model.nodes.get(name),)
    )  # fmt: skip
    derived = {o.name: float(built.values[o.value].bound.max()) for o in graph.outputs}
    return Bounded(found, float(max_error), derived, terms, built.luts)


def check_max_error(max_error: float) -> None:
    """Refuse an output error that is no positive number.

    Raises:
        OptionError: it is none.
    """
    real = isinstance(max_error, int | float | np.number) and not isinstance(max_error, bool)
    if not real or not 0 < max_error < math.inf:
        raise OptionError(
            "the output error is impossible",
            found=repr(max_error),
            supported="a number above 0, in the outputs' own unit",
        )


def _input(
    graph: Graph,
    i: Input,
    given: InputFormats | None,
    data: Reals | None,
    columns: Mapping[str, tuple[str, int]],
) -> Input:
    """Return an input with its type: every number of its formats, or those in the data's range."""
    formats = [_format(graph, i, k, given, columns) for k in range(i.shape[0])]
    op = Quantize.to(
        [f.signed for f in formats], [f.width for f in formats], [f.frac for f in formats],
        Rounding.RND, Overflow.SAT,
    )  # fmt: skip
    if len(set(formats)) == 1:
        op = Quantize.to_format(formats[0], Rounding.RND, Overflow.SAT)
    kind = Intervals.of(
        [f.low for f in formats], [f.high for f in formats], [f.frac for f in formats]
    )
    if data is None:
        return replace(i, type=kind, encode=(*i.encode, op))
    codes = np.rint(np.ldexp(op.real(data), kind.frac.astype(np.int32))).astype(np.int64)
    codes = codes.reshape(len(data), -1)
    kind = Intervals.of(codes.min(0), codes.max(0), kind.frac)  # the host refuses what is outside
    return replace(i, type=kind, encode=(*i.encode, op))


def _format(
    graph: Graph,
    i: Input,
    element: int,
    given: InputFormats | None,
    columns: Mapping[str, tuple[str, int]],
) -> Fixed:
    if isinstance(given, str):
        return Fixed.parse(given)
    names = [name for name, place in columns.items() if place in ((i.name, element), (i.name, -1))]
    for name in (*names, f"{i.name}[{element}]", i.name):
        if given is not None and name in given:
            return Fixed.parse(given[name])
    raise OptionError(
        "an input has no number format",
        place=Place(graph.source, names[0] if names else f"{i.name}[{element}]"),
        supported="input_format='fixed<12,4>' for all, or {'x0': 'fixed<12,4>', ...}",
        remedy="give a format: the error is derived for every number that it holds",
    )
