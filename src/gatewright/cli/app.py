"""The command line: which commands there are, and how every one of them ends."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.main import get_command

from gatewright._version import __version__
from gatewright.cli.commands import COMMANDS
from gatewright.cli.failures import BAD_INPUT, INTERRUPTED, explain, interrupted, print_traceback
from gatewright.cli.terminal import Terminal, flush, prepare_streams

NAME = "gatewright"

app = typer.Typer(
    name=NAME,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0; 1, the answer is no; 2, bad input; 3, a defect of Gatewright.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit


@app.callback()
def gatewright(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Turn a trained model into verified, synthesised FPGA firmware."""


for command in COMMANDS:
    app.command()(command)


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: what stands behind the program's name; by default the process's own.

    Returns:
        Exit status: 0; 1 where the answer is no; 2 for bad input; 3 for a defect; 130 for Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    terminal = Terminal(json=_asks_for_json(words))
    prepare_streams()
    try:
        with _ended_cleanly():
            status = _run(words) if words else _show_help()
        if status == INTERRUPTED:
            terminal.fail(interrupted())
    except (Exception, KeyboardInterrupt) as error:
        print_traceback()
        failure = explain(error)
        terminal.fail(failure)
        status = failure.status
    flush()
    return status


def _run(words: list[str]) -> int:
    """Call the command that the words name; commands return their exit status."""
    status: Any = get_command(app).main(words, prog_name=NAME, standalone_mode=False)
    return int(status or 0)


def _show_help() -> int:
    """Help whoever gave no command; a script that forgot it must not think that all is well."""
    _run(["--help"])
    return BAD_INPUT


def _asks_for_json(words: list[str]) -> bool:
    """Whether errors are to be JSON too, told without parsing: the parser may be what fails."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options


@contextlib.contextmanager
def _ended_cleanly() -> Any:
    """Make a request to end (SIGTERM) unwind the program, so that nothing half-written stays."""

    def leave(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    try:
        before = signal.signal(signal.SIGTERM, leave)
    except ValueError:  # not the main thread: another program calls us, and ends us its own way
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
