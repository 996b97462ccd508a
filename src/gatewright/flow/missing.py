"""Missing values: the code word that stands for them in a firmware's input, which has no NaN."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatewright.base import OptionError, Place
from gatewright.ir import Graph, Reals
from gatewright.ops import FillMissing, Forest

LEARNED = "go where training sent them"
"""What a frontend's facts say of `missing values` where the model takes them."""


def with_missing(source: Graph, code: float | None) -> Graph:
    """Return a graph whose forests take a number for a missing one, which the host puts for NaN.

    Args:
        source: as imported.
        code: the number, for features that have none of their own; None: there is no other.

    Raises:
        OptionError: it is no number, or the model knows of no missing values.
    """
    if code is not None and not _is_number(code):
        raise OptionError(
            "the code word of missing values is not a finite number",
            found=repr(code) if isinstance(code, str) else code,
            supported="a number that the inputs do not hold otherwise, such as -999",
        )
    readers = source.readers()
    inputs = []
    replaced: dict[str, Forest] = {}
    for i in source.inputs:
        forests = [node for node in readers[i.name] if isinstance(node.op, Forest)]
        codes: Reals | None = None
        for node in forests:
            assert isinstance(node.op, Forest)
            forest = node.op
            if code is not None and source.facts.get("missing values", LEARNED) == LEARNED:
                missing = np.where(forest.has_missing, forest.missing, float(code))
                forest = replace(
                    forest, missing=missing, has_missing=np.ones(len(missing), np.bool_)
                )
                replaced[node.name] = forest
            if forest.has_missing.any():
                codes = np.where(forest.has_missing, forest.missing, np.nan)
        if codes is not None and len(forests) == len(readers[i.name]):
            i = replace(i, encode=(*i.encode, FillMissing(codes)))
        inputs.append(i)
    if code is not None and not replaced:
        raise OptionError(
            "a code word was given for missing values, of which the model knows nothing",
            place=Place(source.source),
            found=code,
            supported="forests of libraries that send missing values somewhere, right behind an "
            "input",
            remedy="leave it out, and fill in what is missing before",
        )
    nodes = tuple(replace(n, op=replaced.get(n.name, n.op)) for n in source.nodes)
    return replace(source, inputs=tuple(inputs), nodes=nodes)


def _is_number(code: object) -> bool:
    """Say whether something is a finite number of float64."""
    if isinstance(code, bool | np.bool_) or not isinstance(
        code, int | float | np.integer | np.floating
    ):
        return False
    try:
        return bool(np.isfinite(float(code)))
    except OverflowError:
        return False


def settle_missing(graph: Graph) -> Graph:
    """Keep other numbers off the code word; refuse one that the firmware cannot receive.

    Raises:
        OptionError: it is off the grid of an input's format, or out of its range.
    """
    inputs = []
    for i in graph.inputs:
        fill = next((op for op in i.encode if isinstance(op, FillMissing)), None)
        if fill is None or i.type is None:
            inputs.append(i)
            continue
        codes = np.broadcast_to(fill.codes, i.shape)
        q = np.ldexp(codes, i.type.frac.astype(np.int32))
        known = ~np.isnan(codes)
        bad = known & ((q != np.rint(q)) | (q < i.type.lo) | (q > i.type.hi))
        if bad.any():
            at = tuple(int(v) for v in np.argwhere(bad)[0])
            raise OptionError(
                "the code word of missing values is not one of the firmware's input numbers",
                place=Place(graph.source, i.name),
                found=f"{codes[at]:g}, of feature {at[0]} in {i.type.fixed(*at)} with values "
                f"{i.type.low_value[at]:g} to {i.type.high_value[at]:g}",
                supported="a number that the input's format holds",
                remedy="give calibration data with missing values in them, a code word next to "
                "what the inputs hold, or an input format",
            )
        step = np.ldexp(1.0, -i.type.frac.astype(np.int32))
        end = np.where(known, 1.0 * (q == i.type.lo) - (q == i.type.hi), 0.0)
        settled = replace(fill, step=step, end=end)
        encode = tuple(settled if op is fill else op for op in i.encode)
        inputs.append(replace(i, encode=encode))
    return replace(graph, inputs=tuple(inputs))
