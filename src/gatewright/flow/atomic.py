"""Files that appear only when they are complete."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gatewright.base import FileError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that appears only when it is complete."""
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or a pipe"
        raise FileError("the output is no plain file", place=str(path), found=kind)
    work = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work.write_bytes(content)
        work.replace(path)
    except OSError as error:
        raise FileError(
            "a file could not be written",
            place=str(path),
            found=error.strerror or error,
            remedy="check free space and permissions; nothing was left behind",
        ) from None
    finally:
        with suppress(OSError):  # it is there only where something went wrong
            work.unlink()
