"""Tell how far training is: to the caller's function, or on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]


@contextmanager
def told(progress: Progress | None, verbose: bool) -> Iterator[Progress | None]:
    """Give the function to tell; a bar on standard error where nobody gave one and it is asked for.

    On what is no terminal, a line for each tenth takes the bar's place.
    """
    if progress is not None or not verbose:
        yield progress
        return
    if not sys.stderr.isatty():
        yield _line
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Bars(*columns, console=Console(file=sys.stderr), transient=True) as bars:
        task = bars.add_task("training", total=1)
        yield lambda what, done, total: bars.update(
            task, description=what, completed=done, total=total
        )


def _line(what: str, done: int, total: int) -> None:
    if done % max(total // 10, 1) == 0 or done == total:
        print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)
