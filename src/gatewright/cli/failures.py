"""Turn whatever went wrong into one message, plain facts and an exit status."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from dataclasses import dataclass
from typing import Any

from gatewright.base import FileError, GatewrightError, ManyErrors

VARIABLE = "GATEWRIGHT_TRACEBACK"
"""Environment variable that asks for Python's traceback beside each error."""

NO, BAD_INPUT, DEFECT, INTERRUPTED = 1, 2, 3, 130
"""Exit statuses: the answer is no; bad input or a missing tool; a defect; Ctrl-C."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Failure:
    """What a user is told, as text and as data, and what the shell is told."""

    text: str
    facts: dict[str, Any]
    status: int


def explain(error: BaseException) -> Failure:
    """Return what to say of an exception."""
    if isinstance(error, ManyErrors):
        facts = {**error.facts(), "errors": [each.facts() for each in error.errors]}
        return Failure(error.text(), facts, error.exit_status)
    if isinstance(error, GatewrightError):
        return _of(error)
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return interrupted()
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # of the argument parser
        return _usage(error)
    if isinstance(error, MemoryError):
        what = "there is not enough memory"
        return _of(GatewrightError(what, found=str(error) or None, remedy="give less data at once"))
    if isinstance(error, OSError):
        return _of(_system(error))
    return _defect(error)


def interrupted() -> Failure:
    """Return what to say where the user stopped a command."""
    return Failure("interrupted", {"kind": "interrupted", "what": "interrupted"}, INTERRUPTED)


def print_traceback() -> None:
    """Print the traceback of the exception being handled, if the user asked for it."""
    if os.environ.get(VARIABLE, "") not in ("", "0"):
        traceback.print_exc(file=sys.stderr)


def _of(error: GatewrightError) -> Failure:
    return Failure(error.text(), error.facts(), error.exit_status)


def _usage(error: Any) -> Failure:
    """Return an error in the use of a command, with where to read on."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "gatewright"
    remedy = f"see `{command} --help`"
    what = str(error.format_message()).strip()
    return Failure(
        f"{what}\n  remedy:    {remedy}",
        {"kind": "usage", "what": what, "remedy": remedy},
        BAD_INPUT,
    )


def _system(error: OSError) -> FileError:
    """Return what the operating system refused."""
    names = [str(n) for n in (error.filename, error.filename2) if n is not None]
    full = error.errno in NO_ROOM
    return FileError(
        "there is no room to write" if full else "the operating system refused",
        place=", ".join(names) or None,
        found=error.strerror or str(error),
        remedy="free space, or choose another folder" if full else "",
    )


def _defect(error: BaseException) -> Failure:
    """Return what to say where the fault is ours."""
    said = " ".join(str(error).split())
    found = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return _with_status(
        GatewrightError(
            "this is a defect of Gatewright",
            found=found,
            remedy=f"set {VARIABLE}=1 to see where it happened, and please report it",
        ),
        "defect",
        DEFECT,
    )


def _with_status(error: GatewrightError, kind: str, status: int) -> Failure:
    return Failure(error.text(), {**error.facts(), "kind": kind}, status)
