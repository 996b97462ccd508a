"""What a user gives beside the model: samples, labels, a format for the input."""

from __future__ import annotations

from dataclasses import replace

from numpy.typing import ArrayLike

from gatewright.base import DataError, OptionError, Place
from gatewright.flow.host import as_labels
from gatewright.ir import Graph, Input, Reals
from gatewright.num import Fixed, Intervals, Ints, Overflow, Rounding
from gatewright.ops import Quantize, ScaledQuantize
from gatewright.passes.graph import host_input, streamline


def check_data(data: dict[str, Reals] | None, labels: ArrayLike | None) -> Ints | None:
    """Refuse calibration data without samples, and labels that do not belong to them."""
    if data is None:
        if labels is not None:
            raise DataError(
                "labels were given without calibration data",
                remedy="give the inputs that they belong to",
            )
        return None
    samples = len(next(iter(data.values())))
    if samples == 0:
        raise DataError("the calibration data hold no sample", supported="1 or more")
    return None if labels is None else as_labels(labels, samples)


def check_input_format(source: Graph, given: str) -> None:
    """Refuse a format for inputs that the model quantizes itself."""
    scaled = any(isinstance(node.op, ScaledQuantize) for node in source.nodes)
    typed = host_input(streamline(source) if scaled else source)
    own = [i.name for i in typed.inputs if i.type is not None]
    if own:
        raise OptionError(
            "an input format was given for an input that the model quantizes itself",
            place=Place(source.source, own[0]),
            found=given,
            supported="models that take real numbers as they are",
            remedy="leave the input format out",
        )


def with_input_format(graph: Graph, fmt: Fixed) -> Graph:
    """Quantize the inputs that take real numbers, on the host, to a format that the user gave."""
    op = Quantize.to_format(fmt, Rounding.RND, Overflow.SAT)
    inputs: list[Input] = []
    for i in graph.inputs:
        if i.type is None:
            i = replace(i, type=Intervals.format(fmt, i.shape), encode=(*i.encode, op))
        inputs.append(i)
    return replace(graph, inputs=tuple(inputs))
