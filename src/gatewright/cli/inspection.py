"""The table that `gatewright inspect` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from gatewright.base.errors import printable
from gatewright.cli.tables import BAD, GOOD, WORD, columns, row

if TYPE_CHECKING:
    from gatewright.flow.inspect import Inspection, LayerView


def inspection(found: Inspection) -> list[RenderableType]:
    """Return the layers as a table, then each problem with what to do, then the verdict."""
    by = f", {found.framework}" if found.framework else ""
    table = columns(f"{found.source}{by}", ("layer", "class", "shape", "formats", "becomes"))
    for view in (*found.inputs, *found.layers, *found.outputs):
        row(table, view.name, view.kind, _shape(view), view.formats, _becomes(view, found))
    return [table, *_problems(found), _verdict(found)]


def _shape(view: LayerView) -> str:
    return "" if view.shape is None else "x".join(map(str, view.shape)) or "scalar"


def _becomes(view: LayerView, found: Inspection) -> Text:
    """Return the operations, or what is wrong in short."""
    if view.problems:
        return Text(printable(view.problems[0]["what"], 200), BAD)
    if view.becomes:
        return Text(printable(" + ".join(view.becomes), 200))
    if view in found.inputs or view in found.outputs:
        return Text("")
    # Where another layer failed, what follows it was not built; else the layer does nothing.
    return Text(
        "no operation: constants, or its input as it is" if found.supported else "not reached", WORD
    )


def _problems(found: Inspection) -> Iterator[RenderableType]:
    """Return each problem once: the places, what was found, what is supported, what to do."""
    problems = [p for view in found.layers for p in view.problems] + list(found.problems)
    places: dict[tuple[str, ...], list[str]] = {}
    for problem in problems:
        key = tuple(problem.get(name, "") for name in ("what", "found", "supported", "remedy"))
        places.setdefault(key, []).append(problem.get("place", ""))
    for (what, *rest), at in places.items():
        yield Text(printable(what, 400), BAD)
        for name, text in (*(("at", place) for place in at),
                           *zip(("found", "supported", "remedy"), rest, strict=True)):  # fmt: skip
            if text:
                yield Text(f"  {name + ':':<11}{printable(text, 600)}")


def _verdict(found: Inspection) -> Text:
    """Say whether the model can be compiled, and what for."""
    count = sum(bool(view.problems) for view in found.layers)
    if not found.supported:
        layers = f"{count} of {len(found.layers)} layers" if count else "the model"
        return Text(f"{layers} cannot be compiled as they are", BAD)
    if found.quantized:
        return Text("every layer is handled; number formats are the model's own", GOOD)
    return Text("every layer is handled; number formats need calibration data (--calibrate)", GOOD)
