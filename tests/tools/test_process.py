import sys
import tempfile
import threading

import pytest

from gatewright.base.errors import FileError, ToolError
from gatewright.tools.process import ending, error_lines, in_parallel, run, steps, work_folder

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_output_and_status(tmp_path):
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = run([sys.executable, "-c", code], cwd=tmp_path, timeout=60, what="test")
    assert (done.status, done.stdout.strip(), done.stderr.strip()) == (3, "out", "err")
    assert ending(done.status) == "exit status 3"
    assert ending(-9) == "killed by SIGKILL"


def test_a_missing_program_wrong(tmp_path):
    with pytest.raises(ToolError, match="test: the program does not start"):
        run(["/nowhere/program"], cwd=tmp_path, timeout=1, what="test")


def test_too_slow_wrong(tmp_path):
    with pytest.raises(ToolError, match=r"sleeper: not finished after 0.2 seconds, and ended"):
        run(SLEEP, cwd=tmp_path, timeout=0.2, what="sleeper")


def test_the_first_failure_ends_the_other_programs(tmp_path):
    started = threading.Event()

    def work(item):
        if item == "fail":
            started.wait(60)
            raise ToolError("broken")
        started.set()
        return run(SLEEP, cwd=tmp_path, timeout=500, what="sleeper")

    with pytest.raises(ToolError, match="broken"):
        in_parallel(work, ["sleep", "fail", "sleep"], 2)  # would take minutes otherwise


def test_results_keep_their_order():
    assert in_parallel(lambda x: x * x, range(7), 3) == [0, 1, 4, 9, 16, 25, 36]


def test_error_lines_are_the_first_that_matter():
    text = "note\na.v:1: error: one\nb.v:2: Error: two\nc: error: 3\nd: error: 4\n"
    assert error_lines(text) == "a.v:1: error: one\n  b.v:2: Error: two\n  c: error: 3"
    assert error_lines("just\nthis\n", limit=1) == "this"
    assert error_lines("") == "no output"


def test_steps_count_up():
    seen = []
    step = steps(lambda *facts: seen.append(facts), "work", 2)
    step()
    step()
    assert seen == [("work", 0, 2), ("work", 1, 2), ("work", 2, 2)]


def test_no_temporary_folder_wrong(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(FileError, match="no room to work") as error, work_folder():
        pass
    assert "TMPDIR" in str(error.value)


def test_a_full_disk_wrong():
    with pytest.raises(FileError, match="No space left"), work_folder():
        raise OSError(28, "No space left on device")
    with pytest.raises(OSError, match="other"), work_folder():
        raise OSError(2, "other")
