"""How commands end: interrupts, closed pipes, defects, terminals."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from rich.text import Text
from tests.cli.cli_models import START

from gatewright.base import GatewrightError, ManyErrors, VerificationError
from gatewright.cli import failures, main, terminal
from gatewright.cli.failures import explain
from gatewright.cli.terminal import Terminal, plain


def broken(error):
    def command():
        raise error

    return command


@pytest.fixture
def fail_with(monkeypatch, call):
    """Return a function that runs a command which raises."""

    def run(error, *words):
        monkeypatch.setattr("gatewright.cli.app._run", lambda words: broken(error)())
        return call("devices", *words)

    return run


def test_statuses():
    assert explain(GatewrightError("no")).status == 2
    assert explain(VerificationError("no")).status == 1
    assert explain(ManyErrors([GatewrightError("a"), GatewrightError("b")])).status == 2
    assert explain(KeyboardInterrupt()).status == 130
    assert explain(MemoryError()).status == 2
    assert explain(OSError(28, "No space left on device", "f")).status == 2
    assert explain(ZeroDivisionError("oops")).status == 3


def test_a_defect_is_called_one(fail_with, monkeypatch):
    done = fail_with(ZeroDivisionError("one\nby none"))
    assert done.status == 3
    assert done.err.splitlines()[0] == "error: this is a defect of Gatewright"
    assert "ZeroDivisionError: one by none" in done.err
    assert "GATEWRIGHT_TRACEBACK=1" in done.err
    assert "Traceback" not in done.err
    done = fail_with(ZeroDivisionError("x"), "--json")
    assert json.loads(done.out)["error"]["kind"] == "defect"
    monkeypatch.setenv(failures.VARIABLE, "1")
    assert "Traceback" in fail_with(ZeroDivisionError("x")).err


def test_what_the_system_refuses(fail_with):
    done = fail_with(OSError(28, "No space left on device", "/some/file"))
    assert done.status == 2
    assert "no room to write" in done.err
    assert "/some/file" in done.err
    assert "not enough memory" in fail_with(MemoryError()).err


def test_interrupt(fail_with):
    done = fail_with(KeyboardInterrupt())
    assert (done.status, done.err) == (130, "error: interrupted\n")
    assert (
        json.loads(fail_with(KeyboardInterrupt(), "--json").out)["error"]["kind"] == "interrupted"
    )


def test_control_characters_are_escaped(fail_with):
    done = fail_with(GatewrightError("bad\x1b[2J", place="a\x07b", remedy="[bold]x[/bold]"))
    assert "\x1b" not in done.err
    assert "\x07" not in done.err
    assert "[bold]x[/bold]" in done.err


def test_all_of_many_errors_are_shown(fail_with):
    done = fail_with(ManyErrors([GatewrightError("first"), GatewrightError("second")]))
    assert "[1/2] first" in done.err
    assert "[2/2] second" in done.err
    done = fail_with(ManyErrors([GatewrightError("first"), GatewrightError("second")]), "--json")
    errors = json.loads(done.out)["error"]["errors"]
    assert [e["what"] for e in errors] == ["first", "second"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing_behind(tmp_path, number, status):
    """The command is stopped while it writes."""
    code = (
        "import signal, sys, time; from gatewright.flow import store\n"
        # A shell's background job, which a test run may be, starts with Ctrl-C ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def slow(*_): print('writing', flush=True); time.sleep(30)\n"
        "store._swap = slow\n" + START
    )
    from tests.cli.cli_models import quantized, write

    model = write(tmp_path / "m.onnx", quantized())
    words = [sys.executable, "-c", code, "compile", str(model), "-o", str(tmp_path / "d")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as done:
        assert done.stdout.readline() == "writing\n"
        done.send_signal(number)
        done.communicate(timeout=20)
    assert done.returncode == status
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize("words", [["devices"], ["devices", "--json"], ["--help"]])
def test_a_closed_pipe_is_no_error(words):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", START, *words], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert done.stderr == b""
    assert done.returncode in (0, 1)


def test_an_ascii_terminal_shows_something():
    words = [sys.executable, "-c", START, "devices"]
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(words, capture_output=True, env=env, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"xcvu13p" in done.stdout


# ---- the terminal


class Tty(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_shown_on_a_terminal_only(monkeypatch):
    screen = Tty()
    monkeypatch.setattr(sys, "stderr", screen)
    with Terminal().progress() as tell:
        tell("layer [bold]\x1b", 1, 3)
        time.sleep(0.25)
        assert "layer [bold]\\x1b" in screen.getvalue()
        assert "1/3" in screen.getvalue()
        tell("endless", 0, 0)
        time.sleep(0.25)
        _, _, after = screen.getvalue().rpartition("endless")
        assert after
        assert "/" not in after
    with Terminal(quiet=True).progress() as tell:
        assert tell is None
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Terminal().progress() as tell:
        assert tell is None


def test_errors_are_red_on_a_terminal(monkeypatch):
    screen = Tty()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    Terminal().fail(explain(GatewrightError("first", remedy="second")))
    lines = screen.getvalue().splitlines()
    assert "\x1b[" in lines[0]
    assert lines[1] == "  remedy:    second"


def test_plain_data():
    facts = {"a": np.float32(1.5), "b": np.arange(2), "c": float("nan"), 3: (True, None)}
    expected = {"a": 1.5, "b": [0, 1], "c": None, "3": [True, None]}
    assert plain(facts) == expected
    with pytest.raises(TypeError):
        plain(object())


def test_json_is_alone(capsys):
    shown = Terminal(json=True)
    shown.show(Text("table"))
    shown.note("remark")
    shown.answer({"a": 1})
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    assert terminal.PLAIN_WIDTH > 80


def test_main_takes_the_arguments_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gatewright", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("gatewright ")
