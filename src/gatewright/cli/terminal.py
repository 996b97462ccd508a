"""What a command prints: tables for people, one JSON object for scripts, progress on a terminal."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from gatewright.base.errors import printable
from gatewright.cli.failures import Failure

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    Progress = Callable[[str, int, int], None]

PLAIN_WIDTH = 140
"""Columns of what is printed into a file or a pipe."""


@dataclass(frozen=True)
class Terminal:
    """Where a command prints.

    Attributes:
        json: print one JSON object, and nothing for people.
        quiet: print nothing for people, and no progress.
    """

    json: bool = False
    quiet: bool = False

    def show(self, *parts: RenderableType) -> None:
        """Print tables and texts, unless a script reads or nobody wants to."""
        if self.json or self.quiet:
            return
        with _pipe_may_close(sys.stdout):
            console = _console(sys.stdout)
            for part in parts:
                console.print(part, crop=False)  # commands to copy may be longer than a line
            sys.stdout.flush()

    def answer(self, facts: Mapping[str, Any]) -> None:
        """Print the command's answer as JSON, if a script asked for it."""
        if not self.json:
            return
        with _pipe_may_close(sys.stdout):
            sys.stdout.write(json.dumps(plain(facts), indent=1) + "\n")
            sys.stdout.flush()

    def fail(self, failure: Failure) -> None:
        """Print an error: its first line in red, or as JSON."""
        if self.json:
            self.answer({"error": failure.facts})
            return
        from rich.text import Text

        first, *rest = [printable(line, 2000) for line in failure.text.splitlines()] or [""]
        with _pipe_may_close(sys.stderr):
            text = Text.assemble(("error: ", "bold red"), (first, "red"))
            _console(sys.stderr).print(
                text, *(Text(line) for line in rest), sep="\n", soft_wrap=True
            )
            sys.stderr.flush()

    def note(self, text: str) -> None:
        """Print a remark for people beside the answer, to standard error."""
        if self.json or self.quiet:
            return
        from rich.text import Text

        with _pipe_may_close(sys.stderr):
            line = Text.assemble(("note: ", "bold yellow"), printable(text, 2000))
            _console(sys.stderr).print(line, soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[Progress | None]:
        """Show what is worked on while it lasts; give the function that is told of it.

        None where standard error is no terminal: then nobody watches.
        """
        if self.quiet or not sys.stderr.isatty():
            yield None
            return
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        text = TextColumn("{task.description}", markup=False)
        count = TextColumn("{task.fields[count]}", markup=False)
        columns = (SpinnerColumn(), text, BarColumn(), count, TimeElapsedColumn())
        with Bars(*columns, console=_console(sys.stderr), transient=True) as bars:
            bars.add_task("start", total=None, count="")

            def tell(what: str, done: int, total: int) -> None:
                name, count = printable(what, 40), f"{done}/{total}" if total else ""
                (task,) = bars.tasks
                if (task.total is None) != (total == 0):  # a known total cannot become unknown
                    bars.remove_task(task.id)
                    bars.add_task(name, total=total or None, completed=done, count=count)
                    return
                known = total or None
                bars.update(task.id, description=name, completed=done, total=known, count=count)

            with _one_at_a_time(tell) as told:
                yield told


@contextmanager
def _one_at_a_time(tell: Progress) -> Iterator[Progress]:
    """Let several threads tell of their progress."""
    lock = threading.Lock()

    def told(what: str, done: int, total: int) -> None:
        with lock:
            tell(what, done, total)

    yield told


def plain(value: Any) -> Any:
    """Return data that JSON can hold: arrays as lists, paths as text, no NaN."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # a NumPy array or number
        return plain(value.tolist())
    raise TypeError(f"no plain data: {type(value).__name__}")


def prepare_streams() -> None:
    """Never fail for a character that the user's terminal cannot show."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def flush() -> None:
    """Write out what is buffered, so that a closed pipe shows now and not at the very end."""
    for stream in (sys.stdout, sys.stderr):
        with _pipe_may_close(stream):
            stream.flush()


@contextmanager
def _pipe_may_close(stream: TextIO) -> Iterator[None]:
    """Go on without output where the reader has gone (`| head`): the answer stays the answer."""
    try:
        yield
    except BrokenPipeError:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
