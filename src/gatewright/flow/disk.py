"""Read the files of a saved design without trust: anyone may have changed them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gatewright.base import FileError, ModelError

FORMAT = 5
DESCRIPTION = "design.json"
MOST_BYTES = 1 << 30
"""Largest file of a design that is read."""

FIELDS: dict[str, type | tuple[type, ...]] = {
    "graph": dict, "clock_mhz": (int, float), "device": str, "reuse": (int, type(None)),
    "latency_asked": (int, type(None)), "max_luts": (int, type(None)),
    "max_dsps": (int, type(None)), "max_latency": (str, type(None)),
    "ii": (int, type(None)), "throughput": (int, float, type(None)),
    "max_brams": (int, type(None)), "ports": str, "stream": (dict, type(None)),
    "stateful": (bool, list), "event_steps": (int, type(None)), "varied_length": bool,
    "facts_of_model": dict, "timings": dict, "sha256": dict,
}  # fmt: skip
"""What a description must hold, and of which type."""

FACTS: dict[str, type | tuple[type, ...]] = {
    "model": dict, "source": str, "command": str, "quantization": (dict, type(None)),
    "metrics": (dict, type(None)), "import_check": (dict, type(None)), "source_checks": list,
    "forests": dict,
}  # fmt: skip
"""Types of what a description tells of the model, where it does."""

FOREIGN = re.compile(
    r"(?P<comment>//(?!\s*(?:synopsys|synthesis|verilator|pragma|translate|cadence|coverage))[^\n]*)"
    r"|(?P<legal>\(\* (?:use_dsp = \"(?:yes|no)\"|rom_style = \"block\"|syn_romstyle = \"logic\""
    r"|keep_hierarchy = \"yes\"|ram_style = \"(?:block|distributed|ultra)\") \*\)|\$signed\b"
    r"|`default_nettype (?:none|wire)\b)"
    r"|(?P<foreign>//[^\n]*|/\*|[\"\\$`].{0,20})",
    re.I,
)
"""What is a comment, and what else could make a simulator or a synthesiser do more than compute."""


def read_file(path: Path) -> bytes:
    """Read a file of a design, not through links and not beyond a size.

    Raises:
        FileError: it is a link, too large, or cannot be read.
    """
    try:
        if path.is_symlink() or path.stat().st_size > MOST_BYTES:
            raise FileError("a file of the design is a link, or too large", place=str(path))
        return path.read_bytes()
    except OSError as error:
        raise FileError(
            "a file of the design cannot be read", place=str(path), found=error.strerror
        ) from None


def read_text(path: Path) -> str:
    """Read a text file of a design.

    Raises:
        FileError: it cannot be read, or is no text.
    """
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as error:
        raise FileError("a file of the design is damaged", place=str(path), found=error) from None


def read_rtl(folder: Path) -> dict[str, str]:
    """Read the Verilog of a design, which outside programs are going to be given.

    A Verilog file can ask a simulator to run programs and read files (`$system`, `$c`, includes).
    Nothing of that kind is ever written by Gatewright, and nothing of it is taken.

    Raises:
        FileError: there is none, or one holds what Gatewright does not write.
    """
    sources = {path.name: read_text(path) for path in sorted((folder / "rtl").glob("*.v"))}
    if not sources:
        raise FileError("a design has no RTL", place=str(folder / "rtl"))
    for name, text in sources.items():
        for found in FOREIGN.finditer(text):
            if found["foreign"]:
                line = text.count("\n", 0, found.start()) + 1
                raise FileError(
                    "the RTL holds what Gatewright never writes, and what tools may act upon",
                    place=f"{folder / 'rtl' / name}, line {line}",
                    found=found["foreign"],
                    supported="Verilog without system tasks, directives, strings, escaped names",
                    remedy="compile the model again",
                )
    return sources


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an archive of arrays, never unpickling.

    Raises:
        FileError: it is damaged, or too large.
    """
    content = read_file(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(info.file_size for info in archive.infolist()) > MOST_BYTES:
                raise FileError("a file of the design is too large", place=str(path))
        with np.load(io.BytesIO(content), allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
    except (
        ValueError, OSError, zipfile.BadZipFile, KeyError, EOFError, MemoryError, SyntaxError,
        zlib.error, tokenize.TokenError, NotImplementedError, RuntimeError,
    ) as error:  # fmt: skip
        raise FileError("a file of the design is damaged", place=str(path), found=error) from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy gives the bytes of what is no array
            raise FileError("a file of the design is damaged", place=str(path), found=name)
    return arrays


def read_description(folder: Path) -> dict[str, Any]:
    """Read what a design says of itself.

    Raises:
        FileError: the folder is no design, or its description is damaged or of another version.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise FileError(
            "this folder is not a design",
            place=str(folder),
            found=f"no {DESCRIPTION}",
            remedy="give the folder that `gatewright compile -o` wrote",
        )
    try:
        description = json.loads(read_file(path))
        version = description["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FileError("a design's description is damaged", place=str(path)) from None
    if version != FORMAT:
        raise FileError(
            "a design was written by another version",
            place=str(path),
            found=f"format {version}",
            supported=f"format {FORMAT}",
            remedy="compile the model again",
        )
    wrong = [
        field
        for field, kind in FIELDS.items()
        if field not in description or not isinstance(description[field], kind)
    ]
    wrong += [] if wrong else _wrong_inside(description)
    if wrong:
        raise FileError(
            "a design's description is damaged", place=str(path), found=", ".join(wrong)
        )
    return dict(description)


def _wrong_inside(description: Mapping[str, Any]) -> list[str]:
    """Return the fields whose own fields are wrong."""
    wrong: list[str] = []
    if not all(type(seconds) in (int, float) for seconds in description["timings"].values()):
        wrong.append("timings")
    stream = description["stream"]
    if stream is not None and not _is_stream(stream):
        wrong.append("stream")
    facts = description["facts_of_model"]
    wrong += [f for f, kind in FACTS.items() if f in facts and not isinstance(facts[f], kind)]
    if not all(isinstance(check, dict) for check in facts.get("source_checks") or []):
        wrong.append("source_checks")
    for name, digest in description["sha256"].items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not isinstance(digest, str):
            wrong.append("sha256")
    return wrong


def _is_stream(stream: Mapping[str, Any]) -> bool:
    """Whether this is what a design on streams says of its plan."""
    depths, reasons = stream.get("depths"), stream.get("reasons")
    return (
        type(stream.get("interval")) is int
        and isinstance(stream.get("plans"), dict)
        and isinstance(reasons, dict)
        and all(isinstance(text, str) for text in reasons.values())
        and isinstance(depths, list)
        and all(type(depth) is int and 0 <= depth < 1 << 31 for depth in depths)
    )


def changed_files(folder: Path, recorded: Mapping[str, str]) -> list[str]:
    """Return the files that are not as they were written, and RTL that was not written at all."""
    changed = []
    for name, digest in recorded.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(read_file(path)).hexdigest() != digest:
            changed.append(name)
    added = {f"rtl/{path.name}" for path in (folder / "rtl").glob("*.v")} - set(recorded)
    return [*changed, *sorted(added)]


@contextmanager
def from_disk(folder: Path) -> Iterator[None]:
    """Say of whatever fails in the block that the design is damaged: its data came from a disk.

    Data of the right types can still fail to fit each other. The first error stays attached.
    """
    try:
        yield
    except (
        ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RecursionError,
        TypeError, ValueError,
    ) as error:  # fmt: skip
        raise ModelError(
            "a saved design is damaged, or was written by another version",
            place=str(folder),
            found=f"{type(error).__name__}: {error}",
            remedy="compile the model again",
        ) from error
