"""Run outside programs: time limits, whole process groups, temporary folders, first error lines."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gatewright.base.errors import FileError, ToolError

T = TypeVar("T")
R = TypeVar("R")

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


@dataclass(frozen=True)
class Finished:
    """Hold a finished program's exit status and output."""

    status: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Return both streams, the error stream first."""
        return self.stderr + self.stdout


@dataclass
class _Running:
    """Hold the programs that run for one `in_parallel`, so that all end when one fails."""

    programs: set[subprocess.Popen[str]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    cancelled: bool = False

    def add(self, program: subprocess.Popen[str]) -> None:
        with self.lock:
            self.programs.add(program)
            if self.cancelled:
                _kill(program)

    def remove(self, program: subprocess.Popen[str]) -> None:
        with self.lock:
            self.programs.discard(program)

    def cancel(self) -> None:
        with self.lock:
            self.cancelled = True
            for program in self.programs:
                _kill(program)


_thread = threading.local()


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    timeout: float,
    what: str,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program in a process group of its own and wait for it.

    `what` names the step in errors, `env` adds to the environment. Raises `ToolError` where the
    program is missing or runs longer than `timeout` seconds; the whole group is ended then.
    """
    arguments = [str(part) for part in command]
    try:
        process = subprocess.Popen(
            arguments,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        found = f"{arguments[0]}: {error}"
        raise ToolError(f"{what}: the program does not start", found=found) from None
    running: _Running = getattr(_thread, "running", None) or _Running()
    running.add(process)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ToolError(
            f"{what}: not finished after {timeout:g} seconds, and ended",
            found=arguments[0],
            remedy="give more time, or a smaller design",
        ) from None
    finally:
        running.remove(process)
        if process.returncode is None:
            _kill(process)
            process.communicate()
    return Finished(process.returncode, stdout, stderr)


def _kill(process: subprocess.Popen[str]) -> None:
    """End a program and what it started."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def error_lines(text: str, pattern: str = r"error", limit: int = 3) -> str:
    """Return the first lines of `text` that match `pattern`, otherwise its last lines."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [line for line in lines if re.search(pattern, line, re.IGNORECASE)]
    return "\n  ".join(found[:limit] or lines[-limit:]) or "no output"


def ending(status: int) -> str:
    """Say how a program ended: its exit status, or the signal that killed it."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


@contextmanager
def work_folder() -> Iterator[Path]:
    """Give a temporary folder; raise `FileError` where none can be made or the disk is full."""
    try:
        made = tempfile.TemporaryDirectory(prefix="gatewright-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _no_room(error) from error
    with made as name:
        try:
            yield Path(name).resolve()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(error) from error
            raise


def _no_room(error: OSError) -> FileError:
    return FileError(
        "no room to work in the temporary folder",
        place=os.environ.get("TMPDIR", "") or "the system's temporary folder",
        found=error,
        remedy="free space there, or set TMPDIR to another folder",
    )


def write_sources(sources: Mapping[str, str], folder: Path) -> None:
    """Write each source below `folder`, making the folders that the names ask for."""
    for name, text in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def job_count(jobs: int | None) -> int:
    """Return `jobs`, or the number of processors that this process may use."""
    if jobs is not None:
        return max(1, jobs)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def steps(progress: Progress | None, what: str, total: int) -> Callable[[], None]:
    """Return a function that reports one more step done, from any thread."""
    lock = threading.Lock()
    done = 0

    def step() -> None:
        nonlocal done
        with lock:
            done += 1
            if progress is not None:
                progress(what, done, total)

    if progress is not None:
        progress(what, 0, total)
    return step


def in_parallel(work: Callable[[T], R], items: Iterable[T], jobs: int) -> list[R]:
    """Apply `work` (which waits for programs) to all items in threads.

    The first error, and an interrupt, ends the programs that the other threads wait for.
    """
    listed = list(items)
    if jobs == 1 or len(listed) < 2:
        return [work(item) for item in listed]
    running = _Running()
    pool = ThreadPoolExecutor(jobs, initializer=lambda: setattr(_thread, "running", running))
    try:
        futures = [pool.submit(work, item) for item in listed]
        for future in as_completed(futures):
            future.result()
        return [future.result() for future in futures]
    except BaseException:
        running.cancel()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
