"""`gatewright inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from gatewright.cli.custom import CUSTOM_HELP, load_custom
from gatewright.cli.parameters import Json, Quiet
from gatewright.cli.terminal import Terminal

UNSUPPORTED = 1
"""Exit status where a layer is not handled."""


def inspect(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Model: a .keras, .h5, .onnx or .pt2 file.")
    ],
    custom: Annotated[str | None, typer.Option(metavar="FILE", help=CUSTOM_HELP)] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show every layer of a model, what it becomes, or why it cannot be compiled and what to do.

    Exit status 1 if a layer is not handled.
    """
    from gatewright.flow.inspect import inspect as look

    terminal = Terminal(json, quiet)
    found = look(model, load_custom(custom))
    terminal.answer(found.facts())
    if not json and not quiet:
        from gatewright.cli.inspection import inspection

        terminal.show(*inspection(found))
    return 0 if found.supported else UNSUPPORTED
